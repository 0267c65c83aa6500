"""Time, handed in: what a process asks instead of the machine's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What time it is, in three senses."""

    def now(self) -> datetime:
        """Return the wall clock's time, UTC; it may step."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; they stand still while the machine sleeps."""
        ...

    def boottime(self) -> float:
        """Return seconds that never go back and count sleep too (CLOCK_BOOTTIME): how long we were really away."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> datetime:
        """Return the wall clock's time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the monotonic clock, seconds."""
        return time.monotonic()

    def boottime(self) -> float:
        """Return the boot-time clock, seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class ManualClock:
    """A clock for tests: it moves when told to."""

    def __init__(self, start: datetime) -> None:
        self._now, self._elapsed = start, 0.0

    def now(self) -> datetime:
        """Return the time it was set to."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds it was moved."""
        return self._elapsed

    def boottime(self) -> float:
        """Return the seconds it was moved."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds
