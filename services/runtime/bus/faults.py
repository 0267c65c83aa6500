"""Faults where a test wants them: a seat that fails before or after any of its steps, once or more often.

Points are `<step>.before` and `<step>.after`, for the steps fence, committed, ranges, changelog, commit and find.
A failure after `commit` is the worst: everything was written, and whoever wrote it does not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from services.runtime.bus.seat import Line, Raw, Seat

T = TypeVar("T")

STEPS = ("fence", "committed", "changelog", "ranges", "commit", "find")
POINTS = tuple(f"{step}.{when}" for step in STEPS for when in ("before", "after"))


class Crash(Exception):
    """A fault that a test asked for."""


class Faults:
    """Which faults are still to come, and which came."""

    def __init__(self) -> None:
        self._wanted: Counter[str] = Counter()
        self.happened: list[str] = []

    def add(self, point: str, times: int = 1) -> None:
        """Fail the next `times` that this point is passed."""
        if point not in POINTS:
            raise ValueError(f"no such point: {point}; there are {', '.join(POINTS)}")
        self._wanted[point] += times

    def passing(self, point: str) -> None:
        """Raise Crash when that is wanted here."""
        if self._wanted[point] > 0:
            self._wanted[point] -= 1
            self.happened.append(point)
            raise Crash(point)


class FaultySeat:
    """A seat with faults in it; without any it changes nothing."""

    def __init__(self, seat: Seat, faults: Faults) -> None:
        self._seat, self._faults = seat, faults
        self.heal, self.torn, self.hanging = seat.heal, seat.torn, seat.hanging
        self.seek, self.leave = seat.seek, seat.leave

    async def fence(self) -> None:
        """Take the seat, or fail."""
        await self._step("fence", self._seat.fence)

    async def committed(self) -> dict[str, int]:
        """Return the committed offsets, or fail."""
        return await self._step("committed", self._seat.committed)

    async def ranges(self) -> dict[str, tuple[int, int]]:
        """Return what the inputs hold, or fail."""
        return await self._step("ranges", self._seat.ranges)

    async def changelog(self, topic: str) -> AsyncIterator[Sequence[Raw]]:
        """Return a changelog, or fail."""
        self._faults.passing("changelog.before")
        async for records in self._seat.changelog(topic):
            yield records
        self._faults.passing("changelog.after")

    async def commit(self, lines: Sequence[Line], offsets: Mapping[str, int]) -> None:
        """Write, or fail, or both."""
        await self._step("commit", lambda: self._seat.commit(lines, offsets))

    async def find(self, topic: str, offset: int) -> Raw | None:
        """Find, or fail."""
        return await self._step("find", lambda: self._seat.find(topic, offset))

    async def _step(self, name: str, step: Callable[[], Awaitable[T]]) -> T:
        self._faults.passing(f"{name}.before")
        result = await step()
        self._faults.passing(f"{name}.after")
        return result
