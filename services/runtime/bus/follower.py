"""Follows topics and has something done about each record, at least once: for what may be done twice without harm.

It never gives up: what fails is tried again, and so is a broker that is away. Nothing else waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiokafka import AIOKafkaConsumer

from services.runtime.bus.connection import BROKER_ERRORS, STOP, Connection, closed, started
from services.runtime.bus.seat import Raw
from services.runtime.process.log import get_logger

log = get_logger()

PAUSE = 5.0
"""Seconds before it tries again."""
WAIT_MS = 1_000
MOST = 500

Take = Callable[[Sequence[Raw]], Awaitable[None]]
"""Does what is to be done; raises OSError when that did not work, and then gets the same again."""


class Follower:
    """One member of a group. `instance` is this replica's own name, for life."""

    def __init__(self, connection: Connection, group: str, instance: str, topics: Sequence[str], take: Take) -> None:
        self._connection, self._group, self._instance = connection, group, instance
        self._topics, self._take = list(topics), take
        self._following: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; it goes on by itself, also when there is no broker yet."""
        self._following = asyncio.create_task(self.run(), name=self._group)

    async def stop(self) -> None:
        """End: what is in hand comes again."""
        if self._following:
            self._following.cancel()
            await asyncio.wait({self._following}, timeout=STOP)

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self._follow()
            except BROKER_ERRORS as error:
                log.warning("following_interrupted", group=self._group, error=type(error).__name__)
                await asyncio.sleep(PAUSE)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            *self._topics,
            **self._connection,
            group_id=self._group,
            group_instance_id=f"{self._group}-{self._instance}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await started(consumer)
        try:
            while True:
                await self._some(consumer)
        finally:
            await closed(consumer)

    async def _some(self, consumer: AIOKafkaConsumer) -> None:
        for place, records in (await consumer.getmany(timeout_ms=WAIT_MS, max_records=MOST)).items():
            await self._take(records)
            await consumer.commit({place: records[-1].offset + 1})
