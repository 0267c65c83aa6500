"""What is done to whom, and when: drawn from the seed before anything runs, so that a found fault comes again."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What can be done. The first four befall one replica of a service; the others all of them at once."""

    KILL = "kill"
    """SIGKILL."""
    TERM = "term"
    """SIGTERM."""
    PAUSE = "pause"
    """SIGSTOP, longer than the group waits, then SIGCONT."""
    FLAP = "flap"
    """Killed again and again, a second or two after it was started."""
    BROKER_PAUSE = "broker-pause"
    """SIGSTOP of the broker, for a moment."""
    BROKER_PAUSE_LONG = "broker-pause-long"
    """SIGSTOP of the broker, longer than the group waits."""
    BROKER_KILL = "broker-kill"
    """SIGKILL of the broker, back at once."""
    BROKER_KILL_LONG = "broker-kill-long"
    """SIGKILL of the broker, away for longer than its own session."""
    NET_SLOW = "net-slow"
    """All between services and broker takes longer."""
    NET_SILENT = "net-silent"
    """The connections to the broker that stand are half open for a while."""
    NET_RESET = "net-reset"
    """They are all cut."""


SERVICES = ("router", "responder", "ingest")
OF_A_REPLICA = (Kind.KILL, Kind.TERM, Kind.PAUSE, Kind.FLAP)
OF_ALL = tuple(kind for kind in Kind if kind not in OF_A_REPLICA)
SECONDS = {
    Kind.PAUSE: (17.0, 21.0),
    Kind.FLAP: (1.0, 2.5),
    Kind.BROKER_PAUSE: (1.0, 5.0),
    Kind.BROKER_PAUSE_LONG: (16.0, 18.0),
    Kind.BROKER_KILL: (0.0, 0.5),
    Kind.NET_SLOW: (4.0, 8.0),
    Kind.NET_SILENT: (6.0, 12.0),
}
"""How long each lasts, between two bounds; of a flap, the time between two kills. See Bounds.lasts."""
FLAPS = 4
KILLS_TO_ONE = 3
"""Kills, stops and pauses to one of the faults that befall all."""


@dataclass(frozen=True)
class Fault:
    """One thing done: `at` is seconds from the beginning of the load."""

    at: float
    kind: Kind
    service: str = ""
    replica: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        whom = f" {self.service}-{self.replica}" if self.service else ""
        how_long = f" {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind}{whom}{how_long}"


@dataclass(frozen=True)
class Bounds:
    """What a schedule is drawn from."""

    kills: int
    """Faults of replicas; of all at once, when only such kinds are wanted."""
    every: float
    """Seconds between two of them, on average."""
    kinds: Sequence[Kind] = tuple(Kind)
    services: Sequence[str] = SERVICES
    broker_session: float = 1.5

    @property
    def small(self) -> list[tuple[Kind, str]]:
        return [(kind, service) for kind in OF_A_REPLICA if kind in self.kinds for service in self.services]

    @property
    def large(self) -> list[tuple[Kind, str]]:
        return [(kind, "") for kind in OF_ALL if kind in self.kinds]

    @property
    def counts(self) -> tuple[int, int]:
        """How many of the small and of the large."""
        if not self.small:
            return 0, self.kills
        return self.kills, max(len(self.large), self.kills // KILLS_TO_ONE) if self.large else 0

    def lasts(self, kind: Kind) -> tuple[float, float]:
        """Return between what bounds a fault lasts, seconds."""
        if kind is Kind.BROKER_KILL_LONG:
            return self.broker_session + 2.5, self.broker_session + 5
        return SECONDS.get(kind, (0.0, 0.0))


def schedule(seed: int, bounds: Bounds) -> list[Fault]:
    """Return all that is done in a run, in its order."""
    chance = random.Random(f"{seed} schedule")
    decks = zip((bounds.small, bounds.large), bounds.counts, strict=True)
    found = [fault for cards, count in decks if count for fault in _spread(cards, count, bounds, chance)]
    return sorted(found, key=lambda fault: fault.at)


def _spread(cards: list[tuple[Kind, str]], count: int, bounds: Bounds, chance: random.Random) -> Iterator[Fault]:
    """Give each its own stretch of time, and a moment in it."""
    stretch = bounds.kills * bounds.every / count
    for place, (kind, service) in enumerate(itertools.islice(_dealt(cards, chance), count)):
        at, lasts = stretch * (place + chance.random()), round(chance.uniform(*bounds.lasts(kind)), 1)
        yield Fault(round(at, 2), kind, service, chance.randrange(2) if service else 0, lasts)


def _dealt(cards: list[tuple[Kind, str]], chance: random.Random) -> Iterator[tuple[Kind, str]]:
    """Deal all of them, shuffled, again and again: each comes as often as every other."""
    while True:
        yield from chance.sample(cards, len(cards))
