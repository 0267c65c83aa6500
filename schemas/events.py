"""Every event of the hub, declared once. From here come JSON Schema, AsyncAPI and the tables in the docs.

Events are in the past tense, and so are the commands of departments: `reply.requested` says that somebody asked,
and only the router says whether it was granted.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, ConfigDict, Field

from schemas.parts import Address, FileRef, Frozen, Part

PREFIX = "nl.berichtenhub."

Oin = Annotated[str, Field(pattern=r"^[0-9]{20}$", description="The municipality: its OIN, 20 digits.")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]
Id = Annotated[str, Field(min_length=1, max_length=200)]
Moment = AwareDatetime


# --- words that have a closed list ---------------------------------------------------------------------------


class DeliveryStatus(StrEnum):
    """How far a reply got: queued < accepted < sent < delivered < read, or failed, or unknown."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a send did not succeed, and so what follows from it."""

    RETRY = "retry"
    """Nothing was sent; later it may go."""
    RATE_LIMIT = "rate-limit"
    """Too fast, for this inbox or this citizen."""
    WINDOW_CLOSED = "window-closed"
    """The channel no longer lets us answer."""
    RECIPIENT = "recipient"
    """This address cannot be reached."""
    CONTENT = "content"
    """The channel refuses these words."""
    ACCOUNT = "account"
    """Our own configuration: token, permission, payment."""
    UNKNOWN = "unknown"
    """It may have been sent, or not."""
    WITHDRAWN = "withdrawn"
    """The inbox was withdrawn."""
    EXPIRED = "expired"
    """`not-after` passed first."""
    ERASED = "erased"
    """The citizen asked to be forgotten."""
    OTHER = "other"
    """The provider's code says no more."""


class Closing(StrEnum):
    """Why a conversation ended."""

    ANSWERED = "answered"
    THANKED = "thanked"
    NO_ANSWER_NEEDED = "no-answer-needed"
    MERGED = "merged"
    ERASED = "erased"
    EXPIRED = "expired"


class Refusal(StrEnum):
    """Why the router refused what somebody asked."""

    UNKNOWN_CONVERSATION = "unknown-conversation"
    NOT_YOURS = "not-yours"
    ANSWERED_ALREADY = "answered-already"
    WINDOW_CLOSED = "window-closed"
    UNKNOWN_DEPARTMENT = "unknown-department"
    ALREADY_THERE = "already-there"
    CLOSED = "closed"
    CLAIMED = "claimed"
    NO_ADDRESS = "no-address"
    TOO_LATE = "too-late"
    NOT_SUPPORTED = "not-supported"


class Move(StrEnum):
    """How a conversation came to another department."""

    CORRECTION = "correction"
    HAND_OVER = "hand-over"


class EntryKind(StrEnum):
    """What one line of a conversation's history is."""

    MESSAGE = "message"
    REPLY = "reply"
    ECHO = "echo"
    NOTE = "note"
    CORRECTION = "correction"
    HAND_OVER = "hand-over"
    CLAIM = "claim"
    RELEASE = "release"
    CLOSE = "close"
    REOPEN = "reopen"
    LINK = "link"


class InboxState(StrEnum):
    """Where an inbox is in its life."""

    PLANNED = "planned"
    ACTIVE = "active"
    DRAINING = "draining"
    WITHDRAWN = "withdrawn"


# --- building blocks -----------------------------------------------------------------------------------------


class Event(Frozen):
    """What every event tells: whose it is."""

    model_config = ConfigDict(title="Event")
    TYPE: ClassVar[str] = ""
    TITLE: ClassVar[str] = ""

    tenant: Oin


class Author(Frozen):
    """Who asked, as the bridge attests it from the bearer token; a publisher cannot claim it."""

    publisher: Slug
    department: Slug | None = None
    """The department whose token it was; absent for an operator or another system."""
    agent: str | None = Field(default=None, max_length=100)
    """The employee, by the publisher's own id of them."""


class Sender(Frozen):
    """The citizen, by every address this message gave; the first is the one to answer."""

    addresses: tuple[Address, ...] = Field(min_length=1)
    name: str | None = None


class Via(Frozen):
    """The way something came in or goes out."""

    channel: Slug
    provider: Slug
    inbox: Slug


class Times(Frozen):
    """When it happened by the sender's or provider's claim, and when the hub received it. UTC."""

    happened: Moment
    received: Moment


class Versions(Frozen):
    """What decided: the versions of taxonomy, lexicon and model."""

    taxonomy: str
    lexicon: str
    model: str | None = None


class Suggestion(Frozen):
    """A department that was considered, and how likely it seemed."""

    department: Slug
    confidence: float = Field(ge=0, le=1)


class PartSent(Frozen):
    """One part that the provider took, and its id there."""

    part: int = Field(ge=0)
    external_id: str


class Origin(Frozen):
    """Where a record was that was set aside."""

    topic: str
    partition: int | None = None
    offset: int | None = None


# --- inbound: from citizens and providers --------------------------------------------------------------------


class MessageReceived(Event):
    """A citizen wrote."""

    TYPE: ClassVar[str] = PREFIX + "message.received.v1"
    message: Id
    via: Via
    sender: Sender
    external_id: str
    parts: tuple[Part, ...]
    subject: str | None = None
    thread: tuple[str, ...] = ()
    """External ids of what this message answers, the nearest first; a reference or thread token counts as one."""
    times: Times
    sequence: int | None = None
    """The provider's own number of the message, where it has one."""
    answerable_until: Moment | None = None
    """The channel's window for answering; absent when it has none."""
    automatic: bool = False
    """Written by a machine (out of office, mailing list): never to be answered by one."""
    truncated: bool = False


class MessageEdited(Event):
    """A citizen changed what they wrote."""

    TYPE: ClassVar[str] = PREFIX + "message.edited.v1"
    message: Id
    via: Via
    external_id: str
    """Of the message that was changed."""
    parts: tuple[Part, ...]
    times: Times
    conversation: Id | None = None
    number: int | None = None


class MessageRevoked(Event):
    """A citizen took back what they wrote; every copy of it has to go."""

    TYPE: ClassVar[str] = PREFIX + "message.revoked.v1"
    message: Id
    via: Via
    external_id: str
    times: Times
    conversation: Id | None = None
    number: int | None = None


class MessageEchoed(Event):
    """An answer was typed outside the hub, in the provider's own app."""

    TYPE: ClassVar[str] = PREFIX + "message.echoed.v1"
    message: Id
    via: Via
    recipient: Address
    external_id: str
    our_id: str | None = None
    parts: tuple[Part, ...]
    times: Times


class ReceiptReceived(Event):
    """The provider reported on a reply."""

    TYPE: ClassVar[str] = PREFIX + "receipt.received.v1"
    via: Via
    external_id: str
    our_id: str | None = None
    """What we sent along (reply, part, attempt), when the provider gave it back."""
    status: DeliveryStatus
    reason: Reason | None = None
    code: str | None = None
    """The provider's own code, as data."""
    permanent: bool | None = None
    """The address is dead; absent when unsaid."""
    recipient: Address | None = None
    cost: str | None = None
    """The provider's price category."""
    times: Times


class AddressLinked(Event):
    """A provider said that two addresses are one citizen's."""

    TYPE: ClassVar[str] = PREFIX + "address.linked.v1"
    via: Via
    external_id: str
    old: Address
    new: Address
    times: Times


class AccountChanged(Event):
    """A provider changed what our account may do: restricted, limited, restored."""

    TYPE: ClassVar[str] = PREFIX + "account.changed.v1"
    via: Via
    external_id: str
    change: str
    code: str | None = None
    times: Times


# --- inbound: through the bridge -----------------------------------------------------------------------------


class Command(Event):
    """What a department, an employee or an operator asks."""

    author: Author
    """Attested by the bridge; what a publisher writes here is replaced."""


class ConversationCommand(Command):
    """A command on one conversation."""

    conversation: Id


class ReplyRequested(ConversationCommand):
    """Somebody wants this answered so."""

    TYPE: ClassVar[str] = PREFIX + "reply.requested.v1"
    parts: tuple[Part, ...] = Field(min_length=1, max_length=10)
    answers: int = Field(ge=0)
    """The last entry of the conversation that the author had seen."""
    forced: bool = False
    """Send it also when a colleague answered in the meantime."""
    not_after: Moment | None = None
    """Not to be sent after; 72 hours when absent."""
    closes: bool = False
    """The conversation is done with this answer."""
    bulk: bool = False


class RoutingCorrected(ConversationCommand):
    """Not ours: this is that department's. Re-routes now, teaches later."""

    TYPE: ClassVar[str] = PREFIX + "routing.corrected.v1"
    department: Slug
    from_number: int | None = None
    """The first entry that goes along besides all that is unanswered; nothing else goes when absent."""
    note: str | None = Field(default=None, max_length=2000)


class ConversationHandedOver(ConversationCommand):
    """Ours so far, yours from here. Re-routes, teaches nothing."""

    TYPE: ClassVar[str] = PREFIX + "conversation.handed-over.v1"
    department: Slug
    note: str | None = Field(default=None, max_length=2000)
    from_department: Slug | None = None
    """Told by the router on the department's queue."""
    reference: str | None = None
    routing: int | None = None
    number: int | None = None


class ConversationClaimed(ConversationCommand):
    """An employee works on it; others see that."""

    TYPE: ClassVar[str] = PREFIX + "conversation.claimed.v1"
    forced: bool = False
    number: int | None = None


class ConversationReleased(ConversationCommand):
    """An employee laid it down again."""

    TYPE: ClassVar[str] = PREFIX + "conversation.released.v1"
    number: int | None = None


class ConversationNoted(ConversationCommand):
    """A note for colleagues; a citizen never sees it."""

    TYPE: ClassVar[str] = PREFIX + "conversation.noted.v1"
    text: str = Field(min_length=1, max_length=4000)
    number: int | None = None


class ConversationClosed(ConversationCommand):
    """It is done."""

    TYPE: ClassVar[str] = PREFIX + "conversation.closed.v1"
    reason: Closing = Closing.NO_ANSWER_NEEDED
    number: int | None = None


class ConversationLinked(ConversationCommand):
    """Two conversations are about one matter, or one citizen."""

    TYPE: ClassVar[str] = PREFIX + "conversation.linked.v1"
    other: Id
    merge: bool = False


class ConversationUnlinked(ConversationCommand):
    """They are not, after all."""

    TYPE: ClassVar[str] = PREFIX + "conversation.unlinked.v1"
    other: Id


class PastEntry(Frozen):
    """An entry of a history that outlived its conversation."""

    number: int = Field(ge=1)
    message: str | None = Field(default=None, pattern=r"^[0-9a-f-]{36}$")
    """The id of the message or reply that it is; absent for anything else."""


class ContactErased(Command):
    """A citizen asked to be forgotten. It cannot be undone.

    All that the hub remembers of them goes. A conversation that closed so long ago that only its history is left is
    named by itself, with the entries to erase and the proof that stands in the first of them.
    """

    TYPE: ClassVar[str] = PREFIX + "contact.erased.v1"
    conversation: Id
    """Any conversation of theirs."""
    entries: tuple[PastEntry, ...] = Field(default=(), max_length=400)
    proof: str | None = Field(default=None, max_length=64)


class ChannelWithdrawn(Command):
    """An inbox, or every inbox of a channel, ends on a date."""

    TYPE: ClassVar[str] = PREFIX + "channel.withdrawn.v1"
    channel: Slug | None = None
    inbox: Slug | None = None
    on: Moment
    alternatives: tuple[str, ...] = ()


class DeadLetterReplayed(Command):
    """An operator put a dead letter back; it happens once."""

    TYPE: ClassVar[str] = PREFIX + "dead-letter.replayed.v1"
    origin: Origin


# --- outcomes: what the responder found ----------------------------------------------------------------------


class Outcome(Event):
    """What became of one attempt at one reply, part by part."""

    reply: Id
    conversation: Id
    inbox: Slug
    attempt: int = Field(ge=1)
    sent: tuple[PartSent, ...] = ()
    doubtful: tuple[int, ...] = ()
    """Parts of which nobody knows whether they went."""
    not_begun: tuple[int, ...] = ()
    parts: int = Field(ge=1)
    """How many the content was fitted into."""
    reason: Reason | None = None
    code: str | None = None


class ReplySent(Outcome):
    """The provider took every part."""

    TYPE: ClassVar[str] = PREFIX + "reply.sent.v1"


class ReplyFailed(Outcome):
    """A part will not go; what follows it was not begun."""

    TYPE: ClassVar[str] = PREFIX + "reply.failed.v1"


class ReplyUnknown(Outcome):
    """A part may have gone, or not: none or one."""

    TYPE: ClassVar[str] = PREFIX + "reply.unknown.v1"


class ReplyCancelled(Outcome):
    """Taken back before it was begun, or for the parts that were not."""

    TYPE: ClassVar[str] = PREFIX + "reply.cancelled.v1"


# --- outbox: what the responder is asked ---------------------------------------------------------------------


class SendRequested(Event):
    """A reply, whole: all that the responder must know to deliver it."""

    TYPE: ClassVar[str] = PREFIX + "send.requested.v1"
    reply: Id
    conversation: Id
    via: Via
    address: Address
    parts: tuple[Part, ...] = Field(min_length=1)
    attempt: int = Field(default=1, ge=1)
    first_part: int = Field(default=0, ge=0)
    """A second attempt begins at the part that was in doubt."""
    not_after: Moment
    in_reply_to: str | None = None
    """External id of the message that is answered."""
    references: tuple[str, ...] = ()
    """External ids of the thread, the oldest first."""
    subject: str | None = None
    reference: str | None = None
    """The conversation's number for people."""
    automatic: bool = False


class SendCancelled(Event):
    """Do not send this any more; the responder answers with what it did."""

    TYPE: ClassVar[str] = PREFIX + "send.cancelled.v1"
    reply: Id
    inbox: Slug
    reason: Reason


# --- department queues ---------------------------------------------------------------------------------------


class MessageRouted(Event):
    """A message for this department, whole, and why it came here."""

    TYPE: ClassVar[str] = PREFIX + "message.routed.v1"
    conversation: Id
    reference: str
    number: int = Field(ge=1)
    """The entry's number in its conversation: what `answers` refers to."""
    routing: int = Field(ge=1)
    """How often the conversation was routed; a move adds one."""
    department: Slug
    message: MessageReceived | None = None
    """Absent when it is older than the hub keeps it at hand: read the history."""
    topic: str | None = None
    confidence: float = Field(ge=0, le=1)
    reasons: tuple[str, ...] = ()
    """In Dutch, for an employee."""
    suggestions: tuple[Suggestion, ...] = ()
    versions: Versions
    urgent: bool = False
    first_line: bool = False
    linked: Id | None = None
    """An earlier conversation with the same citizen about another matter."""


class MessageReassigned(Event):
    """These entries are another department's now."""

    TYPE: ClassVar[str] = PREFIX + "message.reassigned.v1"
    conversation: Id
    reference: str
    numbers: tuple[int, ...]
    routing: int
    department: Slug
    from_department: Slug
    move: Move
    author: Author


class MessageErased(Event):
    """The words of this message are gone; whoever copied them erases them too."""

    TYPE: ClassVar[str] = PREFIX + "message.erased.v1"
    conversation: Id
    message: Id
    """Of the citizen's message, or of the reply."""
    number: int


class DeliveryChanged(Event):
    """A reply got further, or did not."""

    TYPE: ClassVar[str] = PREFIX + "delivery.changed.v1"
    conversation: Id
    reply: Id
    number: int
    """The reply's entry number."""
    status: DeliveryStatus
    reason: Reason | None = None
    code: str | None = None


class ReplyRefused(Event):
    """An answer was not sent: why, and what can be done."""

    TYPE: ClassVar[str] = PREFIX + "reply.refused.v1"
    conversation: Id
    command: Id
    """The event id of what was refused."""
    why: Refusal
    explanation: str
    """In Dutch, for an employee."""
    options: tuple[str, ...] = ()
    other: tuple[Part, ...] = ()
    """The colleague's answer that came first."""
    other_author: Author | None = None
    other_number: int | None = None
    author: Author


class CommandRefused(Event):
    """A command was not carried out: why, and what can be done."""

    TYPE: ClassVar[str] = PREFIX + "command.refused.v1"
    conversation: Id
    command: Id
    command_type: str
    why: Refusal
    explanation: str
    options: tuple[str, ...] = ()
    author: Author


# --- history -------------------------------------------------------------------------------------------------


class EntryRecorded(Event):
    """One line of a conversation's history, with its content."""

    TYPE: ClassVar[str] = PREFIX + "entry.recorded.v1"
    conversation: Id
    reference: str
    number: int = Field(ge=1)
    kind: EntryKind
    at: Moment
    department: Slug
    via: Via | None = None
    author: Author | None = None
    sender: Sender | None = None
    message: Id | None = None
    reply: Id | None = None
    parts: tuple[Part, ...] = ()
    subject: str | None = None
    text: str | None = None
    """A note, or why it was moved or closed."""
    to_department: Slug | None = None
    status: DeliveryStatus | None = None
    proof: str | None = None
    """In the first entry: shows, when this history is to be erased, that it is this municipality's."""


# --- facts: what happened, without content -------------------------------------------------------------------


class Fact(Event):
    """What happened, without a word of what was said: fit to keep for years."""

    conversation: Id
    department: Slug
    channel: Slug
    inbox: Slug
    at: Moment
    """When it happened for the hub."""


class FactConversationOpened(Fact):
    """A conversation began, or began again."""

    TYPE: ClassVar[str] = PREFIX + "fact.conversation-opened.v1"
    reopened: bool = False
    linked: bool = False


class FactMessageReceived(Fact):
    """A message of a citizen was taken in and routed."""

    TYPE: ClassVar[str] = PREFIX + "fact.message-received.v1"
    message: Id
    number: int
    topic: str | None = None
    confidence: float
    gate: str | None = None
    automatic: bool = False
    needs_answer: bool = True


class FactMessageMoved(Fact):
    """A conversation came to another department; `department` is the new one."""

    TYPE: ClassVar[str] = PREFIX + "fact.message-moved.v1"
    from_department: Slug
    move: Move
    messages: int
    """Unanswered messages that went along."""
    from_conversation: Id | None = None
    """Another conversation, when they came by a merge."""
    oldest: Moment | None = None
    """When the oldest of them was received, when they came by a merge."""


class FactReplyAccepted(Fact):
    """An answer was granted and queued."""

    TYPE: ClassVar[str] = PREFIX + "fact.reply-accepted.v1"
    reply: Id
    number: int
    first: bool
    """The first answer since the conversation opened."""
    waited: float = Field(ge=0)
    """Seconds since the oldest unanswered message was received."""
    answered: int = Field(ge=0)
    """Messages that this answers."""


class FactRefused(Fact):
    """A command or reply was refused."""

    TYPE: ClassVar[str] = PREFIX + "fact.refused.v1"
    why: Refusal
    command_type: str


class FactDeliveryChanged(Fact):
    """A reply got further, or did not."""

    TYPE: ClassVar[str] = PREFIX + "fact.delivery-changed.v1"
    reply: Id
    status: DeliveryStatus
    reason: Reason | None = None
    code: str | None = None
    cost: str | None = None


class FactConversationClosed(Fact):
    """A conversation ended."""

    TYPE: ClassVar[str] = PREFIX + "fact.conversation-closed.v1"
    reason: Closing
    unanswered: int = Field(ge=0)
    """Messages that never had an answer."""


class FactConversationClaimed(Fact):
    """Somebody took it up, or laid it down."""

    TYPE: ClassVar[str] = PREFIX + "fact.conversation-claimed.v1"
    released: bool = False


class FactWorklisted(Fact):
    """The hub could not do it; people must."""

    TYPE: ClassVar[str] = PREFIX + "fact.worklisted.v1"
    reply: Id | None = None
    why: str
    messages: int = Field(default=0, ge=0)
    """Messages whose answer did not arrive: they are people's now."""


# --- the hub about itself ------------------------------------------------------------------------------------


class InboxChanged(Event):
    """Where an inbox is in its life."""

    TYPE: ClassVar[str] = PREFIX + "inbox.changed.v1"
    via: Via
    state: InboxState
    on: Moment | None = None
    secret_fingerprint: str | None = None


class RecordSetAside(Event):
    """A dead letter: what could not be handled, raw, and why."""

    TYPE: ClassVar[str] = PREFIX + "record.set-aside.v1"
    tenant: Oin | None = None  # type: ignore[assignment]  # a record that cannot be read has no known owner
    origin: Origin
    reason: str
    """What is wrong and where, without a word of the citizen's."""
    raw: str
    """The bytes, in base64."""
    raw_headers: dict[str, str] = Field(default_factory=dict)
    """The record's headers, or what came with the request (a mail's envelope): as confidential as `raw`."""
    content_type: str | None = None
    file: FileRef | None = None
    """Where the bytes are kept when they are too many for a record; `raw` is then empty."""


class RecordReplayed(Event):
    """A dead letter was put back: the mark that it happens once."""

    TYPE: ClassVar[str] = PREFIX + "record.replayed.v1"
    tenant: Oin | None = None  # type: ignore[assignment]  # as RecordSetAside
    origin: Origin
    dead_letter: Id


class HubTicked(Event):
    """A sign of life, so that producers and compaction reach quiet partitions. Readers ignore it."""

    TYPE: ClassVar[str] = PREFIX + "hub.ticked.v1"
    tenant: Oin | None = None  # type: ignore[assignment]  # the whole installation's
    at: datetime


def _leaves(model: type[Event]) -> list[type[Event]]:
    found = [model] if model.TYPE else []
    return found + [leaf for child in model.__subclasses__() for leaf in _leaves(child)]


EVENTS: dict[str, type[Event]] = {model.TYPE: model for model in _leaves(Event)}
"""Every event by its type."""

COMMANDS: dict[str, type[Command]] = {model.TYPE: model for model in EVENTS.values() if issubclass(model, Command)}
"""What may come in through the bridge, by type."""
