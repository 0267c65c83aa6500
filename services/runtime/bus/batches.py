"""From what goes out to what is written: one encoding per event, the partition by its home, batches by size.

The broker's limit (max.message.bytes, 1 MB) counts a batch, and one that it refuses leaves a hole in the producer's
numbering that only a new producer closes. So batches end below it, and a record that alone is over it is poison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from aiokafka.partitioner import murmur2

from schemas.cloudevents import encode
from schemas.topics import Home, Topic, topic_of
from services.runtime.bus.handler import Outgoing, Poison
from services.runtime.bus.seat import Line

MAX_BATCH = 900_000
"""Bytes of one batch."""

MAX_LINE = MAX_BATCH - 1_000
"""Bytes of one record: what is left beside the batch's own header."""

_OVERHEAD, _HEADER = 24, 128
"""Bytes at most that a record adds to its key, value and headers (format v2), and of one of our headers on average."""

Declared = Callable[[str], Topic]
"""The declaration of a topic, by its name; raises KeyError."""


@lru_cache(maxsize=100_000)
def _hash(home: str) -> int:
    return int(murmur2(home.encode())) & 0x7FFFFFFF


def partition_of(home: str, partitions: int) -> int:
    """Return the partition of a home, as Kafka's own producers choose it for a key (murmur2)."""
    return _hash(home) % partitions


class Encoder:
    """Turns outgoings into lines."""

    def __init__(self, declared: Declared = topic_of) -> None:
        self._declared = lru_cache(maxsize=10_000)(declared)

    def line(self, outgoing: Outgoing) -> Line:
        """Return an outgoing as it is written; raises Poison when it is too large for one record."""
        headers, value = encode(outgoing.event) if outgoing.event else ([], None)
        partition = partition_of(outgoing.home, self._declared(outgoing.topic).partitions)
        line = Line(outgoing.topic, partition, outgoing.key.encode(), value, headers)
        if size(line) > MAX_LINE:
            raise Poison(f"a record for {outgoing.topic} has {size(line)} bytes, more than {MAX_LINE}")
        return line

    def strayed(self, topic: str, partition: int, tenant: str | None) -> bool:
        """Say whether a record of this municipality lies in another's partition of a topic that has one for each."""
        declared = self._declared(topic)
        if declared.home is not Home.TENANT or tenant is None:
            return False
        return partition_of(tenant, declared.partitions) != partition


def size(line: Line) -> int:
    """Return the bytes of a line in a batch, at most: counted on the fast side, it is asked of every line."""
    value = line.value
    return _OVERHEAD + len(line.key) + _HEADER * len(line.headers) + (len(value) if value else 0)


def by_partition(lines: Iterable[Line]) -> Iterator[tuple[tuple[str, int], list[Line]]]:
    """Return the lines of each partition, in their order."""
    grouped: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        grouped.setdefault((line.topic, line.partition), []).append(line)
    return iter(grouped.items())


def cut(lines: Sequence[Line]) -> list[list[Line]]:
    """Cut the lines of one partition into batches."""
    batches: list[list[Line]] = []
    room = 0
    for line in lines:
        bytes_ = size(line)
        if bytes_ > room:
            batches.append([])
            room = MAX_LINE
        batches[-1].append(line)
        room -= bytes_
    return batches
