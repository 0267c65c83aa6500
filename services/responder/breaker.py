"""Gives a provider that fails a rest, and finds out by single calls whether it is back."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from services.responder.pacing import Backoff, Chance

FAILURES = 5
"""In a row; a time-out counts as one."""
REST = Backoff(first=0.5, longest=5.0)
"""Between probes: never longer than 5 s, so that a provider that is back is soon noticed."""
STOPPED = 300.0
"""Seconds between probes when our own account is refused: only people can mend that."""


class Breaker:
    """Of one inbox. A call is named by its ticket, any value of the caller's."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._failures = self._rests = 0
        self._retry_at: float | None = None
        self._probe: object | None = None
        self.stopped = False
        """Whether it was our own account that was refused."""

    @property
    def open(self) -> bool:
        """Whether only probes may go."""
        return self._retry_at is not None

    def lets(self, now: float) -> bool:
        """Say whether a call may begin."""
        return self._retry_at is None or (self._probe is None and now >= self._retry_at)

    def next_probe(self) -> float | None:
        """Return when a probe may begin; None when no waiting helps."""
        return self._retry_at if self._probe is None else None

    def begins(self, ticket: object) -> None:
        """Note a call that begins: it is the probe when the breaker is open."""
        if self.open:
            self._probe = ticket

    def well(self) -> None:
        """The provider answered, whatever it said."""
        self._failures = self._rests = 0
        self._retry_at, self._probe, self.stopped = None, None, False

    def ill(self, ticket: object, now: float) -> None:
        """A call failed or had no answer. While open, only the probe counts: the others began before."""
        if self.open and ticket != self._probe:
            return
        self._failures += 1
        if self.open or self._failures >= FAILURES:
            self._rest(now)

    def stop(self, now: float) -> None:
        """Our account was refused."""
        self.stopped = True
        self._retry_at, self._probe = now + STOPPED, None

    def unsure(self, ticket: object) -> None:
        """The call never began, or said nothing about the provider's health."""
        if ticket == self._probe:
            self._probe = None

    def keep_probe(self, live: AbstractSet[object]) -> None:
        """Wait no longer for a probe that is not among the calls we know."""
        if self._probe not in live:
            self._probe = None

    def _rest(self, now: float) -> None:
        self._rests += 1
        # Half of it is sure: a rest of nothing would be none.
        wait = REST.wait(self._rests, 0.5 + self._chance() / 2)
        self._retry_at, self._probe = now + wait, None
