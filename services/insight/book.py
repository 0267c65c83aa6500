"""All rows of this replica, as they lie in the changelogs: read, worked out for a batch of facts, and changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, TypeVar

from schemas.parts import Frozen
from schemas.topics import INSIGHT_COUNTS, INSIGHT_OPEN
from services.insight.counts import Counts, minus, plus
from services.insight.views import Bucket, Open, Place, Seen, conversation_key, counted, followed, increments

Store = MutableMapping[bytes, bytes]
R = TypeVar("R", bound=Frozen)


class Change(NamedTuple):
    """A row that is to be written; no value deletes it."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None


class Stock(NamedTuple):
    """What totals are kept of."""

    tenant: str
    department: str
    channel: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """An open conversation of a tenant."""

    tenant: str
    id: str
    row: Open


class Book:
    """The rows. `buckets` and `conversations` hold them as JSON, by key."""

    def __init__(self, buckets: Store, conversations: Store) -> None:
        self._buckets, self._open = buckets, conversations
        self._totals: dict[Stock, Counts] = {}
        self._partition_of: dict[str, int] = {}
        self.partitions: frozenset[int] = frozenset()
        """Whose facts are counted here; the others are another replica's."""

    # --- changing ---

    def changes(self, batch: Iterable[Seen]) -> list[Change]:
        """Return what a batch of facts changes, each row once; nothing is changed yet."""
        drafts = _Drafts(self._buckets, self._open)
        for seen in batch:
            drafts.take(seen)
        return list(drafts.changes())

    def make(self, changes: Iterable[Change]) -> None:
        """Change what was worked out, once it is durable."""
        for change in changes:
            if change.topic == INSIGHT_COUNTS.name and change.value is not None:
                self._count(change.key, change.value)
            elif change.value is not None:
                self._open[change.key] = change.value
            else:
                self._open.pop(change.key, None)

    def rebuilt(self, partitions: frozenset[int]) -> None:
        """Take note that the rows were rebuilt from the changelogs, and that these partitions are ours now."""
        for store in (self._buckets, self._open):
            for key in [key for key in store if _partition(key) not in partitions]:
                del store[key]
        self._totals, self._partition_of, self.partitions = {}, {}, partitions
        for key, value in self._buckets.items():
            self._add(Place.of(key.decode()), Bucket.model_validate_json(value).counts)

    def _count(self, key: bytes, value: bytes) -> None:
        place, before = Place.of(key.decode()), self._buckets.get(key)
        after = Bucket.model_validate_json(value).counts
        known = Bucket.model_validate_json(before).counts if before else Counts()
        self._buckets[key] = value
        self._add(place, minus(after, known))

    def _add(self, place: Place, more: Counts) -> None:
        stock = Stock(place.tenant, place.department, place.channel)
        self._totals[stock] = plus(self._totals.get(stock, Counts()), more)
        self._partition_of[place.tenant] = place.partition

    # --- reading ---

    @property
    def totals(self) -> Mapping[Stock, Counts]:
        """Everything that was ever counted, by tenant, department and channel."""
        return self._totals

    def stocks(self, tenant: str) -> list[Stock]:
        """Return the departments and channels of which something was counted."""
        return sorted(stock for stock in self._totals if stock.tenant == tenant)

    def on(self, day: date, stock: Stock) -> Counts | None:
        """Return what was counted on a day; None when nothing was."""
        partition = self._partition_of.get(stock.tenant)
        if partition is None:
            return None
        found = self._buckets.get(Place(partition, stock.tenant, day, stock.department, stock.channel).key.encode())
        return Bucket.model_validate_json(found).counts if found else None

    def conversations(self) -> Iterator[Conversation]:
        """Return every open conversation."""
        for key, value in self._open.items():
            _, tenant, conversation = key.decode().split("/", 2)
            yield Conversation(tenant, conversation, Open.model_validate_json(value))


class _Drafts:
    """Rows as they become, in one batch."""

    def __init__(self, buckets: Mapping[bytes, bytes], conversations: Mapping[bytes, bytes]) -> None:
        self._buckets, self._open = buckets, conversations
        self._counted: dict[bytes, tuple[int, Bucket]] = {}
        self._followed: dict[bytes, tuple[int, Open | None]] = {}

    def take(self, seen: Seen) -> None:
        for place, more in increments(seen).items():
            key = place.key.encode()
            before = self._counted[key][1] if key in self._counted else _read(Bucket, self._buckets.get(key))
            self._counted[key] = seen.partition, counted(before, more, seen.offset)
        key = conversation_key(seen).encode()
        row = self._followed[key][1] if key in self._followed else _read(Open, self._open.get(key))
        self._followed[key] = seen.partition, followed(row, seen)

    def changes(self) -> Iterator[Change]:
        yield from _changes(INSIGHT_COUNTS.name, self._buckets, self._counted)
        yield from _changes(INSIGHT_OPEN.name, self._open, self._followed)


def _changes(
    topic: str, store: Mapping[bytes, bytes], rows: Mapping[bytes, tuple[int, Frozen | None]]
) -> Iterator[Change]:
    for key, (partition, row) in rows.items():
        value = row.model_dump_json(exclude_defaults=True).encode() if row else None
        if value != store.get(key):
            yield Change(topic, partition, key, value)


def _read(model: type[R], value: bytes | None) -> R | None:
    return model.model_validate_json(value) if value else None


def _partition(key: bytes) -> int:
    return int(key.split(b"/", 1)[0])
