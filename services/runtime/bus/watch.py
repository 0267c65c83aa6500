"""Sees to it that reading goes on: aiokafka's own tasks can die, or hang in a request, without a word."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from aiokafka import TopicPartition


class Watch:
    """The watchdog over the reader. All times are seconds of a monotonic clock."""

    def __init__(self, patience: float, now: float) -> None:
        self._patience, self._turned = patience, now
        self._moved: dict[TopicPartition, tuple[int, float]] = {}

    def turned(self, now: float) -> None:
        """The reader came back from waiting."""
        self._turned = now

    def looked(
        self,
        positions: Mapping[TopicPartition, int],
        at_end: Mapping[TopicPartition, bool],
        paused: Collection[TopicPartition],
        now: float,
    ) -> None:
        """Note how far each partition was read; who is at the end, or paused, has nothing to prove."""
        before = self._moved
        self._moved = {
            place: before[place] if before.get(place, (-1, 0.0))[0] == position else (position, now)
            for place, position in positions.items()
            if not at_end[place] and place not in paused
        }

    def silence(self, now: float) -> float:
        """Return how long the reader has not come back, when that is too long; else 0."""
        silent = now - self._turned
        return silent if silent > self._patience else 0.0

    def standing(self, now: float) -> list[TopicPartition]:
        """Return the partitions that hold more, and were not read for too long; each is told once."""
        found = [place for place, (_position, since) in self._moved.items() if now - since > self._patience]
        for place in found:
            del self._moved[place]
        return found
