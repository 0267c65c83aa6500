"""What the ledger keeps of each send, in memory and in its changelog, and what its parts are called."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from schemas.events import PartSent, Reason, SendRequested
from schemas.parts import Address, Frozen, Part
from schemas.topics import RESPONDER_STATE
from services.runtime.bus.handler import Table, Tables


class Standing(StrEnum):
    """Where a send is."""

    WAITING = "waiting"
    """Nothing of its next part has gone; all that is needed is kept."""
    STARTED = "started"
    """A call may have been made. Kept without the content: whoever finds it does not make it again."""
    GONE = "gone"
    """It has its outcome. Remembered for a while, so that the same request twice is one."""


class Send(Frozen):
    """Which attempt at which reply, and what its outcome must name."""

    tenant: str
    reply: str
    conversation: str
    channel: str
    inbox: str
    attempt: int
    first_part: int
    parts: int
    bulk: bool = False

    @property
    def key(self) -> str:
        """Its name in the ledger."""
        return key_of(self.reply, self.attempt)


class Content(Frozen):
    """What a call needs: to whom, which words, until when."""

    address: Address
    parts: tuple[Part, ...]
    """Fitted to the channel."""
    not_after: datetime
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    subject: str | None = None
    automatic: bool = False


class Row(Frozen):
    """One send, as the changelog has it."""

    standing: Standing
    order: int
    """Who came first goes first; of what is gone, who went first is forgotten first."""
    send: Send | None = None
    content: Content | None = None
    part: int = 0
    """The part that is next, or under way."""
    tries: int = 0
    """Calls made for this part that certainly sent nothing."""
    sent: tuple[PartSent, ...] = ()
    due: datetime | None = None
    token: str | None = None
    """Whose call it is: each process has its own."""
    cancelled: Reason | None = None


class Ticket(NamedTuple):
    """One call: which part of which send, after how many vain tries, by whom. No two calls have the same."""

    key: str
    part: int
    tries: int
    token: str


SENDS: Table[Row] = Table("sends", Row, RESPONDER_STATE.name)
TABLES = Tables((SENDS,), state=RESPONDER_STATE.name)


def key_of(reply: str, attempt: int) -> str:
    """Return the name of an attempt at a reply in the ledger."""
    return f"{reply}.{attempt}"


def send_of(request: SendRequested, parts: int, *, bulk: bool) -> Send:
    """Return what is asked, without its content."""
    return Send(
        tenant=request.tenant,
        reply=request.reply,
        conversation=request.conversation,
        channel=request.via.channel,
        inbox=request.via.inbox,
        attempt=request.attempt,
        first_part=request.first_part,
        parts=parts,
        bulk=bulk,
    )


def content_of(request: SendRequested, parts: tuple[Part, ...]) -> Content:
    """Return what is to be said, with its fitted parts."""
    return Content(
        address=request.address,
        parts=parts,
        not_after=request.not_after,
        in_reply_to=request.in_reply_to,
        references=request.references,
        subject=request.subject,
        automatic=request.automatic,
    )
