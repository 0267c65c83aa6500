"""One batch of facts: read, worked out, written to the changelogs, and only then shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from schemas.events import Fact, HubTicked
from schemas.topics import FACTS
from services.insight.book import Book, Change
from services.insight.doubles import Doubles
from services.insight.views import Seen
from services.runtime.bus.deadletters import Brake, read, set_aside
from services.runtime.bus.handler import Outgoing, Poison
from services.runtime.bus.producer import Publishes
from services.runtime.bus.seat import Raw
from services.runtime.process.clock import Clock
from services.runtime.process.metrics import Metrics

SERVICE = "insight"

Write = Callable[[Sequence[Change]], Awaitable[None]]
"""Returns when all is durable in the changelogs; raises when one is not."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What a batch goes through."""

    book: Book
    write: Write
    letters: Publishes
    metrics: Metrics
    clock: Clock
    brake: Brake
    doubles: Doubles

    async def take(self, raws: Sequence[Raw], *, more: bool) -> None:
        """Count a batch; raises NotDurable, GiveUp, or what `write` raises, and then nothing of it is counted.

        `more` says whether others are at hand.
        """
        seen, letters = self._sorted(raws)
        if letters:
            await self.letters.publish(letters)
        changes = self.book.changes(seen)
        await self.write(changes)
        self.book.make(changes)
        self._tell(raws, letters, more=more)

    def _sorted(self, raws: Iterable[Raw]) -> tuple[list[Seen], list[Outgoing]]:
        seen: list[Seen] = []
        letters: list[Outgoing] = []
        for raw in raws:
            try:
                seen += self._facts(raw)
                self.brake.good()
            except Poison as fault:
                letters.append(set_aside(raw, str(fault)))
                self.brake.aside(str(fault))
        return seen, letters

    def _facts(self, raw: Raw) -> list[Seen]:
        event = read(raw).event
        if isinstance(event.data, HubTicked) or self.doubles.knows(raw):
            return []
        if not isinstance(event.data, Fact):
            raise Poison(f"{event.type} is no fact")
        return [Seen(raw.partition, raw.offset, event.data)]

    def _tell(self, raws: Sequence[Raw], letters: Sequence[Outgoing], *, more: bool) -> None:
        last = max((raw.timestamp for raw in raws), default=0)
        age = self.clock.now().timestamp() - last / 1000 if more else 0.0
        self.metrics.records.labels(SERVICE, FACTS.name).inc(len(raws))
        self.metrics.lag_seconds.labels(SERVICE, FACTS.name).set(max(0.0, age))
        self.metrics.dead_letters.labels(SERVICE, FACTS.name).inc(len(letters))
