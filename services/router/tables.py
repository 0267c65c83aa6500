"""What the router remembers, and in which table. Rows are values: a change is a new row.

Everything here goes when the conversation it belongs to is forgotten, so the memory follows what is open.
Rows hold addresses and words; keys never do.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from schemas.events import (
    Author,
    Closing,
    DeliveryStatus,
    EntryKind,
    MessageEchoed,
    Reason,
    ReceiptReceived,
    Sender,
    Via,
)
from schemas.parts import Address, Frozen, Part
from schemas.topics import ROUTER_SEEN, ROUTER_STATE
from services.runtime.bus.handler import Table, Tables


class Known(Frozen):
    """An address: whose it is, and which one took its place. Key: the address's pseudonym."""

    contact: str
    address: Address
    replaced_by: str | None = None
    """Key of the address that a provider named as its successor."""


class Contact(Frozen):
    """A citizen: addresses and conversations, by their keys, the latest last."""

    tenant: str
    addresses: tuple[str, ...]
    conversations: tuple[str, ...] = ()


class Conversation(Frozen):
    """Messages with one contact on one matter."""

    id: str
    tenant: str
    reference: str
    contact: str
    via: Via
    """Of its last message."""
    department: str
    before: tuple[str, ...] = ()
    """Departments that had it earlier: they know of it too."""
    routing: int = 1
    opened_at: datetime
    last: int = 0
    """Number of its last entry."""
    last_at: datetime
    open: int = 0
    """Messages that wait for an answer."""
    answered_to: int = 0
    """Every message up to this entry is answered."""
    answered: bool = False
    """There was an answer since it was opened, or opened again."""
    ever_answered: bool = False
    asked: bool = False
    """The last answer put a question, so a mere "ja" or "prima" is an answer to it."""
    answerable_until: datetime | None = None
    in_flight: str | None = None
    """The reply that has no outcome yet; the others wait for it."""
    queue: tuple[str, ...] = ()
    echoes: tuple[str, ...] = ()
    """Answers seen outside the hub that may yet prove to be ours."""
    claimed_by: Author | None = None
    closed_at: datetime | None = None
    closing: Closing | None = None
    merged_into: str | None = None
    linked: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something, or may."""
        return self.closed_at is None


class Taken(Frozen):
    """What answering, moving or changing a message needs of it; its words are read back from `inbound`."""

    message: str
    offset: int
    via: Via
    sender: Sender
    external_id: str
    subject: str | None = None
    thread: tuple[str, ...] = ()
    received: datetime
    answerable_until: datetime | None = None
    asks: bool = True
    """It needs an answer."""
    at_hand: bool = True
    """What lies in `inbound` is what the citizen says now: neither edited nor revoked."""
    erased: bool = False
    """Its citizen asked to be forgotten: what was personal is gone from here."""


class Line(Frozen):
    """One numbered entry that later things refer to. Key: `<conversation>/<number>`."""

    kind: EntryKind
    at: datetime
    external: str | None = None
    """Key in the table of external ids."""
    author: Author | None = None
    reply: str | None = None
    taken: Taken | None = None


class External(Frozen):
    """Where a provider's id belongs. Key: a digest of inbox and external id."""

    conversation: str
    number: int
    reply: str | None = None
    part: int | None = None


class Reply(Frozen):
    """An answer and how far it got."""

    id: str
    tenant: str
    conversation: str
    number: int
    department: str
    author: Author
    via: Via
    address: Address
    parts: tuple[Part, ...]
    accepted_at: datetime
    not_after: datetime
    answers: int
    """How many messages it answers."""
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    subject: str | None = None
    bulk: bool = False
    attempt: int = 1
    settled: tuple[int, ...] = ()
    """Attempts that have their outcome."""
    total: int | None = None
    """Parts it was fitted into; unknown until the first outcome."""
    progress: dict[int, DeliveryStatus] = Field(default_factory=dict)
    reported: DeliveryStatus = DeliveryStatus.QUEUED
    resent: bool = False
    done: bool = False
    """Its conversation's next reply may go."""
    worklisted: bool = False
    reason: Reason | None = None
    code: str | None = None
    cost: str | None = None
    priced: bool = False
    """The facts tell its cost."""
    externals: tuple[str, ...] = ()

    @property
    def erased(self) -> bool:
        """Whether its words are gone, because its citizen asked to be forgotten: it is not sent any more."""
        return not self.parts


class Undelivered(Frozen):
    """A reply that has no final status yet. Key: its id."""

    channel: str
    since: datetime
    """When it was granted."""


class Orphans(Frozen):
    """Receipts whose reply is not known yet. Key: as External."""

    tenant: str
    receipts: tuple[ReceiptReceived, ...]


class WaitingEcho(Frozen):
    """An answer seen outside the hub while one of ours is in flight: it may be that one. Key: as External."""

    conversation: str
    echo: MessageEchoed


class ReferenceOf(Frozen):
    """Whose number it is. Key: `<tenant>/<reference>`."""

    conversation: str


class Counter(Frozen):
    """How many references a tenant used. Key: the tenant."""

    used: int


_STATE = ROUTER_STATE.name
ADDRESSES = Table("addresses", Known, _STATE)
CONTACTS = Table("contacts", Contact, _STATE)
CONVERSATIONS = Table("conversations", Conversation, _STATE)
LINES = Table("lines", Line, _STATE)
EXTERNALS = Table("externals", External, _STATE)
REPLIES = Table("replies", Reply, _STATE)
UNDELIVERED = Table("undelivered", Undelivered, _STATE)
ORPHANS = Table("orphans", Orphans, _STATE)
ECHOES = Table("echoes", WaitingEcho, _STATE)
REFERENCES = Table("references", ReferenceOf, _STATE)
COUNTERS = Table("counters", Counter, _STATE)

TABLES = Tables(
    tables=(
        ADDRESSES,
        CONTACTS,
        CONVERSATIONS,
        LINES,
        EXTERNALS,
        REPLIES,
        UNDELIVERED,
        ORPHANS,
        ECHOES,
        REFERENCES,
        COUNTERS,
    ),
    state=_STATE,
    seen=ROUTER_SEEN.name,
)
"""What the loop rebuilds before the router works."""
