"""The bus on a real Kafka, for the contract: loops in this process, which crash as far as a process can by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import cast

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from schemas.cloudevents import CloudEvent, decode
from services.runtime.bus.admin import make_topics
from services.runtime.bus.batches import Encoder
from services.runtime.bus.connection import plain
from services.runtime.bus.faults import Faults, FaultySeat
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.loop import Loop, transactional
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.ownership import Timing
from services.runtime.bus.plan import Plan
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Line
from services.runtime.bus.transactional import Transactional
from services.runtime.process.clock import SystemClock
from services.runtime.process.metrics import Metrics
from services.runtime.process.stop import Stop
from tests.runtime.sample import WATCH, Counting, Names, message, outgoing

# A number begins again at once: in these tests nobody else fences it.
TIMING = Timing(pause=0.1, session=6.0, heartbeat=0.5)


class KafkaRig:
    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.names, self.faults = Names(prefix), Faults()
        self.connection = plain(bootstrap)
        self.encoder = Encoder(self.names.declared)
        self.producer = Producer(self.connection, self.encoder, wait=20)
        self.metrics = Metrics()
        self.loops: list[tuple[Loop, Stop, asyncio.Task[None]]] = []

    async def start(self) -> None:
        await make_topics(self.connection, self.names.all)
        await self.producer.start()

    async def close(self) -> None:
        for _, stop, task in self.loops:
            stop.now()
            await task
        await self.producer.stop()

    # --- the service ---

    def plan(self, instance: str = "0", timing: Timing = TIMING) -> Plan:
        names, handler = self.names, Counting(self.names)
        service = f"{names.prefix}router"
        return Plan(
            service, instance, self.connection, names.inputs, handler.tables, names.outputs, timing, names.declared
        )

    async def serve(self, instance: str = "0", timing: Timing = TIMING) -> None:
        stop = Stop()
        metrics = ServiceMetrics(self.metrics, "router")
        wrap = lambda seat: FaultySeat(seat, self.faults)  # noqa: E731
        loop = transactional(self.plan(instance, timing), Counting(self.names), SystemClock(), metrics, stop, wrap)
        self.loops.append((loop, stop, asyncio.create_task(loop.run())))

    async def crash(self) -> None:
        """Let go of everything at once. What a SIGKILL does is tried with processes, in test_bus_faults.py."""
        loop, stop, task = self.loops.pop()
        for owned in loop._group.owned.values():
            owned.leave()
        loop._group.owned = {}
        stop.now()
        await task

    async def deal(self) -> None:
        """Have everyone join again, as when a replica comes or goes."""
        loop, _, _ = self.loops[0]
        await until(lambda: loop._group.joined)
        generation = loop._consumer._coordinator.generation
        loop._consumer._coordinator.request_rejoin()
        await until(lambda: loop._consumer._coordinator.generation > generation and loop._group.joined)

    async def gave_up(self) -> str:
        _, stop, _ = self.loops[0]
        async with asyncio.timeout(20):
            await stop.wait()
        return stop.failure or ""

    # --- records in and out ---

    async def write(self, lines: Sequence[Line]) -> None:
        assert self.producer._producer
        await self.producer._written(self.producer._producer, lines)

    async def publish(self, outgoings: Sequence[Outgoing]) -> None:
        await self.producer.publish(outgoings)

    async def settle(self) -> None:
        await until(self._settled, failed=self._failed)

    async def _settled(self) -> bool:
        return all([await _idle(loop, self.names.inputs) for loop, _, _ in self.loops])

    def _failed(self) -> str | None:
        return next((stop.failure for _, stop, _ in self.loops if stop.failure), None)

    async def watch_passes(self) -> None:
        called = SystemClock().now()
        await until(lambda: all(_told(loop, called + WATCH) for loop, _, _ in self.loops))

    async def events(self, topic: str) -> list[CloudEvent]:
        async with reading(self.connection, [topic], doubles=True) as reader:
            return [decode(record.headers, record.value) async for record in reader.to_the_end()]


async def until(
    condition: Callable[[], Awaitable[bool] | bool],
    seconds: float = 30,
    failed: Callable[[], str | None] = lambda: None,
) -> None:
    """Wait for a condition, and fail at once when it can come no more."""
    async with asyncio.timeout(seconds):
        while not await _true(condition):
            why = failed()
            assert why is None, why
            await asyncio.sleep(0.05)


def _told(loop: Loop, moment: datetime) -> bool:
    """Whether every number was told of a time after this, and what followed from it is committed."""
    owned = loop._group.owned.values()
    return not loop.unready() and all(
        each.number
        and each.number._pulse.noted > moment
        and not each.number.due
        and not cast("Transactional", each._work)._in_hand.locked()
        for each in owned
    )


async def _idle(loop: Loop, inputs: Sequence[str]) -> bool:
    """Whether everything is read to its end, and committed."""
    if loop.unready():
        return False
    places = [TopicPartition(topic, number) for number in loop._group.owned for topic in inputs]
    ends = await loop._asker.ends(places)
    if not all([await loop._consumer.position(place) >= ends[place] for place in places]) or loop.unready():
        return False
    numbers = [owned.number for owned in loop._group.owned.values()]
    return all(number and not number.unread and number.taken == number.committed for number in numbers)


async def _true(condition: Callable[[], Awaitable[bool] | bool]) -> bool:
    answer = condition()
    return answer if isinstance(answer, bool) else await answer


@asynccontextmanager
async def admin(rig: KafkaRig) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**rig.connection)
    await client.start()
    yield client
    await client.close()


def home(rig: KafkaRig) -> int:
    """The number that owns the sample's municipality."""
    return rig.encoder.line(outgoing(rig.names.inbound, message("0"), "0")).partition


def looped(rig: KafkaRig, *more_outputs: str) -> tuple[Loop, Stop]:
    stop, plan = Stop(), rig.plan()
    plan = replace(plan, outputs=(*plan.outputs, *more_outputs))
    return transactional(plan, Counting(rig.names), SystemClock(), ServiceMetrics(Metrics(), "router"), stop), stop
