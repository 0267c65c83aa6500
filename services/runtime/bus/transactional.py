"""A handler's work: records in batches, each batch with its outputs, its state and its offsets in one transaction."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from schemas.events import HubTicked
from services.runtime.bus.batches import MAX_LINE
from services.runtime.bus.deadletters import Brake, read, set_aside
from services.runtime.bus.handler import Handler, Harmless, Outgoing, Poison, Record
from services.runtime.bus.metrics import BusMetrics
from services.runtime.bus.number import Number, RowTooLarge
from services.runtime.bus.seat import BusError, Line, Raw
from services.runtime.bus.ticks import signs_of_life
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger, places

BATCH = 4_000
"""Records of one batch, at most."""
SLICE = 100
"""Records taken at once, between two looks at the clock."""
BUDGET = 0.1
"""Seconds after which a batch takes no more: others share this event loop, heartbeats among them."""
WINDOW = timedelta(days=9)
"""How long ids are remembered: providers redeliver for up to 7 days."""

log = get_logger()

Places = Callable[[int], list[tuple[str, int]]]
"""Where a number gives its daily sign of life: (topic, partition)."""


class Transactional:
    """The work of a handler with one number."""

    def __init__(self, handler: Handler, clock: Clock, metrics: BusMetrics, brake: Brake, places: Places) -> None:
        self._handler, self._clock, self._metrics, self._brake, self._places = handler, clock, metrics, brake, places
        self._in_hand = asyncio.Lock()
        self._careful = False

    async def run(self, number: Number) -> None:
        """Work batch after batch."""
        try:
            while True:
                await number.stirred()
                async with self._in_hand:
                    await self._while_there_is_any(number)
        except RowTooLarge:
            self._careful = True
            raise

    async def hold(self) -> None:
        """Return when the batch in hand is committed."""
        async with self._in_hand:
            return

    async def finish(self) -> None:
        """Return when the batch in hand is committed."""
        await self.hold()

    async def _while_there_is_any(self, number: Number) -> None:
        while not number.held and (number.unread or number.due):
            if number.unread:
                await self._batch(number)
            if number.due:
                await self._tick(number)
                number.beat()  # only now: whoever waits until nothing is due waits for its commit too

    # --- a batch ---

    async def _batch(self, number: Number) -> None:
        began, aside, done = self._clock.monotonic(), Counter[str](), Counter[str]()
        outgoings = [out for raw in self._records(number, done) for out in self._one(number, raw, aside)]
        await number.commit_lines(await number.filled(outgoings), number.taken)
        self._careful = False
        self._count(done, aside, self._clock.monotonic() - began)

    def _records(self, number: Number, done: Counter[str]) -> Iterator[Raw]:
        """Take records of all inputs in turn, until there are none, enough, or it took long enough."""
        until = self._clock.monotonic() + BUDGET
        while done.total() < BATCH and self._clock.monotonic() < until:
            slices = [one.take(SLICE) for one in number.inputs.values()]
            if not any(slices):
                return
            for records in slices:
                yield from _counted(records, done)

    def _one(self, number: Number, raw: Raw, aside: Counter[str]) -> list[Line | Outgoing]:
        """Return what follows from one record; what it changed is kept as a whole or not at all."""
        record: Record | None = None
        try:
            record = read(raw)
            lines = self._handled(number, record)
        except Poison as poison:
            return self._set_aside(number, raw, record, poison, aside)
        except BusError:  # no fault of the record
            raise
        except Exception as error:  # noqa: BLE001 - one odd message must not stop a municipality; the brake stops a bug
            reason = f"the handler failed: {type(error).__name__} at {places(error)[-1]}"
            log.warning("handler_failed", topic=raw.topic, offset=raw.offset, reason=reason, frames=places(error))
            return self._set_aside(number, raw, record, Poison(reason), aside)
        number.state.keep()
        self._brake.good()
        return lines

    def _handled(self, number: Number, record: Record) -> list[Line | Outgoing]:
        if isinstance(record.event.data, HubTicked):
            return []
        if number.encoder.strayed(record.topic, record.partition, record.event.data.tenant):
            return self._sent_home(number, record)
        outgoings = self._handler.handle(record, number.state)
        if self._careful and number.state.largest_change() > MAX_LINE:
            raise Poison("what it leaves in the memory is too large for a record")
        return [out if out.content else number.encoder.line(out) for out in outgoings]

    def _sent_home(self, number: Number, record: Record) -> list[Line | Outgoing]:
        tenant, key = record.event.data.tenant, record.key or record.event.id
        log.warning("record_had_strayed", topic=record.topic, number=number.index, offset=record.offset, tenant=tenant)
        self._metrics.strayed(record.topic)
        return [number.encoder.line(Outgoing(record.topic, key, tenant, record.event))]

    def _set_aside(
        self, number: Number, raw: Raw, record: Record | None, poison: Poison, aside: Counter[str]
    ) -> list[Line | Outgoing]:
        number.state.undo()
        if not isinstance(poison, Harmless):
            self._brake.aside(str(poison))
        aside[raw.topic] += 1
        return [number.encoder.line(set_aside(raw, str(poison), tenant=record.event.data.tenant if record else None))]

    def _count(self, done: Counter[str], aside: Counter[str], seconds: float) -> None:
        for topic, records in done.items():
            self._metrics.handled(topic, records)
        for topic, records in aside.items():
            self._metrics.set_aside(topic, records)
        self._metrics.batch(seconds)

    # --- a tick ---

    async def _tick(self, number: Number) -> None:
        now = number.time()
        if now is None:
            return
        outgoings = self._handler.tick(now, number.state)
        number.state.forget_seen(now - WINDOW)
        lines = [*signs_of_life(number.state, self._places(number.index), now), *await number.filled(outgoings)]
        if lines or number.state.changed:
            await number.commit_lines(lines, {})


def _counted(records: Sequence[Raw], done: Counter[str]) -> Sequence[Raw]:
    if records:
        done[records[0].topic] += len(records)
    return records
