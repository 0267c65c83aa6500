"""How long the oldest reply is on its way: granted, and neither taken by a provider nor handed to people.

The router tells it and not the responder, since only the router sees all of them: those that wait for the answer
before them, those in the outbox of a responder that is down, those in its ledger, and those in doubt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from weakref import WeakKeyDictionary

from services.router.tables import UNDELIVERED, Reply, Undelivered
from services.router.turn import Turn
from services.runtime.bus.handler import State
from services.runtime.process.clock import Clock
from services.runtime.process.metrics import Metrics

EVERY = timedelta(seconds=5)
"""Between two looks at one memory: each reads all that is on its way."""
STALE = 60.0
"""Seconds without a look after which a memory is not ours any more: the loop looks at those it works every second."""


def begins(turn: Turn, reply: Reply) -> None:
    """Note that a reply is on its way."""
    turn.state.put(UNDELIVERED, reply.id, Undelivered(channel=reply.via.channel, since=reply.accepted_at))


def ends(turn: Turn, reply: Reply) -> None:
    """Note that it has its outcome."""
    turn.state.drop(UNDELIVERED, reply.id)


@dataclass(slots=True)
class _Seen:
    """What one memory held when it was looked at."""

    looked: datetime
    here: float
    oldest: dict[str, datetime] = field(default_factory=dict)


class OldestUndelivered:
    """The metric, over all memories of this process: the age is that at the moment of the scrape."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock, self._metrics = clock, metrics
        self._seen = WeakKeyDictionary[State, _Seen]()
        self._channels: set[str] = set()

    def look(self, now: datetime, state: State) -> None:
        """Read what a memory holds, unless that was done a moment ago."""
        seen = self._seen.get(state)
        if seen and seen.looked <= now < seen.looked + EVERY:
            seen.here = self._clock.monotonic()
            return
        oldest = _oldest(state)
        self._seen[state] = _Seen(now, self._clock.monotonic(), oldest)
        for channel in oldest.keys() - self._channels:
            self._metrics.oldest_undelivered.labels(channel).set_function(partial(self._age, channel))
            self._channels.add(channel)

    def _age(self, channel: str) -> float:
        """Return seconds; 0 when nothing is on its way any more."""
        here, now = self._clock.monotonic() - STALE, self._clock.now()
        ours = (seen.oldest.get(channel, now) for seen in self._seen.values() if seen.here > here)
        return max(0.0, (now - min(ours, default=now)).total_seconds())


def _oldest(state: State) -> dict[str, datetime]:
    oldest: dict[str, datetime] = {}
    for _reply, row in state.rows(UNDELIVERED):
        oldest[row.channel] = min(row.since, oldest.get(row.channel, row.since))
    return oldest
