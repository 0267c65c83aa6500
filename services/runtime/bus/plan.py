"""What a service is to the bus: what it reads, keeps and writes, and under which names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.topics import Cleanup, Topic, topic_of
from services.runtime.bus.connection import Connection
from services.runtime.bus.handler import Tables
from services.runtime.bus.ownership import Timing
from services.runtime.bus.seat import GiveUp
from services.runtime.bus.state import changelogs

Place = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One service on one broker."""

    service: str
    """`router`, `responder`: first part of its transactional ids (`router.7`), and its group's name."""
    instance: str
    """This replica's name for life: 0, 1 ..."""
    connection: Connection
    inputs: tuple[str, ...]
    """Fixed for the life of the group; content is read back from the first."""
    tables: Tables
    outputs: tuple[str, ...]
    """Every topic it writes to, each department's too, without its changelogs."""
    timing: Timing = field(default_factory=Timing)
    declared: Callable[[str], Topic] = topic_of

    @property
    def group(self) -> str:
        """The consumer group."""
        return self.service

    def partitions_of(self, topic: str) -> int:
        """Return how many partitions a topic has by its declaration."""
        return self.declared(topic).partitions

    @property
    def numbers(self) -> int:
        """How many partition numbers there are."""
        return self.partitions_of(self.inputs[0])

    def check(self, found: Mapping[str, int]) -> None:
        """Raise GiveUp unless the broker has all our topics, each with its partitions; `found` are all it has."""
        wanted = {topic: self.partitions_of(topic) for topic in (*self.owned, *self.outputs)}
        wrong = [f"{topic} has {found.get(topic, 'none')}" for topic, n in wanted.items() if found.get(topic) != n]
        if wrong:
            raise GiveUp(f"not the partitions that schemas/topics.py declares: {', '.join(wrong)}")
        uneven = [topic for topic in self.owned if wanted[topic] != self.numbers]
        if uneven:
            raise GiveUp(f"not as many partitions as {self.inputs[0]}: {', '.join(uneven)}")

    @property
    def owned(self) -> tuple[str, ...]:
        """The topics that are owned by number: inputs and changelogs."""
        return (*self.inputs, *changelogs(self.tables))

    def may_write(self, number: int) -> list[Place]:
        """Return every place that a transaction of this number may lie in."""
        own = [(topic, number) for topic in changelogs(self.tables)]
        return own + [place for topic in self.outputs for place in self._places(topic, number)]

    def signs(self, number: int) -> list[Place]:
        """Return where this number gives its daily sign of life: each compacted partition has one who does."""
        own = [(topic, number) for topic in self._compacted(changelogs(self.tables))]
        shared = [(t, p) for t in self._compacted(self.outputs) for p in range(self.partitions_of(t))]
        return own + [(topic, partition) for topic, partition in shared if partition % self.numbers == number]

    def _compacted(self, topics: Sequence[str]) -> list[str]:
        return [topic for topic in topics if self.declared(topic).cleanup is Cleanup.COMPACT]

    def _places(self, topic: str, number: int) -> list[Place]:
        """A topic that has the same home as our inputs is written by a number in that partition only."""
        count, home = self.partitions_of(topic), self.declared(topic).home
        if home is self.declared(self.inputs[0]).home and count == self.numbers:
            return [(topic, number)]
        return [(topic, partition) for partition in range(count)]
