"""Every topic, once: what it carries, who writes and reads it, how long it is kept, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from schemas import events as e
from schemas.events import Event

NUMBERS = 12
"""Partitions of every topic that is owned by number: fixed for life, since a tenant lives in one of them."""

MAX_RECORD = 64_000
"""Bytes of one event (NL GOV profile: intermediaries forward at least 64 kB)."""

DAYS = timedelta(days=1)
CONTENT = 30 * DAYS
"""How long anything with a citizen's words is kept outside the history."""


class Home(StrEnum):
    """What chooses the partition: whoever has the same home is in one order."""

    TENANT = "tenant"
    CONVERSATION = "conversation"
    INBOX = "inbox"
    KEY = "key"


class Cleanup(StrEnum):
    """What Kafka does with old records."""

    DELETE = "delete"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic. `name` may hold `{tenant}` and `{department}`: then there is one for each."""

    name: str
    key: str
    home: Home
    carries: tuple[type[Event], ...]
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    partitions: int
    keep: timedelta | None
    cleanup: Cleanup
    why: str
    config: Mapping[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        """Return the topic's configuration for Kafka."""
        keep = {} if self.keep is None else {"retention.ms": str(int(self.keep.total_seconds() * 1000))}
        return {"cleanup.policy": self.cleanup.value, "max.message.bytes": str(1_000_000)} | keep | dict(self.config)


DAY_MS = str(86_400_000)
_CONTENT = {"segment.ms": DAY_MS}
"""A segment goes as a whole, when its last record is old enough: long ones would keep words for longer than we say."""
_CHANGELOG = {
    "segment.bytes": str(16 * 2**20),
    "min.cleanable.dirty.ratio": "0.2",
    "max.compaction.lag.ms": DAY_MS,
}
_CITIZENS: tuple[type[Event], ...] = (
    e.MessageReceived,
    e.MessageEdited,
    e.MessageRevoked,
    e.MessageEchoed,
    e.ReceiptReceived,
    e.AddressLinked,
    e.AccountChanged,
)
_FACTS: tuple[type[Event], ...] = (
    e.FactConversationOpened,
    e.FactMessageReceived,
    e.FactMessageMoved,
    e.FactReplyAccepted,
    e.FactRefused,
    e.FactDeliveryChanged,
    e.FactConversationClosed,
    e.FactConversationClaimed,
    e.FactWorklisted,
)

INBOUND = Topic(
    name="inbound",
    key="event id",
    home=Home.TENANT,
    carries=(*_CITIZENS, *e.COMMANDS.values(), e.HubTicked),
    writers=("ingest",),
    readers=("router",),
    partitions=NUMBERS,
    keep=CONTENT,
    cleanup=Cleanup.DELETE,
    why="All that can change a conversation from outside, in the one order in which the router takes it.",
    config=_CONTENT,
)
OUTCOMES = Topic(
    name="outcomes",
    key="event id",
    home=Home.TENANT,
    carries=(e.ReplySent, e.ReplyFailed, e.ReplyUnknown, e.ReplyCancelled, e.HubTicked),
    writers=("responder",),
    readers=("router",),
    partitions=NUMBERS,
    keep=CONTENT,
    cleanup=Cleanup.DELETE,
    why="What became of each attempt at a reply, part by part.",
    config=_CONTENT,
)
DEPARTMENT = Topic(
    name="department.{tenant}.{department}",
    key="conversation/number",
    home=Home.CONVERSATION,
    carries=(
        e.MessageRouted,
        e.MessageEdited,
        e.MessageRevoked,
        e.MessageErased,
        e.MessageReassigned,
        e.ConversationHandedOver,
        e.ConversationClaimed,
        e.ConversationReleased,
        e.ConversationNoted,
        e.ConversationClosed,
        e.DeliveryChanged,
        e.ReplyRefused,
        e.CommandRefused,
        e.HubTicked,
    ),
    writers=("router",),
    readers=("departments", "desk", "hub"),
    partitions=3,
    keep=CONTENT,
    cleanup=Cleanup.DELETE,
    why="All that one department must know, in order. No other municipality or department can read it.",
    config=_CONTENT,
)
OUTBOX = Topic(
    name="outbox",
    key="reply",
    home=Home.INBOX,
    carries=(e.SendRequested, e.SendCancelled, e.HubTicked),
    writers=("router",),
    readers=("responder",),
    partitions=NUMBERS,
    keep=CONTENT,
    cleanup=Cleanup.DELETE,
    why="Answers to deliver, each with all that delivery needs.",
    config=_CONTENT,
)
OUTBOX_BULK = Topic(
    name="outbox.bulk",
    key="reply",
    home=Home.INBOX,
    carries=(e.SendRequested, e.SendCancelled, e.HubTicked),
    writers=("router",),
    readers=("responder",),
    partitions=NUMBERS,
    keep=CONTENT,
    cleanup=Cleanup.DELETE,
    why="Notices to many: they wait for the answers to single people.",
    config=_CONTENT,
)
ENTRIES = Topic(
    name="entries",
    key="conversation/number",
    home=Home.CONVERSATION,
    carries=(e.EntryRecorded, e.HubTicked),
    writers=("router",),
    readers=("insight", "desk", "archive"),
    partitions=6,
    keep=None,
    cleanup=Cleanup.COMPACT,
    why="The history of every conversation, line by line; a tombstone erases one.",
    config={"max.compaction.lag.ms": DAY_MS},
)
ERASED = Topic(
    name="erased",
    key="message id",
    home=Home.TENANT,
    carries=(e.MessageErased, e.HubTicked),
    writers=("router",),
    readers=("ingest", "desk", "archive"),
    partitions=NUMBERS,
    keep=7 * 365 * DAYS,
    cleanup=Cleanup.DELETE,
    why="Which messages were erased, for all who keep a copy, files among them; also for a copy that is put back.",
)
FACTS = Topic(
    name="facts",
    key="event id",
    home=Home.TENANT,
    carries=(*_FACTS, e.HubTicked),
    writers=("router",),
    readers=("insight", "other systems"),
    partitions=NUMBERS,
    keep=7 * 365 * DAYS,
    cleanup=Cleanup.DELETE,
    why="What happened, without content: for counting, for years.",
)
DEAD_LETTERS = Topic(
    name="dead-letters",
    key="origin",
    home=Home.KEY,
    carries=(e.RecordSetAside, e.RecordReplayed, e.HubTicked),
    writers=("ingest", "router", "responder", "insight", "hub"),
    readers=("hub",),
    partitions=3,
    keep=CONTENT,
    cleanup=Cleanup.DELETE,
    why="What could not be handled, raw, with the reason; and the marks of what was put back.",
    config=_CONTENT,
)
CHANNELS = Topic(
    name="channels",
    key="inbox",
    home=Home.INBOX,
    carries=(e.InboxChanged, e.HubTicked),
    writers=("router",),
    readers=("ingest", "responder", "insight", "hub"),
    partitions=1,
    keep=None,
    cleanup=Cleanup.COMPACT,
    why="Where each inbox is in its life.",
)
ROUTER_STATE = Topic(
    name="router.state",
    key="table/key",
    home=Home.TENANT,
    carries=(),
    writers=("router",),
    readers=("router",),
    partitions=NUMBERS,
    keep=None,
    cleanup=Cleanup.COMPACT,
    why="The router's memory, so that another process can take it over.",
    config=_CHANGELOG,
)
ROUTER_SEEN = Topic(
    name="router.seen",
    key="message id",
    home=Home.TENANT,
    carries=(),
    writers=("router",),
    readers=("router",),
    partitions=NUMBERS,
    keep=9 * DAYS,
    cleanup=Cleanup.DELETE,
    why="Ids already handled: providers redeliver for up to 7 days.",
    config={"segment.ms": DAY_MS},
)
RESPONDER_STATE = Topic(
    name="responder.state",
    key="table/key",
    home=Home.INBOX,
    carries=(),
    writers=("responder",),
    readers=("responder",),
    partitions=NUMBERS,
    keep=None,
    cleanup=Cleanup.COMPACT,
    why="The responder's ledger, which is its queue.",
    config=_CHANGELOG,
)
INSIGHT_COUNTS = Topic(
    name="insight.counts",
    key="partition/tenant/day/department/channel",
    home=Home.TENANT,
    carries=(),
    writers=("insight",),
    readers=("insight",),
    partitions=NUMBERS,
    keep=None,
    cleanup=Cleanup.COMPACT,
    why="What insight counted, so that it need not read years of facts again.",
    config=_CHANGELOG,
)
INSIGHT_OPEN = Topic(
    name="insight.open",
    key="partition/tenant/conversation",
    home=Home.TENANT,
    carries=(),
    writers=("insight",),
    readers=("insight",),
    partitions=NUMBERS,
    keep=None,
    cleanup=Cleanup.COMPACT,
    why="The conversations that are open now, and since when they wait.",
    config=_CHANGELOG,
)

TOPICS: tuple[Topic, ...] = (
    INBOUND,
    OUTCOMES,
    DEPARTMENT,
    OUTBOX,
    OUTBOX_BULK,
    ENTRIES,
    ERASED,
    FACTS,
    DEAD_LETTERS,
    CHANNELS,
    ROUTER_STATE,
    ROUTER_SEEN,
    RESPONDER_STATE,
    INSIGHT_COUNTS,
    INSIGHT_OPEN,
)
"""Every topic of the hub."""


def department_topic(tenant: str, department: str) -> str:
    """Return the name of a department's queue."""
    return DEPARTMENT.name.format(tenant=tenant, department=department)


def expand(tenants: Iterable[tuple[str, Iterable[str]]]) -> Iterator[tuple[str, Topic]]:
    """Yield (name, declaration) of every topic of an installation with these tenants and their departments."""
    for topic in TOPICS:
        if topic is not DEPARTMENT:
            yield topic.name, topic
    for tenant, departments in tenants:
        for department in departments:
            yield department_topic(tenant, department), DEPARTMENT


def topic_of(name: str) -> Topic:
    """Return the declaration of the topic with this name; raises KeyError."""
    if name.startswith("department."):
        return DEPARTMENT
    return _BY_NAME[name]


_BY_NAME = {topic.name: topic for topic in TOPICS}
