"""Reading topics without a group: for the operator's command line, histories, the story, tests.

async with reading(connection, ["entries"], Start.BEGINNING) as reader:
async for record in reader.to_the_end(): ...
async for record in reader.follow(): ...            endless
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.runtime.bus.admin import partition_counts
from services.runtime.bus.connection import Connection, closed, started
from services.runtime.bus.seat import GiveUp, Raw

KNOWN = 100_000
"""Ids that a reader remembers, to drop what it has seen."""
ASK = 10.0
WAIT_MS = 200
ALL = range(2**31)
"""Every partition."""

Place = tuple[str, int]


class Start(StrEnum):
    """Where reading begins."""

    BEGINNING = "beginning"
    NOW = "now"


class Known:
    """The events that were seen lately; the oldest are forgotten."""

    def __init__(self, limit: int = KNOWN) -> None:
        self._limit = limit
        self._seen: OrderedDict[tuple[str, bytes, bytes], None] = OrderedDict()

    def fresh(self, record: Raw) -> bool:
        """Say whether this event was not seen before. A record that is no event always is fresh."""
        attributes = dict(record.headers)
        if "ce_id" not in attributes:
            return True
        identity = (record.topic, attributes.get("ce_source", b""), attributes["ce_id"])
        if identity in self._seen:
            return False
        self._seen[identity] = None
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return True


class Reader:
    """Reads what is committed. An event that lies there twice is given once, unless doubles are what is looked for."""

    def __init__(self, consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], *, doubles: bool = False) -> None:
        self._consumer, self._places, self._known = consumer, list(places), Known()
        self._doubles = doubles

    async def to_the_end(self) -> AsyncIterator[Raw]:
        """Return everything up to where the topics end now."""
        ends = await self._ends()
        while behind := [place for place in self._places if await self._consumer.position(place) < ends[place]]:
            for record in await self._fetched(behind):
                yield record

    async def follow(self) -> AsyncIterator[Raw]:
        """Return everything, and wait for more; it never ends by itself."""
        while True:
            for record in await self._fetched(self._places):
                yield record

    async def seek(self, offsets: Mapping[Place, int]) -> None:
        """Go on from these offsets."""
        for (topic, partition), offset in offsets.items():
            self._consumer.seek(TopicPartition(topic, partition), offset)

    async def ends(self) -> dict[Place, int]:
        """Return up to where each partition is committed."""
        return {(place.topic, place.partition): end for place, end in (await self._ends()).items()}

    async def positions(self) -> dict[Place, int]:
        """Return the next offset of each partition."""
        return {(each.topic, each.partition): await self._consumer.position(each) for each in self._places}

    async def _ends(self) -> dict[TopicPartition, int]:
        async with asyncio.timeout(ASK):
            return dict(await self._consumer.end_offsets(self._places))

    async def _fetched(self, places: Sequence[TopicPartition]) -> list[Raw]:
        got = await self._consumer.getmany(*places, timeout_ms=WAIT_MS)
        return [record for records in got.values() for record in records if self._doubles or self._known.fresh(record)]


@asynccontextmanager
async def reading(
    connection: Connection,
    topics: Sequence[str],
    start: Start = Start.BEGINNING,
    *,
    doubles: bool = False,
    only: Container[int] = ALL,
) -> AsyncIterator[Reader]:
    """Read topics, all their partitions or only these, with or without doubles; raises GiveUp when one is missing."""
    places = [place for place in await _places(connection, topics) if place.partition in only]
    consumer = AIOKafkaConsumer(
        **connection, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await started(consumer)
    try:
        consumer.assign(places)
        await _seek(consumer, places, start)
        yield Reader(consumer, places, doubles=doubles)
    finally:
        await closed(consumer)


async def group_lag(connection: Connection, group: str, topics: Sequence[str]) -> dict[Place, int]:
    """Return how many records of each partition a group has not committed yet (markers of transactions count)."""
    places = await _places(connection, topics)
    consumer = AIOKafkaConsumer(**connection, group_id=group, enable_auto_commit=False)
    await started(consumer)
    try:
        async with asyncio.timeout(ASK):
            ends, firsts = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
            committed = {place: await consumer.committed(place) for place in places}
    finally:
        await closed(consumer)
    done = {place: firsts[place] if committed[place] is None else committed[place] for place in places}
    return {(place.topic, place.partition): ends[place] - done[place] for place in places}


async def group_offsets(connection: Connection, group: str, topics: Sequence[str]) -> dict[Place, int]:
    """Return up to where a group has committed each partition; what it never committed is left out."""
    places = await _places(connection, topics)
    consumer = AIOKafkaConsumer(**connection, group_id=group, enable_auto_commit=False)
    await started(consumer)
    try:
        async with asyncio.timeout(ASK):
            committed = {place: await consumer.committed(place) for place in places}
    finally:
        await closed(consumer)
    return {(place.topic, place.partition): offset for place, offset in committed.items() if offset is not None}


async def _places(connection: Connection, topics: Sequence[str]) -> list[TopicPartition]:
    counts = await partition_counts(connection)
    missing = [topic for topic in topics if topic not in counts]
    if missing:
        raise GiveUp(f"no such topic: {', '.join(missing)}")
    return [TopicPartition(topic, partition) for topic in topics for partition in range(counts[topic])]


async def _seek(consumer: AIOKafkaConsumer, places: Sequence[TopicPartition], start: Start) -> None:
    async with asyncio.timeout(ASK):
        asked = consumer.beginning_offsets if start is Start.BEGINNING else consumer.end_offsets
        for place, offset in (await asked(places)).items():
            consumer.seek(place, offset)
