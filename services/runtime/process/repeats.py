"""What is said again and again: the first time at once, then now and then, with how often it was since."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

W = TypeVar("W", bound=Hashable)

EVERY = 10.0
"""Seconds between two times that the same is said."""


@dataclass(slots=True)
class _Heard:
    said: float = -inf
    since: int = 0


class Repeats(Generic[W]):
    """Knows what was said in the last `every` seconds, and no more. Time is handed in: seconds that never go back."""

    def __init__(self, every: float = EVERY) -> None:
        self._every = every
        self._heard: dict[W, _Heard] = {}

    def take(self, what: W, now: float) -> list[tuple[W, int]]:
        """Take in one more; returns what is to be said now, and how often it came since it was said last.

        Others than `what` are among them when their time has come: nothing is kept back until it comes once more.
        """
        self._heard.setdefault(what, _Heard()).since += 1
        due = [(each, heard) for each, heard in self._heard.items() if now - heard.said >= self._every]
        return self._said(due, now)

    def rest(self, now: float) -> list[tuple[W, int]]:
        """Return all that was kept back: nobody may come to say it later."""
        return self._said(list(self._heard.items()), now)

    def __len__(self) -> int:
        return len(self._heard)

    def _said(self, due: list[tuple[W, _Heard]], now: float) -> list[tuple[W, int]]:
        told = [(what, heard.since) for what, heard in due if heard.since]
        for what, heard in due:
            if heard.since:
                self._heard[what] = _Heard(now)
            else:
                del self._heard[what]
        return told
