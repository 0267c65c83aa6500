"""Which numbers are ours: what the group's callbacks say, turned into ownerships.

Rebalancing is eager: *revoked* takes everything from everyone, and only *assigned* tells what was lost. So revoked
holds every number until its batch in hand is done, and assigned, without one await in it, lets go of what is
another's now and has the rest read on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from services.runtime.bus.metrics import BusMetrics
from services.runtime.bus.number import Pulse
from services.runtime.bus.ownership import Ownership
from services.runtime.bus.seat import Raw
from services.runtime.process.log import get_logger

log = get_logger()

PAUSE, RESUME = 4_000, 2_000
"""Unread records of one input at which its reading pauses, and goes on."""


class Group(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """The numbers of this replica."""

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        inputs: Sequence[str],
        own: Callable[[int], Ownership],
        give_up: Callable[[str], None],
        metrics: BusMetrics,
    ) -> None:
        self._consumer, self._inputs, self._own = consumer, inputs, own
        self._give_up, self._metrics = give_up, metrics
        self.owned: dict[int, Ownership] = {}
        self.joined = False
        """Whether the group has dealt us anything yet, be it nothing."""
        self._full: set[TopicPartition] = set()

    # --- what the group says ---

    async def on_partitions_revoked(self, _revoked: Iterable[TopicPartition]) -> None:
        """Hold everything; heartbeats go on meanwhile."""
        await asyncio.gather(*(owned.hold() for owned in self.owned.values()))

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Take what is ours and leave what is not."""
        ours = {place.partition for place in assigned}
        if len(assigned) != len(ours) * len(self._inputs):
            self._give_up("the group did not deal whole partition numbers: another assignor, or another subscription")
            return
        self._start_paused(assigned)
        self._leave(self.owned.keys() - ours)
        self._take(ours)
        log.info("numbers_assigned", numbers=sorted(ours))

    def _start_paused(self, assigned: Sequence[TopicPartition]) -> None:
        """Give each partition a placeholder position: without any the fetcher looks one up, even while paused."""
        self._full = set()
        if assigned:
            self._consumer.pause(*assigned)
        for place in assigned:
            self._consumer.seek(place, 0)

    def _leave(self, lost: Iterable[int]) -> None:
        for number in list(lost):
            self.owned.pop(number).leave()

    def _take(self, ours: Iterable[int]) -> None:
        for number in ours:
            if number not in self.owned:
                self.owned[number] = self._own(number)
            self.owned[number].own()
        self.joined = True
        self._metrics.owned(len(self.owned))

    # --- what the reader brings ---

    def hand(self, place: TopicPartition, records: Sequence[Raw]) -> None:
        """Give records to their number; an input that has enough pauses."""
        owned = self.owned.get(place.partition)
        if owned and owned.hand(place.topic, records) > PAUSE:
            self._consumer.pause(place)
            self._full.add(place)

    def relieve(self) -> bool:
        """Have inputs read again that have worked off enough; returns whether any is still paused."""
        for place in list(self._full):
            owned = self.owned.get(place.partition)
            if owned is None or owned.unread(place.topic) < RESUME:
                self._full.discard(place)
                self._resume(place)
        return bool(self._full)

    def _resume(self, place: TopicPartition) -> None:
        if place in self._consumer.assignment():
            self._consumer.resume(place)

    def pulse(self, pulses: dict[int, Pulse]) -> None:
        """Tell numbers that a second passed."""
        for number, pulse in pulses.items():
            if number in self.owned:
                self.owned[number].pulse(pulse)

    # --- the end ---

    async def finish(self) -> None:
        """Finish what is in hand, and leave every number."""
        await asyncio.gather(*(owned.finish() for owned in self.owned.values()))
        self.owned = {}

    def beginning(self) -> list[int]:
        """Return the numbers that are ours and do not work yet."""
        return sorted(number for number, owned in self.owned.items() if owned.number is None)
