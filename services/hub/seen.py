"""All that was seen on the topics, by what it is about: what the invariants are judged on. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.cloudevents import CloudEvent
from schemas.events import (
    AddressLinked,
    Closing,
    Command,
    EntryKind,
    EntryRecorded,
    FactConversationClosed,
    FactMessageReceived,
    FactReplyAccepted,
    MessageErased,
    MessageReassigned,
    MessageReceived,
    MessageRouted,
    Outcome,
    RecordSetAside,
    ReplyRefused,
    ReplyRequested,
    SendRequested,
)
from schemas.events import CommandRefused as Refused
from schemas.ids import derived
from schemas.topics import DEAD_LETTERS, INBOUND

LONGEST_WAIT = timedelta(days=4)
"""An answer waits 72 hours for its outcome at most, unless its author wanted longer."""


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class Routing(NamedTuple):
    """One coming of one message to one department."""

    conversation: str
    number: int
    routing: int


class Attempt(NamedTuple):
    """One try at one reply."""

    reply: str
    number: int


class Door(NamedTuple):
    """How a citizen is reached in a conversation."""

    tenant: str
    address: str
    inbox: str


class Asked(NamedTuple):
    """A command, and where it lies."""

    place: Place
    source: str
    data: Command


class Routed(NamedTuple):
    """What a department got, and where it lies."""

    place: Place
    data: MessageRouted


def _lists() -> defaultdict[str, list[Place]]:
    return defaultdict(list)


@dataclass
class Seen:
    """What was seen. Doubles are kept apart by the ids of their events."""

    handled: Mapping[tuple[str, int], int] | None = None
    """Up to which offset the services had read each partition before; None: all of it."""
    since: datetime | None = None
    """What was logged before may have left its topic already; None: nothing has."""

    taken_in: defaultdict[str, list[Place]] = field(default_factory=_lists)
    """Where each message lies on `inbound`, in their order."""
    commands: dict[str, Asked] = field(default_factory=dict)
    """By the id of their event: the first of those that came twice."""
    at: dict[Place, str] = field(default_factory=dict)
    """Which message or command lies in a place of `inbound`."""
    old: set[str] = field(default_factory=set)
    """Messages, commands and replies of before `since`."""
    aside: set[Place] = field(default_factory=set)
    unexplained: set[str] = field(default_factory=set)
    """Dead letters that give no reason."""
    unreadable: list[Place] = field(default_factory=list)
    routed: dict[Routing, dict[str, Routed]] = field(default_factory=lambda: defaultdict(dict))
    queued: dict[tuple[str, str, int], list[int]] = field(default_factory=lambda: defaultdict(list))
    """The numbers in their order, by queue, conversation and routing."""
    reassigned: list[MessageReassigned] = field(default_factory=list)
    sends: dict[Attempt, dict[str, SendRequested]] = field(default_factory=lambda: defaultdict(dict))
    outcomes: dict[Attempt, dict[str, Outcome]] = field(default_factory=lambda: defaultdict(dict))
    doors: dict[str, set[Door]] = field(default_factory=lambda: defaultdict(set))
    same_person: dict[tuple[str, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    messages: set[tuple[str, int]] = field(default_factory=set)
    """Entries that are a message: conversation and number."""
    deeds: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    """Other entries by conversation: their number and the id of their event."""
    granted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    facts: dict[str, dict[tuple[str, int], FactMessageReceived]] = field(default_factory=lambda: defaultdict(dict))
    """By message: what the facts say of it; more than one place in a conversation is a fault."""
    merged: set[str] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    """Conversations whose history has gaps, since a citizen asked for it."""
    twice: set[str] = field(default_factory=set)
    """Ids of events that lie twice where everything lies once."""
    _known: set[tuple[str, int, str, str]] = field(default_factory=set)

    def take(self, place: Place, event: CloudEvent) -> None:
        """Note one record; those of a partition come in their order."""
        self._note_double(place, event)
        old = self.since is not None and event.time < self.since
        match event.data:
            case MessageReceived() as data:
                self.taken_in[data.message].append(place)
                self._note_cause(place, data.message, old=old)
            case Command() as data if place.topic == INBOUND.name:
                self.commands.setdefault(event.id, Asked(place, event.source, data))
                self._note_cause(place, event.id, old=old)
            case AddressLinked() as data:
                self._note_same(data)
            case RecordSetAside() as data:
                self._note_aside(event, data)
            case _:
                self._note_effect(place, event, old=old)

    def _note_effect(self, place: Place, event: CloudEvent, *, old: bool) -> None:
        match event.data:
            case MessageRouted() as data:
                self._note_routed(place, event, data)
            case MessageReassigned() as data:
                self.reassigned.append(data)
            case SendRequested() as data:
                self.sends[Attempt(data.reply, data.attempt)][event.id] = data
                self._note_old(data.reply, old=old)
            case Outcome() as data:
                self.outcomes[Attempt(data.reply, data.attempt)][event.id] = data
                too_old = self.since is not None and event.time < self.since + LONGEST_WAIT
                self._note_old(data.reply, old=too_old)
            case EntryRecorded() as data:
                self._note_entry(event, data)
            case _:
                self._note_told(event)

    def _note_told(self, event: CloudEvent) -> None:
        match event.data:
            case ReplyRefused() | Refused() as data:
                self.refused.add(data.command)
            case FactMessageReceived() as data:
                self.facts[data.message][data.conversation, data.number] = data
            case FactReplyAccepted() as data:
                self.granted.add(data.reply)
            case FactConversationClosed(reason=Closing.MERGED) as data:
                self.merged.add(data.conversation)
            case FactConversationClosed(reason=Closing.ERASED) | MessageErased() as data:
                self.erased.add(data.conversation)
            case _:
                pass

    # --- looking -------------------------------------------------------------------------------------------------

    def dead(self) -> set[str]:
        """Return the messages and commands that are dead letters, and were not put back."""
        return {self.at[place] for place in self.aside & self.at.keys()} - self._well()

    def under_way(self) -> set[str]:
        """Return the messages and commands that the router did not come to yet."""
        commands = {command for command, asked in self.commands.items() if self.unread(asked.place)}
        return commands | {message for message in self.taken_in if all(map(self.unread, self.good_places(message)))}

    def unread(self, place: Place) -> bool:
        """Say whether its service had not come to this place yet."""
        return self.handled is not None and place.offset >= self.handled.get((place.topic, place.partition), 0)

    def good_places(self, message: str) -> list[Place]:
        """Return where a message lies, without the places that were set aside."""
        return [place for place in self.taken_in.get(message, ()) if place not in self.aside]

    def reachable(self, conversation: str) -> set[Door]:
        """Return every door of a conversation, with the addresses that took another's place."""
        doors = self.doors.get(conversation, set())
        return {Door(each.tenant, address, each.inbox) for each in doors for address in self._same(each)}

    def all_routed(self) -> Iterator[Routed]:
        """Return all that is on queues, doubles too."""
        return (each for copies in self.routed.values() for each in copies.values())

    def requests(self) -> dict[str, str]:
        """Return which command asked for which reply, by reply."""
        asked = ((name, each) for name, each in self.commands.items() if isinstance(each.data, ReplyRequested))
        return {derived(each.source, name): name for name, each in asked}

    def _well(self) -> set[str]:
        return {message for message in self.taken_in if self.good_places(message)}

    # --- noting --------------------------------------------------------------------------------------------------

    def _note_double(self, place: Place, event: CloudEvent) -> None:
        """Only services that write in transactions never repeat themselves; what strayed lies in two partitions."""
        if place.topic in {INBOUND.name, DEAD_LETTERS.name}:
            return
        key = (place.topic, place.partition, event.source, event.id)
        if key in self._known:
            self.twice.add(event.id)
        self._known.add(key)

    def _note_cause(self, place: Place, name: str, *, old: bool) -> None:
        self.at[place] = name
        self._note_old(name, old=old)

    def _note_old(self, name: str, *, old: bool) -> None:
        if old:
            self.old.add(name)

    def _note_same(self, data: AddressLinked) -> None:
        self.same_person[data.tenant, data.old.value].add(data.new.value)
        self.same_person[data.tenant, data.new.value].add(data.old.value)

    def _same(self, door: Door) -> set[str]:
        found, left = set[str](), [door.address]
        while left:
            address = left.pop()
            if address not in found:
                found.add(address)
                left += self.same_person.get((door.tenant, address), ())
        return found

    def _note_aside(self, event: CloudEvent, data: RecordSetAside) -> None:
        if not data.reason:
            self.unexplained.add(event.id)
        if data.origin.partition is not None and data.origin.offset is not None:
            self.aside.add(Place(data.origin.topic, data.origin.partition, data.origin.offset))

    def _note_routed(self, place: Place, event: CloudEvent, data: MessageRouted) -> None:
        self.routed[Routing(data.conversation, data.number, data.routing)][event.id] = Routed(place, data)
        self.queued[place.topic, data.conversation, data.routing].append(data.number)
        if data.message:
            self._note_doors(data.conversation, data.tenant, data.message)
            too_old = self.since is not None and data.message.times.received < self.since
            self._note_old(data.message.message, old=too_old)

    def _note_entry(self, event: CloudEvent, data: EntryRecorded) -> None:
        if data.kind is EntryKind.MESSAGE:
            self.messages.add((data.conversation, data.number))
            self._note_doors(data.conversation, data.tenant, data)
        elif data.kind is EntryKind.REPLY and data.reply:
            self.granted.add(data.reply)
        else:
            self.deeds[data.conversation].append((data.number, event.id))

    def _note_doors(self, conversation: str, tenant: str, data: MessageReceived | EntryRecorded) -> None:
        addresses = data.sender.addresses if data.sender else ()
        inbox = data.via.inbox if data.via else ""
        self.doors[conversation] |= {Door(tenant, address.value, inbox) for address in addresses}
