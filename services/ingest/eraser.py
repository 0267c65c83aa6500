"""Throws away files: of messages that were erased, as the topic `erased` tells of them, and of old dead letters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from schemas.cloudevents import Unreadable, decode
from schemas.events import Event, MessageErased
from schemas.topics import CONTENT, ERASED
from services.ingest.attachments import Attachments
from services.runtime.bus.connection import Connection
from services.runtime.bus.follower import Follower
from services.runtime.bus.seat import Raw
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger

log = get_logger()

GROUP = "ingest.files"
SWEEP = 6 * 3_600.0
"""Seconds between two looks at what dead letters held."""
LETTERS_KEPT = CONTENT + timedelta(days=1)
"""A dead letter may lie a day longer than its retention: with its segment."""


class Eraser:
    """Works for all replicas that share the folder: each message is one replica's, and twice is as good as once."""

    def __init__(self, attachments: Attachments) -> None:
        self._attachments = attachments

    async def take(self, records: Sequence[Raw]) -> None:
        """Erase the files of these messages; raises OSError, and then wants them again."""
        for record in records:
            data = _read(record)
            if isinstance(data, MessageErased):
                files = await self._attachments.erase(data.tenant, data.message)
                log.info("files_erased", tenant=data.tenant, message_id=data.message, count=files)


class Files:
    """Has both done while ingest runs: what was erased goes at once, what dead letters held when they are gone."""

    def __init__(self, connection: Connection, instance: str, attachments: Attachments, clock: Clock) -> None:
        self._attachments, self._clock = attachments, clock
        self._follower = Follower(connection, GROUP, instance, [ERASED.name], Eraser(attachments).take)
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; it goes on by itself."""
        self._follower.start()
        self._sweeping = asyncio.create_task(self._sweep(), name="sweeping")

    async def stop(self) -> None:
        """End: what is in hand is done again."""
        if self._sweeping:
            self._sweeping.cancel()
            await asyncio.wait({self._sweeping})
        await self._follower.stop()

    async def _sweep(self) -> None:
        while True:
            try:
                files = await self._attachments.sweep(self._clock.now() - LETTERS_KEPT)
            except OSError as error:
                log.warning("sweep_failed", error=type(error).__name__)
            else:
                log.info("files_swept", count=files)
            await asyncio.sleep(SWEEP)


def _read(record: Raw) -> Event | None:
    try:
        return decode(record.headers, record.value).data
    except Unreadable as error:
        log.warning("erasure_unreadable", partition=record.partition, offset=record.offset, why=str(error))
        return None
