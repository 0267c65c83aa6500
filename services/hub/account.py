"""The account: every message of a citizen is somewhere, and every reply has a fate. Pure: events in, figures out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from schemas.cloudevents import CloudEvent
from schemas.events import (
    CommandRefused,
    DeliveryStatus,
    EntryKind,
    EntryRecorded,
    Event,
    FactConversationClosed,
    FactDeliveryChanged,
    FactMessageMoved,
    FactMessageReceived,
    FactReplyAccepted,
    FactWorklisted,
    MessageReceived,
    ReplyRefused,
    ReplyRequested,
)
from schemas.ids import derived

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Account:
    """The figures of one tenant.

    Messages: received = answered + open + closed + needing none + people's + set aside + under way.
    Replies: requested = granted (by how far they are) + refused + set aside + under way.
    """

    tenant: str
    received: int
    """Messages of citizens, each once."""
    set_aside: int
    """Of those, records that became dead letters."""
    answered: int
    closed: Mapping[str, int]
    """Closed without an answer, by reason."""
    needing_none: int
    peoples: int
    """Answered, but the answer did not arrive: on the worklist."""
    open: int
    moved: int
    """How often unanswered messages came to another department."""
    requested: int
    """Replies that were asked for."""
    refused: int
    replies: Mapping[str, int]
    """Replies granted, by how far they are."""
    commands_refused: int
    under_way: int = 0
    """Messages taken in that the router did not come to yet."""
    requests_set_aside: int = 0
    requests_under_way: int = 0

    @property
    def missing(self) -> int:
        """Messages that are nowhere: anything but 0 is a fault."""
        ended = self.answered + sum(self.closed.values()) + self.needing_none + self.peoples
        return self.received - ended - self.open - self.set_aside - self.under_way

    @property
    def replies_missing(self) -> int:
        """Replies that were neither granted nor refused: anything but 0 is a fault."""
        known = self.refused + sum(self.replies.values()) + self.requests_set_aside
        return self.requested - known - self.requests_under_way


@dataclass
class Ledger:
    """Gathers one tenant's figures; an event seen twice counts once."""

    tenant: str
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _received: set[str] = field(default_factory=set)
    _handled: set[str] = field(default_factory=set)
    _waiting: Counter[str] = field(default_factory=Counter)
    _figures: Counter[str] = field(default_factory=Counter)
    _closed: Counter[str] = field(default_factory=Counter)
    _statuses: dict[str, str] = field(default_factory=dict)
    _asked: dict[str, str] = field(default_factory=dict)
    """The command by the reply that it asks for."""
    _refused: set[str] = field(default_factory=set)

    def take(self, event: CloudEvent) -> None:
        """Take in one event of any topic."""
        if (event.source, event.id) in self._seen:
            return
        self._seen.add((event.source, event.id))
        if isinstance(event.data, ReplyRequested):
            self._asked[derived(event.source, event.id)] = event.id
        self._count(event.data)

    def _count(self, data: Event) -> None:  # noqa: C901 - a table of events, one line each
        match data:
            case MessageReceived():
                self._received.add(data.message)
            case FactMessageReceived():
                self._take_in(data)
            case FactReplyAccepted():
                self._figures["answered"] += data.answered
                self._waiting[data.conversation] -= data.answered
            case FactConversationClosed():
                self._closed[data.reason] += data.unanswered
                self._waiting[data.conversation] -= data.unanswered
            case FactMessageMoved():
                self._move(data)
            case FactWorklisted():
                self._figures["peoples"] += data.messages
            case EntryRecorded(kind=EntryKind.REPLY, reply=str(reply)):
                self._statuses.setdefault(reply, DeliveryStatus.QUEUED)
            case FactDeliveryChanged():
                self._statuses[data.reply] = data.status
            case ReplyRefused():
                self._refused.add(data.command)
            case CommandRefused():
                self._figures["commands_refused"] += 1
            case _:
                pass

    def _take_in(self, data: FactMessageReceived) -> None:
        self._handled.add(data.message)
        self._figures["needing_none"] += not data.needs_answer
        self._waiting[data.conversation] += data.needs_answer

    def _move(self, data: FactMessageMoved) -> None:
        self._figures["moved"] += 1
        if data.from_conversation:
            self._waiting[data.from_conversation] -= data.messages
            self._waiting[data.conversation] += data.messages

    @property
    def overdrawn(self) -> list[str]:
        """Conversations in which more was answered than was asked."""
        return sorted(conversation for conversation, waiting in self._waiting.items() if waiting < 0)

    def account(self, aside: AbstractSet[str] = _NONE, under_way: AbstractSet[str] = _NONE) -> Account:
        """Return the figures. Given are ids of messages and commands that became dead letters, or still wait."""
        unhandled = self._received - self._handled
        requests = {command for reply, command in self._asked.items() if reply not in self._statuses} - self._refused
        figures = self._figures
        return Account(
            tenant=self.tenant,
            received=len(self._received | self._handled),
            set_aside=len(unhandled & aside),
            answered=figures["answered"] - figures["peoples"],
            closed={reason: count for reason, count in self._closed.items() if count},
            needing_none=figures["needing_none"],
            peoples=figures["peoples"],
            open=sum(self._waiting.values()),
            moved=figures["moved"],
            requested=self._requested(),
            refused=len(self._refused),
            replies=dict(Counter(self._statuses.values())),
            commands_refused=figures["commands_refused"],
            under_way=len(unhandled & under_way - aside),
            requests_set_aside=len(requests & aside),
            requests_under_way=len(requests & under_way - aside),
        )

    def _requested(self) -> int:
        """Histories are kept for longer than what was asked: what was granted or refused was asked for."""
        return len(self._asked.keys() | self._statuses.keys()) + len(self._refused - set(self._asked.values()))


class Accounts:
    """The ledgers of all tenants."""

    def __init__(self) -> None:
        self._ledgers: dict[str, Ledger] = {}

    def take(self, event: CloudEvent) -> None:
        """Take in one event; what belongs to nobody counts nowhere."""
        tenant = event.data.tenant
        if tenant:
            self._ledgers.setdefault(tenant, Ledger(tenant)).take(event)

    def all(self, aside: AbstractSet[str] = _NONE, under_way: AbstractSet[str] = _NONE) -> list[Account]:
        """Return the figures of every tenant that has any; see Ledger.account."""
        return [self._ledgers[tenant].account(aside, under_way) for tenant in sorted(self._ledgers)]

    def overdrawn(self) -> list[str]:
        """Conversations in which more was answered than was asked."""
        return [conversation for ledger in self._ledgers.values() for conversation in ledger.overdrawn]
