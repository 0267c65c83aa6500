"""One record in hand: whose it is, what time it is, what is remembered, and what goes out because of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from schemas.cloudevents import CloudEvent, source_of
from schemas.events import (
    EntryRecorded,
    Event,
    Fact,
    MessageErased,
    SendCancelled,
    SendRequested,
    Versions,
)
from schemas.ids import derived, pseudonym
from schemas.topics import ENTRIES, ERASED, FACTS, OUTBOX, OUTBOX_BULK, department_topic
from services.classification.taxonomy import Taxonomy
from services.router.policy import Policy
from services.runtime.bus.handler import Kept, Outgoing, State


@dataclass(frozen=True)
class Served:
    """A municipality as the router needs it."""

    name: str
    oin: str
    key: bytes
    taxonomy: Taxonomy
    policy: Policy

    @cached_property
    def source(self) -> str:
        """Return who says what the hub says for this municipality."""
        return source_of(self.oin)

    @cached_property
    def triage(self) -> str:
        """Return the department of people for what is unclear."""
        return self.taxonomy.policy.default_queue

    @cached_property
    def versions(self) -> Versions:
        """Return what decides which department gets a message."""
        return Versions(taxonomy=self.taxonomy.version, lexicon=self.taxonomy.digest)

    def has(self, department: str) -> bool:
        """Say whether this municipality has such a department."""
        return department in self.taxonomy.titles


@dataclass(slots=True)
class Turn:
    """The record in hand. `now` is when it was logged, `cause` its id: all that follows is a function of the two."""

    served: Served
    state: State
    now: datetime
    cause: str
    traceparent: str | None = None
    duplicate: bool = False
    """What came in had been handled before."""
    out: list[Outgoing] = field(default_factory=list)

    @property
    def oin(self) -> str:
        """Return the tenant."""
        return self.served.oin

    def id(self, *what: str | int) -> str:
        """Return the id of something that this record caused."""
        return derived(self.cause, *what)

    def pseudonym(self, *words: str) -> str:
        """Return a key that stands for something personal."""
        return pseudonym(self.served.key, *words)

    def tell(
        self, department: str, conversation: str, data: Event, *, about: str | int = "", content: Kept | None = None
    ) -> None:
        """Put an event on a department's queue; `about`: its entry's number, or what tells it from its like."""
        topic = department_topic(self.served.name, department)
        event = self._event(data, topic, conversation, about)
        key = f"{conversation}/{about if isinstance(about, int) else event.id}"
        self.out.append(Outgoing(topic, key, conversation, event, content))

    def ask(self, data: SendRequested | SendCancelled, inbox: str, *, bulk: bool) -> None:
        """Ask the responder."""
        topic = OUTBOX_BULK.name if bulk else OUTBOX.name
        self.out.append(Outgoing(topic, data.reply, inbox, self._event(data, topic, data.reply)))

    def write(self, entry: EntryRecorded) -> None:
        """Write a line of the history, or write it anew."""
        key = f"{entry.conversation}/{entry.number}"
        if entry.number == 1:
            entry = entry.model_copy(update={"proof": self.proof(entry.conversation)})
        self.out.append(Outgoing(ENTRIES.name, key, entry.conversation, self._event(entry, key)))

    def erase(self, conversation: str, number: int) -> None:
        """Erase a line of the history: a tombstone, so that compaction takes the line itself."""
        self.out.append(Outgoing(ENTRIES.name, f"{conversation}/{number}", conversation, None))

    def proof(self, conversation: str) -> str:
        """Return what only this municipality's router can have written into a history."""
        return self.pseudonym("history", conversation)

    def tell_stores(self, erased: MessageErased) -> None:
        """Tell whoever keeps a copy of a message that it was erased."""
        event = self._event(erased, ERASED.name, erased.conversation, erased.number)
        self.out.append(Outgoing(ERASED.name, erased.message, self.oin, event))

    def fact(self, data: Fact, about: str | int = "") -> None:
        """Say what happened; `about` tells it from others of its kind in this turn."""
        event = self._event(data, data.conversation, about)
        self.out.append(Outgoing(FACTS.name, event.id, self.oin, event))

    def _event(self, data: Event, *about: str | int) -> CloudEvent:
        return CloudEvent(
            id=self.id(data.TYPE, *about),
            source=self.served.source,
            time=self.now,
            data=data,
            traceparent=self.traceparent,
        )
