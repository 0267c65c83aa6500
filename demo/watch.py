"""Sees what passes over the topics, and nothing else: the story and its table are read from here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from schemas.cloudevents import CloudEvent
from schemas.events import Event

E = TypeVar("E", bound=Event)
PATIENCE = 20.0
"""Seconds that a scene waits for what must come."""


class NotSeen(AssertionError):
    """What had to come did not."""


@dataclass(frozen=True)
class Seen:
    """One event on one topic."""

    topic: str
    partition: int
    offset: int
    at: float
    """When it was written to its topic: seconds since 1970."""
    event: CloudEvent


@dataclass
class Watch:
    """All that was seen, and who waits for more."""

    seen: list[Seen] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def follow(self, records: AsyncIterator[Seen]) -> None:
        """Take in records until cancelled."""
        async for record in records:
            self.seen.append(record)
            async with self._changed:
                self._changed.notify_all()

    async def until(
        self, what: str, kind: type[E], test: Callable[[E], bool], *, topic: str | None = None, within: float = PATIENCE
    ) -> E:
        """Return the first event of this kind that passes the test; raises NotSeen."""
        try:
            async with asyncio.timeout(within), self._changed:
                while (found := self.find(kind, test, topic=topic)) is None:
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise NotSeen(f"not seen within {within:.0f} s: {what}") from None

    def find(self, kind: type[E], test: Callable[[E], bool], *, topic: str | None = None) -> E | None:
        """Return the first event of this kind that passes the test, if it was seen."""
        return next(iter(self.all(kind, test, topic=topic)), None)

    def all(self, kind: type[E], test: Callable[[E], bool], *, topic: str | None = None) -> list[E]:
        """Return every event of this kind that passes the test."""
        on = (seen.event.data for seen in self.seen if topic is None or seen.topic == topic)
        return [data for data in on if isinstance(data, kind) and test(data)]
