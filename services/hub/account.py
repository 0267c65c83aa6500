"""The account: every message of a citizen is somewhere, and every reply has a fate. Pure: facts in, figures out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
    RecordSetAside,
    ReplyRefused,
    ReplyRequested,
)


@dataclass(frozen=True)
class Account:
    """The figures of one tenant. Messages: received = answered + closed + needing none + people's + open."""

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

    @property
    def missing(self) -> int:
        """Messages that are nowhere: anything but 0 is a fault."""
        known = (
            self.set_aside + self.answered + sum(self.closed.values()) + self.needing_none + self.peoples + self.open
        )
        return self.received - known

    @property
    def replies_missing(self) -> int:
        """Replies that were neither granted nor refused."""
        return self.requested - self.refused - sum(self.replies.values())


@dataclass
class Ledger:
    """Gathers one tenant's figures; an event seen twice counts once."""

    tenant: str
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _received: set[str] = field(default_factory=set)
    _set_aside: set[str] = field(default_factory=set)
    _waiting: Counter[str] = field(default_factory=Counter)
    _figures: Counter[str] = field(default_factory=Counter)
    _closed: Counter[str] = field(default_factory=Counter)
    _statuses: dict[str, str] = field(default_factory=dict)

    def take(self, event: CloudEvent) -> None:
        """Take in one event of any topic."""
        if (event.source, event.id) in self._seen:
            return
        self._seen.add((event.source, event.id))
        self._count(event.data)

    def _count(self, data: Event) -> None:  # noqa: C901 - a table of events, one line each
        match data:
            case MessageReceived():
                self._received.add(data.message)
            case FactMessageReceived():
                self._figures["needing_none"] += not data.needs_answer
                self._waiting[data.conversation] += data.needs_answer
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
            case ReplyRequested():
                self._figures["requested"] += 1
            case ReplyRefused():
                self._figures["refused"] += 1
            case CommandRefused():
                self._figures["commands_refused"] += 1
            case _:
                pass

    def set_aside(self, message: str) -> None:
        """Note that the record of this message became a dead letter."""
        self._set_aside.add(message)

    def _move(self, data: FactMessageMoved) -> None:
        self._figures["moved"] += 1
        if data.from_conversation:
            self._waiting[data.from_conversation] -= data.messages
            self._waiting[data.conversation] += data.messages

    @property
    def overdrawn(self) -> list[str]:
        """Conversations in which more was answered than was asked."""
        return sorted(conversation for conversation, waiting in self._waiting.items() if waiting < 0)

    def account(self) -> Account:
        """Return the figures."""
        figures = self._figures
        return Account(
            tenant=self.tenant,
            received=len(self._received),
            set_aside=len(self._set_aside & self._received),
            answered=figures["answered"] - figures["peoples"],
            closed=dict(self._closed),
            needing_none=figures["needing_none"],
            peoples=figures["peoples"],
            open=sum(self._waiting.values()),
            moved=figures["moved"],
            requested=figures["requested"],
            refused=figures["refused"],
            replies=dict(Counter(self._statuses.values())),
            commands_refused=figures["commands_refused"],
        )


class Accounts:
    """The ledgers of all tenants."""

    def __init__(self) -> None:
        self._ledgers: dict[str, Ledger] = {}

    def take(self, event: CloudEvent) -> None:
        """Take in one event."""
        tenant = event.data.tenant
        if tenant and not isinstance(event.data, RecordSetAside):
            self._ledger(tenant).take(event)

    def set_aside(self, tenant: str, message: str) -> None:
        """Note that the record of this message became a dead letter."""
        self._ledger(tenant).set_aside(message)

    def all(self) -> list[Account]:
        """Return the figures of every tenant that has any."""
        return [self._ledgers[tenant].account() for tenant in sorted(self._ledgers)]

    def overdrawn(self) -> list[str]:
        """Conversations in which more was answered than was asked."""
        return [conversation for ledger in self._ledgers.values() for conversation in ledger.overdrawn]

    def _ledger(self, tenant: str) -> Ledger:
        return self._ledgers.setdefault(tenant, Ledger(tenant))
