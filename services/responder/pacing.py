"""How fast: the rate of an inbox, the pause between two messages to one citizen, and how soon again after a failure.

All of it takes the time (seconds of a clock that never goes back) and chance (from 0 up to 1) as arguments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

Chance = Callable[[], float]
"""A number from 0 up to 1, by chance."""

ALWAYS = -math.inf
NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next try: any time up to a bound that doubles (full jitter): no wave forms."""

    first: float = 1.0
    longest: float = 300.0
    """Seconds."""

    def wait(self, tries: int, chance: float) -> float:
        """Return the seconds to wait after `tries` tries, 1 or more."""
        return chance * min(self.longest, self.first * 2.0 ** min(tries - 1, 60))


class Pace:
    """The rate of one inbox: each call has a moment of its own, one interval after the one before.

    In any stretch of time at most rate x seconds + 1 moments lie, since a moment that passed unused is not made up
    for. So that none has to pass, calls may be prepared `ahead` seconds before their moment.
    """

    def __init__(self, rate: float, ahead: float) -> None:
        self._every, self._ahead = 1 / rate, ahead
        self._next = ALWAYS
        self._prepared = 0

    def room(self, now: float) -> bool:
        """Say whether one more call may be prepared."""
        return self.next_room() <= now

    def next_room(self) -> float:
        """Return from when one more may be prepared."""
        return self._next + self._prepared * self._every - self._ahead

    def prepare(self) -> None:
        """Count a call that will ask for its moment."""
        self._prepared += 1

    def moment(self, now: float) -> float:
        """Return when a prepared call is to begin."""
        self._prepared -= 1
        at = max(self._next, now)
        self._next = at + self._every
        return at

    def wait(self, now: float) -> float:
        """Return the seconds until the next moment."""
        return max(0.0, self._next - now)

    def give_up(self) -> None:
        """Count a prepared call that will not begin."""
        self._prepared -= 1

    def hold(self, until: float) -> None:
        """Let nothing begin before `until`."""
        self._next = max(self._next, until)


class Budget:
    """How much of what goes out may be tried again: a tenth of what is new, and one a second.

    So a provider that fails half the time gets a tenth more of us, not twice as much.
    """

    def __init__(self, share: float = 0.1, floor: float = 1.0, most: float = 10.0) -> None:
        self._share, self._floor, self._most = share, floor, most
        self._left, self._at = most, ALWAYS

    def earn(self) -> None:
        """Count something new that goes out."""
        self._left = min(self._most, self._left + self._share)

    def spend(self) -> None:
        """Count something that is tried again."""
        self._left -= 1

    def enough(self, now: float) -> bool:
        """Say whether something may be tried again."""
        self._refill(now)
        return self._left >= 1

    def next_enough(self, now: float) -> float:
        """Return when it may."""
        self._refill(now)
        return now + max(0.0, 1 - self._left) / self._floor

    def _refill(self, now: float) -> None:
        passed = 0.0 if self._at == ALWAYS else max(0.0, now - self._at)
        self._left, self._at = min(self._most, self._left + passed * self._floor), now


@dataclass(slots=True)
class Recipients:
    """The pause between two messages to one citizen; one for whom nothing has to be kept apart is not remembered."""

    interval: float
    _free: dict[str, float] = field(default_factory=dict)

    def free_at(self, who: str) -> float:
        """Return from when the next may go; NEVER while one is under way and a pause is to follow it."""
        return self._free.get(who, ALWAYS)

    def began(self, who: str) -> None:
        """Note that one is under way."""
        if self.interval:
            self._free[who] = NEVER

    def ended(self, who: str, began: float | None) -> None:
        """Note that it no longer is; `began` says when the call began, None when it never did."""
        if self.interval:
            self._free[who] = ALWAYS if began is None else began + self.interval

    def hold(self, who: str, until: float) -> None:
        """Let nothing go to this one before `until`."""
        self._free[who] = max(until, self.free_at(who))

    def renew(self) -> None:
        """Forget who has one under way."""
        self._free = {who: at for who, at in self._free.items() if at != NEVER}

    def forget(self, now: float) -> None:
        """Forget those who may have one now."""
        self._free = {who: at for who, at in self._free.items() if at > now}

    def __len__(self) -> int:
        return len(self._free)
