"""The contract of a channel: read this first. A channel is a folder here with a class that has these three methods.

verify  is this really from the provider?          raw bytes in, nothing out, or VerificationError
parse   what does it say?                          pure and total: no clock, no network, never an exception
send    deliver one part of a reply                the only one that touches the network, by what is handed in

What only some channels can do are small protocols of their own (Challenges, Answers, Listens, Windows, FetchesMedia).
What differs by number is data (Limits). A channel knows no topic, no tenant and no conversation.

ChannelError                                       what follows
  VerificationError   not from the provider        one constant refusal, counted; the body is not kept
  SendError           this part did not go         by its `reason`: retry, give up, or find out first

A body that is genuine but unreadable is no error: parse hands it back as Rejected, and it becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

from schemas.events import DeliveryStatus, Reason
from schemas.parts import Address, Part

# --- errors --------------------------------------------------------------------------------------------------


class ChannelError(Exception):
    """Something between us and a provider. Its text never holds a citizen's words, name or address."""


class VerificationError(ChannelError):
    """This is not from the provider. Its text is for the log and is never sent back."""


class SendError(ChannelError):
    """One part did not go, or may not have gone.

    `reason` says what follows (see Reason), `code` is the provider's own, as data, and `after` is how many seconds
    the provider asked us to wait. `scope` says who has to slow down after a rate limit.
    """

    def __init__(
        self,
        reason: Reason,
        *,
        code: str | None = None,
        after: float | None = None,
        scope: RateScope | None = None,
    ) -> None:
        super().__init__(f"{reason} (code {code or 'none'})")
        self.reason, self.code, self.after, self.scope = (
            reason,
            code,
            after,
            scope or RateScope.INBOX,
        )


class RateScope(StrEnum):
    """Whom a rate limit is about."""

    INBOX = "inbox"
    RECIPIENT = "recipient"


# --- in ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """What reached us, as it came: signatures are over bytes. Header names are lower case.

    `headers` keeps every header in order, doubled ones too. `url` is the address as the provider called it.
    For a mail: method LMTP, `body` the mail, and envelope sender and recipient in `envelope`.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    envelope: Mapping[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Return the only header of this name; None when there is none, or more than one."""
        found = [value for key, value in self.headers if key == name]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider reaches us: its name in the path, and the secrets that prove it is them.

    Each secret may have several values, so that a new one can be taken up before the old one goes.
    """

    name: str
    channel: str
    provider: str
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class File:
    """A file that came inside the request: the hub keeps it and puts its reference in the part."""

    sha256: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Parsed:
    """What one request holds. `account` is the provider's name of the inbox; `external_id` of the thing itself.

    `happened` is the sender's or provider's claim, None when there was none (the hub then takes its own).
    """

    account: str
    external_id: str
    happened: datetime | None


@dataclass(frozen=True, slots=True)
class Message(Parsed):
    """A citizen wrote."""

    addresses: tuple[Address, ...]
    """Every address of the sender that was given, the one to answer first."""
    parts: tuple[Part, ...]
    name: str | None = None
    subject: str | None = None
    thread: tuple[str, ...] = ()
    sequence: int | None = None
    automatic: bool = False
    truncated: bool = False
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit(Parsed):
    """A citizen changed a message; `external_id` is that message's, `edit_id` the change's own."""

    parts: tuple[Part, ...]
    edit_id: str
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Revocation(Parsed):
    """A citizen took a message back; `external_id` is that message's."""


@dataclass(frozen=True, slots=True)
class Echo(Parsed):
    """Somebody answered in the provider's own app."""

    recipient: Address
    parts: tuple[Part, ...]
    our_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt(Parsed):
    """The provider reports on what we sent; `external_id` is the sent part's."""

    status: DeliveryStatus
    our_id: str | None = None
    reason: Reason | None = None
    code: str | None = None
    permanent: bool | None = None
    recipient: Address | None = None
    cost: str | None = None


@dataclass(frozen=True, slots=True)
class Link(Parsed):
    """Two addresses are one citizen's."""

    old: Address
    new: Address


@dataclass(frozen=True, slots=True)
class AccountChange(Parsed):
    """The provider changed what our account may do."""

    change: str
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Genuine, but unreadable, whole or in part: `reason` says what and where, never a citizen's word."""

    reason: str
    raw: bytes
    account: str | None = None


Item = Message | Edit | Revocation | Echo | Receipt | Link | AccountChange | Rejected


# --- out -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inbox:
    """What a reply leaves from: a number, mailbox or widget. `settings` are its provider's: token, API address."""

    name: str
    channel: str
    provider: str
    account: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outbound:
    """One part of a reply, fitted to the channel. `our_id` goes along, so that a receipt can name it."""

    inbox: Inbox
    address: Address
    part: Part
    our_id: str
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    subject: str | None = None
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it: several ids where it cut the part itself. `status` is `sent` only where that is sure."""

    external_ids: tuple[str, ...]
    status: DeliveryStatus = DeliveryStatus.ACCEPTED


@dataclass(frozen=True, slots=True)
class Limits:
    """What the channel carries, as data: the responder fits the content to it."""

    max_text: int
    """Characters in one text part."""
    max_caption: int = 0
    accepts: frozenset[str] = frozenset({"text"})
    """Kinds of parts that go out as they are; others are written out as text."""
    rate: float = 20.0
    """Sends a second for one inbox, unless the inbox says otherwise."""
    width: int = 8
    """Sends in flight at once for one inbox."""
    recipient_interval: float = 0.0
    """Seconds between two sends to one citizen."""
    deadline: float = 10.0
    """Seconds one send may take."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer to a call of ours."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http(Protocol):
    """The network, handed in. Never follows a redirect, never repeats by itself."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> HttpResponse:
        """Make one call. Raises SendError: `retry` when it certainly was not sent, `unknown` when it may have been."""
        ...


@runtime_checkable
class Channel(Protocol):
    """A kind of way to reach citizens."""

    name: ClassVar[str]
    providers: ClassVar[tuple[str, ...]]
    limits: ClassVar[Limits]

    def verify(self, request: Request, endpoint: Endpoint) -> None:
        """Raise VerificationError unless the request is the provider's own."""
        ...

    def parse(self, request: Request, endpoint: Endpoint) -> list[Item]:
        """Return all that the request holds, in its order. Never raises."""
        ...

    async def send(self, outbound: Outbound, http: Http) -> Sent:
        """Deliver one part; raises SendError."""
        ...


# --- what some channels can do besides -----------------------------------------------------------------------


@runtime_checkable
class Challenges(Protocol):
    """The provider asks first whether we are who it thinks (Meta's GET)."""

    def challenge(self, request: Request, endpoint: Endpoint) -> bytes:
        """Return what to answer; raises VerificationError."""
        ...


@runtime_checkable
class Answers(Protocol):
    """The provider wants a body of its own in our 2xx, or another status for a forgery."""

    accepted: ClassVar[tuple[int, str, bytes]]
    """Status, content type and body of a 2xx."""
    refused: ClassVar[tuple[int, str, bytes]]


@runtime_checkable
class Windows(Protocol):
    """We may only answer for some time after the citizen's last message."""

    window: ClassVar[timedelta]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What reading one request may cost."""

    seconds: float = 20.0
    """By the clock on the wall."""
    cpu_seconds: int = 5
    memory: int = 512 * 1024 * 1024
    """Bytes of address space, with what the reader itself takes."""


@runtime_checkable
class ReadApart(Protocol):
    """Anybody may write what comes here, in a form that can be made costly to read.

    `parse` then runs in a process of its own, within bounds; what costs more is set aside whole. The endpoint it is
    given there has no secrets.
    """

    bounds: ClassVar[Bounds]


@runtime_checkable
class FetchesMedia(Protocol):
    """Files come as ids that have to be fetched, and soon."""

    async def fetch(self, media_id: str, inbox: Inbox, http: Http) -> bytes:
        """Return the file; raises SendError."""
        ...


class Verdict(StrEnum):
    """What became of a request that a listener handed to the hub."""

    ACCEPTED = "accepted"
    """Durably kept: the peer may forget it."""
    NOT_NOW = "not-now"
    """Not kept: the peer must come again."""
    REFUSED = "refused"
    """Not ours, and will never be."""


Receive = Callable[[Request], Awaitable[Verdict]]
"""What a listener calls with each request; returns when the hub has it for sure."""


class Listener(Protocol):
    """Something that listens; close() takes nothing new and returns when what was begun is done."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


@runtime_checkable
class Listens(Protocol):
    """The channel is reached by a protocol of its own (LMTP, SMPP), not by a webhook."""

    async def listen(self, endpoint: Endpoint, settings: Mapping[str, str], receive: Receive) -> Listener:
        """Start listening as `settings` say (host, port)."""
        ...


# --- HTTP, mapped once ---------------------------------------------------------------------------------------

_TOO_MANY = 429
_NOT_NOW = 503
_OK = range(200, 300)


def raise_for_status(response: HttpResponse) -> None:
    """Raise the SendError that an HTTP status stands for, where the provider's own code says no more.

    429 and 503 were certainly not accepted (RFC 6585, RFC 9110); any other 5xx may have been.
    """
    if response.status in _OK:
        return
    code, after = str(response.status), retry_after(response)
    if response.status == _TOO_MANY:
        raise SendError(Reason.RATE_LIMIT, code=code, after=after)
    if response.status == _NOT_NOW:
        raise SendError(Reason.RETRY, code=code, after=after)
    raise SendError(_BY_STATUS.get(response.status, _by_family(response.status)), code=code)


_BY_STATUS = {401: Reason.ACCOUNT, 403: Reason.ACCOUNT, 404: Reason.ACCOUNT, 408: Reason.UNKNOWN}


def _by_family(status: int) -> Reason:
    """5xx may have been accepted, 4xx refuses what we said, and a redirect says that our API address is wrong."""
    if status >= 500:  # noqa: PLR2004 - the 5xx family
        return Reason.UNKNOWN
    return Reason.CONTENT if status >= 400 else Reason.ACCOUNT  # noqa: PLR2004 - the 4xx family


def retry_after(response: HttpResponse) -> float | None:
    """Return the seconds of a Retry-After header; a date or nonsense counts as none said (RFC 9110, 10.2.3)."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() else None
