"""Starting over: a group that reads its topics again from their beginning, and a changelog in which nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from services.runtime.bus.admin import group_members
from services.runtime.bus.connection import Connection, closed, started
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import GiveUp
from services.runtime.process.log import get_logger

ASK = 10.0
PAUSE = 0.5
log = get_logger()


async def group_gone(connection: Connection, group: str, seconds: float) -> None:
    """Return when a group has no members; raises GiveUp when it still has some after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            if members := await group_members(connection, group):
                log.info("group_still_has_members", group=group, count=members, wait_seconds=seconds)
            while await group_members(connection, group):  # noqa: ASYNC110 - Kafka tells nobody; one has to ask
                await asyncio.sleep(PAUSE)
    except TimeoutError:
        raise GiveUp(f"group {group} still has members: stop them first") from None


async def rewound(connection: Connection, group: str, topics: Sequence[str]) -> None:
    """Have a group without members read topics again from the first record; raises GiveUp when it is not let."""
    async with reading(connection, topics) as reader:
        places = [TopicPartition(*place) for place in await reader.positions()]
    consumer = AIOKafkaConsumer(**connection, group_id=group, enable_auto_commit=False)
    await started(consumer)
    try:
        consumer.assign(places)
        async with asyncio.timeout(ASK):
            await consumer.commit(await consumer.beginning_offsets(places))
    except (TimeoutError, KafkaError) as error:
        raise GiveUp(f"group {group} could not be set back: {type(error).__name__}") from error
    finally:
        await closed(consumer)


async def emptied(connection: Connection, topic: str) -> int:
    """Write a tombstone for every row that a compacted topic still holds; returns how many there were."""
    rows: set[tuple[int, bytes]] = set()
    async with reading(connection, [topic], doubles=True) as reader:
        async for raw in reader.to_the_end():
            place = raw.partition, raw.key or b""
            (rows.discard if raw.value is None else rows.add)(place)
    await _buried(connection, topic, sorted(rows))
    return len(rows)


async def _buried(connection: Connection, topic: str, rows: Sequence[tuple[int, bytes]]) -> None:
    producer = AIOKafkaProducer(**connection, enable_idempotence=True)
    await started(producer)
    try:
        sent = [await producer.send(topic, None, key, partition) for partition, key in rows]
        await asyncio.gather(*sent)
    finally:
        await closed(producer)
