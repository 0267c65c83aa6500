"""What must hold of everything that lies on the topics. Pure: records in, findings out, one pass, order per partition.

I1  every message that was taken in is on exactly one queue for each of its routings, or is a dead letter with a reason
I2  nothing is there twice: no routing of a message, no send of an attempt, no outcome of one
I3  in a conversation the order on the queue is the order in which the messages were taken in
I4  a reply is sent again only after an attempt that did not send it
I5  a reply goes to an address and over an inbox of its own conversation
I6  nothing is there without a cause: no routed message that was not taken in, no outcome that nobody asked for
I7  every step left its record: an entry and a fact for each message, an answer to each command
I8  what was taken in has come out (lag): see `pending`
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.cloudevents import CloudEvent
from schemas.events import (
    EntryKind,
    EntryRecorded,
    FactMessageReceived,
    MessageReceived,
    MessageRouted,
    Outcome,
    RecordSetAside,
    ReplyFailed,
    ReplySent,
    SendRequested,
)
from schemas.topics import INBOUND, department_topic
from services.hub.account import Account, Accounts


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, order=True)
class Finding:
    """Something that does not hold: which invariant, what, and the ids of what it is about."""

    invariant: str
    what: str
    ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant} {self.what}: {' '.join(self.ids)}".removesuffix(": ")


Routing = tuple[str, int]
"""A message and the number of its routing."""
Attempt = tuple[str, int]
"""A reply and the number of its attempt."""


@dataclass
class Check:
    """One pass over the topics. Feed it every record once, those of a partition in their order."""

    tenants: dict[str, str] = field(default_factory=dict)
    """Short names by OIN, to know whose queue is whose; without it that is not checked."""
    accounts: Accounts = field(default_factory=Accounts)
    records: int = 0
    _inbound: dict[str, Place] = field(default_factory=dict)
    _owner: dict[str, str] = field(default_factory=dict)
    _at: dict[Place, str] = field(default_factory=dict)
    _set_aside: set[Place] = field(default_factory=set)
    _routed: dict[Routing, list[tuple[Place, MessageRouted]]] = field(default_factory=lambda: defaultdict(list))
    _order: dict[tuple[str, str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    _sends: dict[Attempt, list[SendRequested]] = field(default_factory=lambda: defaultdict(list))
    _outcomes: dict[Attempt, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    _doors: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    _entries: set[tuple[str, int]] = field(default_factory=set)
    _facts: set[str] = field(default_factory=set)
    _granted: set[str] = field(default_factory=set)

    def feed(self, topic: str, partition: int, offset: int, event: CloudEvent) -> None:
        """Take in one record."""
        self.records += 1
        self.accounts.take(event)
        self._note(Place(topic, partition, offset), event)

    def _note(self, place: Place, event: CloudEvent) -> None:
        match event.data:
            case MessageReceived() as data:
                self._inbound.setdefault(data.message, place)
                self._owner[data.message] = data.tenant
                self._at[place] = data.message
            case MessageRouted() as data:
                self._note_routed(place, data)
            case SendRequested() as data:
                self._sends[data.reply, data.attempt].append(data)
            case Outcome() as data:
                self._outcomes[data.reply, data.attempt].append(data)
            case RecordSetAside() as data if data.origin.topic == INBOUND.name:
                self._set_aside.add(Place(INBOUND.name, data.origin.partition or 0, data.origin.offset or 0))
            case EntryRecorded(kind=EntryKind.MESSAGE) as data:
                self._entries.add((data.conversation, data.number))
            case EntryRecorded(kind=EntryKind.REPLY) as data:
                self._granted.add(str(data.reply))
            case FactMessageReceived() as data:
                self._facts.add(data.message)
            case _:
                pass

    def _note_routed(self, place: Place, data: MessageRouted) -> None:
        self._order[place.topic, data.conversation, data.routing].append(data.number)
        if data.message is None:
            return
        self._routed[data.message.message, data.routing].append((place, data))
        for address in data.message.sender.addresses:
            self._doors[data.conversation].add((address.value, data.message.via.inbox))

    # --- findings --------------------------------------------------------------------------------------------

    def pending(self) -> dict[str, int]:
        """Return what has not come out yet, by what it is; on a live system some always is."""
        sends = self._sends.keys() - self._outcomes.keys()
        return {"messages": len(self._unrouted()), "sends": len(sends)}

    def findings(self) -> list[Finding]:
        """Return all that does not hold, of what has come to rest."""
        return sorted(
            {
                *self._lost(),
                *self._doubled(),
                *self._disordered(),
                *self._misrouted(),
                *self._sent_again(),
                *self._astray(),
                *self._without_cause(),
                *self._unrecorded(),
                *self._unbalanced(),
            }
        )

    def account(self) -> list[Account]:
        """Return the figures of every tenant."""
        for place in self._set_aside & self._at.keys():
            message = self._at[place]
            if message not in self._facts:
                self.accounts.set_aside(self._owner[message], message)
        return self.accounts.all()

    def _dead(self) -> set[str]:
        return {self._at[place] for place in self._set_aside & self._at.keys()}

    def _lost(self) -> Iterator[Finding]:
        return (Finding("I1", "message on no queue", (message,)) for message in self._unrouted())

    def _unrouted(self) -> set[str]:
        return self._inbound.keys() - {message for message, _ in self._routed} - self._dead()

    def _doubled(self) -> Iterator[Finding]:
        yield from _twice("I2", "message twice on a queue", self._routed.items())
        yield from _twice("I2", "send twice asked", self._sends.items())
        yield from _twice("I2", "outcome twice told", self._outcomes.items())

    def _disordered(self) -> Iterator[Finding]:
        for (_topic, conversation, _routing), numbers in self._order.items():
            if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
                yield Finding("I3", "messages out of order on a queue", (conversation,))
        for conversation, places in self._as_taken_in().items():
            if any(later < earlier for earlier, later in itertools.pairwise(places)):
                yield Finding("I3", "messages numbered in another order than they were taken in", (conversation,))

    def _as_taken_in(self) -> dict[str, list[Place]]:
        numbered: dict[str, dict[int, Place]] = defaultdict(dict)
        for (message, _routing), copies in self._routed.items():
            if message in self._inbound:
                numbered[copies[0][1].conversation][copies[0][1].number] = self._inbound[message]
        return {one: [place for _, place in sorted(places.items())] for one, places in numbered.items()}

    def _misrouted(self) -> Iterator[Finding]:
        for (message, _routing), copies in self._routed.items():
            for place, data in copies:
                tenant = self.tenants.get(data.tenant)
                if tenant and place.topic != department_topic(tenant, data.department):
                    yield Finding("I1", "message on another department's queue", (message,))

    def _sent_again(self) -> Iterator[Finding]:
        for reply, attempt in self._sends:
            if attempt > 1 and not self._did_not_go(reply, attempt - 1):
                yield Finding("I4", "reply sent again without need", (reply,))

    def _did_not_go(self, reply: str, attempt: int) -> bool:
        return any(not isinstance(outcome, ReplySent | ReplyFailed) for outcome in self._outcomes[reply, attempt])

    def _astray(self) -> Iterator[Finding]:
        for (reply, _attempt), sends in self._sends.items():
            for send in sends:
                known = self._doors.get(send.conversation)
                if known and (send.address.value, send.via.inbox) not in known:
                    yield Finding("I5", "reply to an address or over an inbox of another", (reply,))

    def _without_cause(self) -> Iterator[Finding]:
        uncaused = {message for message, _ in self._routed} - self._inbound.keys()
        yield from (Finding("I6", "routed, but never taken in", (message,)) for message in uncaused)
        unasked = self._outcomes.keys() - self._sends.keys()
        yield from (Finding("I6", "an outcome that nobody asked for", (reply,)) for reply, _ in unasked)
        ungranted = {reply for reply, _ in self._sends} - self._granted
        yield from (Finding("I6", "sent, but not in the history", (reply,)) for reply in ungranted)

    def _unrecorded(self) -> Iterator[Finding]:
        for (message, _), copies in self._routed.items():
            data = copies[0][1]
            if (data.conversation, data.number) not in self._entries:
                yield Finding("I7", "message without an entry", (message,))
            if message not in self._facts:
                yield Finding("I7", "message without a fact", (message,))

    def _unbalanced(self) -> Iterator[Finding]:
        overdrawn = self.accounts.overdrawn()
        yield from (Finding("I7", "more answered than asked", (conversation,)) for conversation in overdrawn)
        for account in self.account():
            if account.missing:
                yield Finding("I7", f"{account.missing} messages are nowhere in the account", (account.tenant,))
            if account.replies_missing:
                yield Finding("I7", f"{account.replies_missing} replies neither granted nor refused", (account.tenant,))


def _twice(invariant: str, what: str, groups: Iterable[tuple[tuple[str, int], Sequence[object]]]) -> Iterator[Finding]:
    return (Finding(invariant, what, (key[0],)) for key, copies in groups if len(copies) > 1)
