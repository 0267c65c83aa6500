"""Throws away the files of messages that were erased, as the topic `erased` tells of them."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.cloudevents import Unreadable, decode
from schemas.events import Event, MessageErased
from schemas.topics import ERASED
from services.ingest.attachments import Attachments
from services.runtime.bus.connection import Connection
from services.runtime.bus.follower import Follower
from services.runtime.bus.seat import Raw
from services.runtime.process.log import get_logger

log = get_logger()

GROUP = "ingest.files"


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


def follower(connection: Connection, instance: str, attachments: Attachments) -> Follower:
    """Return what has erased files thrown away, once it runs."""
    return Follower(connection, GROUP, instance, [ERASED.name], Eraser(attachments).take)


def _read(record: Raw) -> Event | None:
    try:
        return decode(record.headers, record.value).data
    except Unreadable as error:
        log.warning("erasure_unreadable", partition=record.partition, offset=record.offset, why=str(error))
        return None
