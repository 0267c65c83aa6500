"""What logic is to the bus: functions from a record and a state to what goes out. They touch no broker and no clock.

The loop gives every record to `handle`, in order, and writes what it returned, the state that it changed and the
offset of the record in one transaction. So a handler sees a record again only when nothing of it was kept.

Poison       becomes a dead letter, and counts for the brake
  Harmless   becomes a dead letter
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from schemas.cloudevents import CloudEvent
from schemas.parts import Frozen

M = TypeVar("M", bound=Frozen)


class Poison(Exception):
    """A record that this handler cannot handle, now or ever: it becomes a dead letter with this reason.

    What the handler changed in its state for this record is dropped. The reason never holds a citizen's words.
    """


class Harmless(Poison):
    """A record that a rule sets aside. Anybody outside can send these at will, so they say nothing about us."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read, whole. `logged` is the broker's or producer's timestamp, UTC."""

    topic: str
    partition: int
    offset: int
    key: str | None
    logged: datetime
    event: CloudEvent


@dataclass(frozen=True, slots=True)
class Kept:
    """Content that is not in memory: `message.received` at this offset of the number's own `inbound` partition.

    The loop reads it back before the transaction begins, checks that its message id is `message`, and gives it to
    the event's data by `model_copy(update={"message": found})`; too old to be found, the event goes out without.
    """

    offset: int
    message: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to write. `home` chooses the partition (murmur2, as Kafka's own); no event means a tombstone.

    `home` is: for `inbound`, `outcomes`, `facts` the tenant's OIN; for departments and `entries` the conversation;
    for `outbox` and `channels` the inbox; for dead letters the key.
    """

    topic: str
    key: str
    home: str
    event: CloudEvent | None
    content: Kept | None = None


@dataclass(frozen=True, slots=True)
class Table(Generic[M]):
    """A named part of a keyed state: its rows are frozen models. `changelog` is the topic that its changes go to."""

    name: str
    model: type[M]
    changelog: str


class State(Protocol):
    """The memory of one partition number. Changes belong to the record in hand and live or die with it."""

    def get(self, table: Table[M], key: str) -> M | None:
        """Return a row; None when there is none."""
        ...

    def put(self, table: Table[M], key: str, row: M) -> None:
        """Write a row."""
        ...

    def drop(self, table: Table[M], key: str) -> None:
        """Remove a row."""
        ...

    def rows(self, table: Table[M], holding: Collection[str] = ()) -> Iterator[tuple[str, M]]:
        """Return all rows; for rare sweeps only.

        With `holding`, rows that have none of these strings as a value may be left out.
        """
        ...

    def seen(self, name: str) -> bool:
        """Say whether this id was handled within the window of dedupe."""
        ...

    def see(self, name: str, at: datetime) -> None:
        """Remember that this id was handled."""
        ...

    def set_timer(self, name: str, at: datetime) -> None:
        """Have `tick` find this name when `at` has come; a later call moves it."""
        ...

    def clear_timer(self, name: str) -> None:
        """Forget it."""
        ...

    def due(self, now: datetime) -> list[tuple[str, datetime]]:
        """Return the names whose time has come, the oldest first, with that time; they stay until cleared or moved."""
        ...


class Handler(Protocol):
    """The logic of a service."""

    inputs: tuple[str, ...]
    """The topics it reads, one fixed subscription for the life of its group."""

    def handle(self, record: Record, state: State) -> list[Outgoing]:
        """Return what follows from a record; raises Poison."""
        ...

    def tick(self, now: datetime, state: State) -> list[Outgoing]:
        """Return what follows from the passing of time: no input up to `now` is unread."""
        ...


@dataclass(frozen=True, slots=True)
class Tables:
    """Which tables a handler keeps, and in which topics: what the loop must rebuild."""

    tables: tuple[Table[Any], ...]
    state: str
    """Changelog of the tables, the timers and the input offsets."""
    seen: str | None = None
    """Changelog of the handled ids."""
