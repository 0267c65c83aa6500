"""The spool of this replica at work: opened, forwarded from, watched over, told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from services.ingest.settings import IngestSettings
from services.ingest.spooled import PAUSE, Spooled
from services.runtime.bus.carrier import Carrier
from services.runtime.bus.producer import Producer
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.process.metrics import Metrics
from services.runtime.process.stop import bounded
from services.runtime.spool.forwarder import Forwarder, Told
from services.runtime.spool.siblings import abandoned
from services.runtime.spool.spool import Spool
from services.runtime.spool.store import Broken

log = get_logger()

LOOK = 15.0
"""Seconds between two looks at the spools beside ours."""


class Keeping:
    """All that has to do with the spool, and the way to the broker past it."""

    def __init__(
        self, settings: IngestSettings, instance: str, producer: Producer, clock: Clock, metrics: Metrics
    ) -> None:
        self._folder = settings.spool.resolve() / instance
        self._patience, self._stop = settings.spool_claim_seconds, settings.stop_seconds
        self.spool = Spool(self._folder, settings.spool_bytes, clock)
        self.bus = Spooled(producer, self.spool, settings.publish_seconds, spooled=metrics.spooled.inc)
        self._forwarder = Forwarder(self.spool, Carrier(producer, clock), self._told(metrics))
        self._metrics = metrics
        self._tasks: list[asyncio.Task[None]] = []
        _measure(metrics, self.spool, self.bus, settings.spool_bytes)

    async def start(self, failed: Callable[[str], None]) -> None:
        """Return when the spool is ours and open, however long its disk takes; raises Taken when another has it.

        `failed` is called when something that should go on for ever ends.
        """
        while True:
            try:
                await self.spool.open(self._patience)
                break
            except Broken as error:
                log.warning("spool_not_opened", why=str(error))
                await asyncio.sleep(PAUSE)
        work = {"forwarding": self._forwarder.run(), "watching": self.bus.watch(), "looking": self._look()}
        self._tasks = [_begun(name, each, failed) for name, each in work.items()]

    async def stop(self) -> None:
        """Forward what still waits while the broker takes it, for some seconds, and let go of the spool."""
        if self.spool.records and not self.bus.silent:
            await bounded("empty the spool", self.spool.emptied(), self._stop)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await bounded("close the spool", self.spool.close())
        if self.spool.records:
            log.warning("spool_left_filled", records=self.spool.records, size=self.spool.bytes)

    def told(self) -> Mapping[str, float | str | bool | None]:
        """Return how the spool is, for /readyz."""
        spool = self.spool
        return {
            "records": spool.records,
            "bytes": spool.bytes,
            "oldest_seconds": round(spool.age, 1),
            "refused": spool.refused,
            "failing": spool.failing,
            "broker_silent": self.bus.silent,
        }

    async def _look(self) -> None:
        while True:
            await self._look_once()
            await asyncio.sleep(LOOK)

    async def _look_once(self) -> None:
        try:
            found = await asyncio.to_thread(abandoned, self._folder)
        except OSError as error:
            log.warning("other_spools_not_seen", why=error.strerror)
            return
        for one in found:
            log.warning("spool_abandoned", instance=one.name, records=one.totals.records if one.totals else None)
        self._metrics.spools_abandoned.set(len(found))
        self._metrics.spools_abandoned_records.set(sum(one.totals.records for one in found if one.totals))

    def _told(self, metrics: Metrics) -> Told:
        def forwarded(records: int) -> None:
            self.bus.delivered()
            metrics.forwarded.inc(records)

        return Told(forwarded, lambda topic: metrics.spool_set_aside.labels(topic).inc())


def _begun(name: str, work: Coroutine[Any, Any, None], failed: Callable[[str], None]) -> asyncio.Task[None]:
    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            failed(f"{task.get_name()} ended by itself: {type(task.exception()).__name__}")

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    return task


def _measure(metrics: Metrics, spool: Spool, bus: Spooled, limit: int) -> None:
    metrics.spool_records.set_function(lambda: spool.records)
    metrics.spool_bytes.set_function(lambda: spool.bytes)
    metrics.spool_limit.set(limit)
    metrics.spool_oldest_seconds.set_function(lambda: spool.age)
    metrics.spool_refused_records.set_function(lambda: spool.refused)
    metrics.spool_failing.set_function(lambda: spool.failing is not None)
    metrics.broker_silent.set_function(lambda: bus.silent)
