"""What is counted, and how counts come together: whole numbers only, so that a sum is the same in every order."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from itertools import accumulate

from schemas.parts import Frozen

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
BOUNDS: tuple[int, ...] = (
    *(1, 2, 5, 10, 15, 20, 30, 45),
    *(_MINUTE * n // 2 for n in (2, 3, 4, 6, 8, 10, 14, 20, 30, 40, 60, 90)),
    *(_HOUR * n // 2 for n in (2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40)),
    *(_DAY * n // 2 for n in (2, 3, 4, 6, 8, 10, 12, 14, 20, 28, 42, 60)),
)
"""Upper bounds, in seconds, of the steps in which waiting is counted; what waited longer is in one more step."""


class Counts(Frozen):
    """What happened in some place and time. `waits`: first answers by the step of `BOUNDS` that they fall in."""

    received: int = 0
    automatic: int = 0
    needing_none: int = 0
    opened: int = 0
    reopened: int = 0
    closed: int = 0
    unanswered: int = 0
    """Messages in conversations that were closed without an answer to them."""
    replies: int = 0
    answered: int = 0
    """Messages that the replies answered."""
    moved_in: int = 0
    """Unanswered messages that came from another department."""
    moved_out: int = 0
    refused: int = 0
    worklisted: int = 0
    """Messages whose answer did not arrive: they were handed to people."""
    waited_ms: int = 0
    """Sum of what first answers took, in milliseconds."""
    waits: Mapping[int, int] = {}

    @property
    def first_answers(self) -> int:
        """How many conversations had their first answer."""
        return sum(self.waits.values())


_NUMBERS = tuple(name for name in Counts.model_fields if name != "waits")


def plus(one: Counts, other: Counts) -> Counts:
    """Return the sum of two counts."""
    changed = {name: getattr(one, name) + more for name in _NUMBERS if (more := getattr(other, name))}
    return one.model_copy(update=changed | {"waits": _merged(one.waits, other.waits)})


def minus(one: Counts, other: Counts) -> Counts:
    """Return what one counted and the other did not, which came before it."""
    changed = {name: getattr(one, name) - getattr(other, name) for name in _NUMBERS}
    waits = {step: left for step, n in one.waits.items() if (left := n - other.waits.get(step, 0))}
    return Counts(**changed, waits=waits)


def total(all_: Iterable[Counts]) -> Counts:
    """Return the sum of many."""
    found = Counts()
    for each in all_:
        found = plus(found, each)
    return found


def first_answer(seconds: float) -> Counts:
    """Return the count of one first answer that took so long."""
    return Counts(waited_ms=round(seconds * 1000), waits={bisect_left(BOUNDS, seconds): 1})


def quantile(waits: Mapping[int, int], share: float) -> float | None:
    """Return the time, in seconds, within which this share had its first answer; None when nobody had one.

    It is as exact as the steps: straight between a step's bounds, as Prometheus does, and never above the last bound.
    """
    rank = share * sum(waits.values())
    below = 0
    for step in sorted(waits):
        if below + waits[step] >= rank:
            return _within(step, (rank - below) / waits[step])
        below += waits[step]
    return None


def cumulated(waits: Mapping[int, int], bounds: Iterable[int]) -> list[int]:
    """Return how many waited no longer than each of these bounds, which must be some of `BOUNDS`."""
    running = list(accumulate(waits.get(step, 0) for step in range(len(BOUNDS))))
    return [running[BOUNDS.index(bound)] for bound in bounds]


def _within(step: int, share: float) -> float:
    if step == len(BOUNDS):
        return float(BOUNDS[-1])
    lowest = BOUNDS[step - 1] if step else 0
    return lowest + (BOUNDS[step] - lowest) * share


def _merged(one: Mapping[int, int], other: Mapping[int, int]) -> dict[int, int]:
    return {step: one.get(step, 0) + other.get(step, 0) for step in sorted(one.keys() | other.keys())}
