"""A number's seat on Kafka: one transactional producer, whose start fences whoever had the seat before.

No transaction of ours is ever aborted but to heal (see `heal`): the next producer's start does it, and an abort can
hang. Aiokafka speaks version 0 of the requests, which carries no generation of the group: the fence is the only
test of ownership (facts: KIP-447).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalStateError, OffsetOutOfRangeError
from aiokafka.producer import sender

from services.runtime.bus.batches import MAX_BATCH, by_partition, cut
from services.runtime.bus.connection import Closing, closed, heard, started
from services.runtime.bus.plan import Plan
from services.runtime.bus.seat import BeginAnew, Line, Raw
from services.runtime.process import crash

sender.BACKOFF_OVERRIDE = 0.005
"""Seconds that aiokafka waits when the former transaction's markers are still under way. Its own 20 ms were measured
to cost a third of the latency at 200 messages a second (p50 30 ms, with this 18)."""


class Asker:
    """Asks what logs hold: their first offset, their end, and the end of what is committed in them."""

    def __init__(self, plan: Plan) -> None:
        self._seconds = plan.timing.ask
        self._all = AIOKafkaConsumer(**plan.connection, isolation_level="read_uncommitted", enable_auto_commit=False)
        self._committed = AIOKafkaConsumer(
            **plan.connection, isolation_level="read_committed", enable_auto_commit=False
        )

    async def start(self) -> None:
        """Connect."""
        await started(self._all)
        await started(self._committed)

    async def close(self) -> None:
        """Let go."""
        await asyncio.gather(closed(self._all), closed(self._committed))

    async def firsts(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the first offset of each that still exists."""
        async with asyncio.timeout(self._seconds):
            return dict(await self._all.beginning_offsets(list(places)))

    async def ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset after the last of each: its high watermark."""
        async with asyncio.timeout(self._seconds):
            return dict(await self._all.end_offsets(list(places)))

    async def stable_ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offset up to which no transaction is open."""
        async with asyncio.timeout(self._seconds):
            return dict(await self._committed.end_offsets(list(places)))


class KafkaSeat:
    """seat.Seat on Kafka, for one number. `consumer` is the group's, shared by all numbers."""

    def __init__(self, plan: Plan, number: int, consumer: AIOKafkaConsumer, asker: Asker, closing: Closing) -> None:
        self._plan, self._number, self._consumer, self._asker, self._closing = plan, number, consumer, asker, closing
        self._inputs = [TopicPartition(topic, number) for topic in plan.inputs]
        self._producer: AIOKafkaProducer | None = None
        self._finder: AIOKafkaConsumer | None = None

    async def fence(self) -> None:
        """Start our producer: the broker ends what the former one had open."""
        producer = AIOKafkaProducer(
            **self._plan.connection,
            transactional_id=f"{self._plan.service}.{self._number}",
            transaction_timeout_ms=int(self._plan.timing.transaction * 1000),
            max_batch_size=MAX_BATCH,
            compression_type="lz4",
        )
        self._producer = producer
        async with asyncio.timeout(self._plan.timing.begin):
            crash.here("bus.before_fence")
            await producer.start()
            crash.here("bus.after_fence")

    async def committed(self) -> dict[str, int]:
        """Return the group's offsets of our inputs."""
        async with asyncio.timeout(self._plan.timing.begin):
            found = {place.topic: await self._consumer.committed(place) for place in self._inputs}
        return {topic: offset for topic, offset in found.items() if offset is not None}

    async def ranges(self) -> dict[str, tuple[int, int]]:
        """Return what our inputs hold."""
        firsts, ends = await asyncio.gather(self._asker.firsts(self._inputs), self._asker.ends(self._inputs))
        return {place.topic: (firsts[place], ends[place]) for place in self._inputs}

    async def torn(self, changelog: str) -> bool:
        """Say whether the changelog's high watermark is past its last stable offset, right after the fence."""
        place = TopicPartition(changelog, self._number)
        ends, stable = await asyncio.gather(self._asker.ends([place]), self._asker.stable_ends([place]))
        return ends[place] > stable[place]

    async def hanging(self, changelog: str) -> AsyncIterator[Sequence[Raw]]:
        """Read what lies between the last stable offset and the end."""
        place = TopicPartition(changelog, self._number)
        stable, ends = await asyncio.gather(self._asker.stable_ends([place]), self._asker.ends([place]))
        async with self._reading(place, stable[place], isolation_level="read_uncommitted") as consumer:
            while await consumer.position(place) < ends[place]:
                yield await self._more(consumer, place)

    async def heal(self, offsets: Mapping[str, int]) -> None:
        """Abort a transaction of our own that touches every place: its markers void what hangs there.

        A broker that was killed can complete a commit without writing its markers (Kafka 4.3.1 and 4.4.0).
        """
        producer = self._producing()
        async with asyncio.timeout(self._plan.timing.begin):
            await producer.begin_transaction()
            await _written(producer, [Line(t, p, b"void", None, []) for t, p in self._plan.may_write(self._number)])
            if offsets:
                await producer.send_offsets_to_transaction(self._placed(offsets), self._plan.group)
            await producer.abort_transaction()

    async def changelog(self, topic: str) -> AsyncIterator[Sequence[Raw]]:
        """Read our partition of a changelog from its first offset to its end."""
        place = TopicPartition(topic, self._number)
        firsts, ends = await asyncio.gather(self._asker.firsts([place]), self._asker.ends([place]))
        async with self._reading(place, firsts[place]) as consumer:
            while await consumer.position(place) < ends[place]:
                yield await self._more(consumer, place)

    async def commit(self, lines: Sequence[Line], offsets: Mapping[str, int]) -> None:
        """Write lines, then offsets, in one transaction (beside each other the broker was seen to stumble)."""
        producer = self._producing()
        async with asyncio.timeout(self._plan.timing.commit):
            crash.here("bus.before_commit")
            await producer.begin_transaction()
            await _written(producer, lines)
            crash.here("bus.after_lines")
            await producer.send_offsets_to_transaction(self._placed(offsets), self._plan.group)
            crash.here("bus.after_offsets")
            await producer.commit_transaction()
            crash.here("bus.after_commit")

    async def find(self, topic: str, offset: int) -> Raw | None:
        """Read one record again, with a consumer that is kept at hand for the next one."""
        place = TopicPartition(topic, self._number)
        async with asyncio.timeout(self._plan.timing.begin):
            consumer = await self._finding(place)
            consumer.seek(place, offset)
            try:
                record: Raw = await consumer.getone(place)
            except OffsetOutOfRangeError:
                return None
        crash.here("bus.after_find")
        return record if record.offset == offset else None

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Have the group's consumer go on from here."""
        for topic, offset in offsets.items():
            self._consumer.seek(TopicPartition(topic, self._number), offset)
        self._consumer.resume(*(TopicPartition(topic, self._number) for topic in offsets))

    def leave(self) -> None:
        """Close in the background what this life used, and have nothing read that nobody takes."""
        for client in (self._producer, self._finder):
            if client:
                self._closing.begin(closed(client))
        self._producer = self._finder = None
        try:
            self._consumer.pause(*self._inputs)
        except IllegalStateError:  # another's already
            return

    def _producing(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise BeginAnew("no fence, no writing")
        return self._producer

    def _placed(self, offsets: Mapping[str, int]) -> dict[TopicPartition, int]:
        return {TopicPartition(topic, self._number): offset for topic, offset in offsets.items()}

    async def _finding(self, place: TopicPartition) -> AIOKafkaConsumer:
        if self._finder is None:
            finder = _reader(self._plan, max_partition_fetch_bytes=128 * 1024)
            await started(finder)
            finder.assign([place])
            self._finder = finder
        return self._finder

    @asynccontextmanager
    async def _reading(self, place: TopicPartition, first: int, **settings: str) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = _reader(self._plan, max_partition_fetch_bytes=4 * 2**20, **settings)
        await started(consumer)
        try:
            consumer.assign([place])
            consumer.seek(place, first)
            yield consumer
        finally:
            self._closing.begin(closed(consumer))

    async def _more(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> Sequence[Raw]:
        before = await consumer.position(place)
        async with asyncio.timeout(self._plan.timing.begin):
            while await consumer.position(place) == before:
                got = await consumer.getmany(place, timeout_ms=200)
                if got:
                    return list(got[place])
        return []


def _asking(plan: Plan, isolation_level: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(**plan.connection, isolation_level=isolation_level, enable_auto_commit=False)


def _reader(plan: Plan, **settings: Any) -> AIOKafkaConsumer:  # noqa: ANN401
    """Return a consumer that reads what it is assigned, and belongs to no group."""
    reading = {"isolation_level": "read_committed", "auto_offset_reset": "none", "enable_auto_commit": False}
    return AIOKafkaConsumer(**plan.connection, fetch_max_wait_ms=100, **(reading | settings))


async def _written(producer: AIOKafkaProducer, lines: Sequence[Line]) -> None:
    """Send lines in batches of our own, and return when the broker has them all."""
    sends = [_sent(producer, place, each) for place, each in by_partition(lines)]
    futures = [future for sent in await asyncio.gather(*sends) for future in sent]
    await asyncio.gather(*futures)


async def _sent(producer: AIOKafkaProducer, place: tuple[str, int], lines: Sequence[Line]) -> list[asyncio.Future[Any]]:
    topic, partition = place
    futures: list[asyncio.Future[Any]] = []
    for each in cut(lines):
        future = await producer.send_batch(_filled(producer, each), topic, partition=partition)
        future.add_done_callback(heard)
        futures.append(future)
    return futures


def _filled(producer: AIOKafkaProducer, lines: Sequence[Line]) -> Any:  # noqa: ANN401 - aiokafka's BatchBuilder
    batch = producer.create_batch()
    for line in lines:
        if batch.append(timestamp=None, key=line.key, value=line.value, headers=line.headers) is None:
            raise BeginAnew("a batch was cut too large")
    batch.close()
    return batch
