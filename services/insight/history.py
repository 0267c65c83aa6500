"""The history of one conversation, read from `entries` as it lies there: the last state of each numbered line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from schemas.cloudevents import Unreadable, decode
from schemas.events import EntryKind, EntryRecorded
from schemas.topics import ENTRIES
from services.runtime.bus.batches import partition_of
from services.runtime.bus.connection import Connection
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Raw
from services.runtime.process.log import get_logger

log = get_logger()

History = list[EntryRecorded]
"""The lines of a conversation, in the order of their numbers."""


class ReadsHistories(Protocol):
    """Where histories are read."""

    async def of(self, tenant: str, conversation: str) -> History:
        """Return the history of a tenant's conversation, empty when there is none; raises TimeoutError."""
        ...


class Histories:
    """Reads histories. Each is a pass over one partition of `entries`, so few are read at once, and none for long."""

    def __init__(self, connection: Connection, seconds: float, at_once: int) -> None:
        self._connection, self._seconds = connection, seconds
        self._places = asyncio.Semaphore(at_once)

    async def of(self, tenant: str, conversation: str) -> History:
        """Return a history; see ReadsHistories."""
        async with asyncio.timeout(self._seconds), self._places:
            return await gathered(self._records(conversation), tenant, conversation)

    async def _records(self, conversation: str) -> AsyncIterator[Raw]:
        partition = partition_of(conversation, ENTRIES.partitions)
        async with reading(self._connection, [ENTRIES.name], doubles=True, only={partition}) as reader:
            async for raw in reader.to_the_end():
                yield raw


async def gathered(raws: AsyncIterator[Raw], tenant: str, conversation: str) -> History:
    """Return the lines of one conversation from all that lie in its partition; a later record replaces an earlier."""
    prefix, found = f"{conversation}/".encode(), dict[bytes, Raw]()
    async for raw in raws:
        if raw.key is None or not raw.key.startswith(prefix):
            continue
        found.pop(raw.key, None)
        if raw.value is not None:
            found[raw.key] = raw
    lines = (_line(raw) for raw in found.values())
    return sorted((line for line in lines if line and line.tenant == tenant), key=lambda line: line.number)


def department_of(history: History) -> str:
    """Return whose conversation it is now; a history that is not empty is expected."""
    says = [line for line in history if line.kind not in _BY_THEIR_OWN]
    return (says or history)[-1].department


_BY_THEIR_OWN = {EntryKind.REPLY}
"""Lines that keep the department that wrote them when they are written anew."""


def _line(raw: Raw) -> EntryRecorded | None:
    try:
        data = decode(raw.headers, raw.value).data
    except Unreadable:
        log.warning("entry_unreadable", topic=raw.topic, partition=raw.partition, offset=raw.offset)
        return None
    return data if isinstance(data, EntryRecorded) else None
