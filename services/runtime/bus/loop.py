"""The loop of a service on Kafka: one reader for all numbers, a pulse a second, a watchdog over both, an end.

loop = transactional(plan, handler, clock, metrics, stop)      a handler's (the router)
loop = Loop(plan, make_work, clock, metrics, stop)             a work of another kind (the responder's rounds)
await loop.run()                                               until stopped; why it failed is in stop.failure
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from services.runtime.bus.admin import partition_counts
from services.runtime.bus.batches import Encoder
from services.runtime.bus.connection import Closing, closed, started
from services.runtime.bus.deadletters import Brake
from services.runtime.bus.group import Group
from services.runtime.bus.handler import Handler
from services.runtime.bus.kafka import Asker, KafkaSeat
from services.runtime.bus.metrics import BusMetrics
from services.runtime.bus.number import Pulse
from services.runtime.bus.ownership import Ownership, Surroundings
from services.runtime.bus.plan import Plan
from services.runtime.bus.seat import GiveUp, Seat
from services.runtime.bus.transactional import Transactional
from services.runtime.bus.watch import Watch
from services.runtime.bus.work import MakeWork
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.process.stop import Stop, Stopped, bounded

log = get_logger()

TURN, TURN_WHILE_FULL = 200, 20
"""Milliseconds that the reader waits for records; less while an input is paused and waits to be read again."""

Wrap = Callable[[Seat], Seat]
"""What a test puts round a seat."""


class Loop:
    """A service's work on all numbers that the group deals to this replica."""

    def __init__(
        self, plan: Plan, make: MakeWork, clock: Clock, metrics: BusMetrics, stop: Stop, wrap: Wrap = lambda seat: seat
    ) -> None:
        self._plan, self._make, self._clock, self._metrics, self._stop = plan, make, clock, metrics, stop
        self._wrap = wrap
        self._around = Surroundings(
            plan.tables, clock, metrics, stop.fail, plan.timing, Encoder(plan.declared), asyncio.sleep
        )
        self._closing = Closing()
        self._asker = Asker(plan)
        self._consumer = _consumer(plan)
        self._group = Group(self._consumer, plan.inputs, self._own, stop.fail, metrics)
        self._watch = Watch(plan.timing.watchdog, clock.monotonic())

    async def run(self) -> None:
        """Work until `stop`; works during the start too."""
        try:
            await self._stop.unless(self._begin())
            await self._until_stopped()
        except Stopped:
            log.info("stopped_while_starting")
        except GiveUp as failure:
            self._stop.fail(str(failure))
        finally:
            await self._end()

    def unready(self) -> str | None:
        """Say why this replica does not work yet; None when it does, be it on nothing."""
        if not self._group.joined:
            return "not dealt in by the group yet"
        beginning = self._group.beginning()
        return f"numbers still beginning: {beginning}" if beginning else None

    # --- beginning and end ---

    async def _begin(self) -> None:
        self._plan.check(await self._reached())
        await self._asker.start()
        self._consumer.subscribe(list(self._plan.inputs), listener=self._group)
        await started(self._consumer)
        log.info("loop_began", group=self._plan.group)

    async def _reached(self) -> dict[str, int]:
        """Return what topics there are, as soon as a broker answers."""
        until = self._clock.monotonic() + self._plan.timing.patience
        while self._clock.monotonic() < until:
            try:
                return await partition_counts(self._plan.connection)
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning("broker_not_reached", error=type(error).__name__)
                await asyncio.sleep(1)
        raise GiveUp(f"no broker within {self._plan.timing.patience:.0f} s")

    async def _until_stopped(self) -> None:
        tasks = [asyncio.create_task(self._read(), name="reader"), asyncio.create_task(self._pulses(), name="pulse")]
        for task in tasks:
            task.add_done_callback(self._ended)
        await self._stop.wait()
        await self._group.finish()
        tasks[1].cancel()
        await asyncio.wait(tasks, timeout=2 * self._plan.timing.ask)  # a getmany is never cancelled while it works

    async def _end(self) -> None:
        await bounded("numbers", self._group.finish(), self._plan.timing.finish)
        await asyncio.gather(closed(self._consumer), self._asker.close())
        await self._closing.wait()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            self._stop.fail(f"the {task.get_name()} died: {type(task.exception()).__name__}")

    def _own(self, number: int) -> Ownership:
        seat = KafkaSeat(self._plan, number, self._consumer, self._asker, self._closing)
        return Ownership(number, self._wrap(seat), self._make(number), self._around)

    # --- the reader: one getmany for all, handed over without an await, so that no batch is ever stale ---

    async def _read(self) -> None:
        while not self._stop.wanted:
            self._watch.turned(self._clock.monotonic())
            wait = TURN_WHILE_FULL if self._group.relieve() else TURN
            try:
                got = await self._consumer.getmany(timeout_ms=wait)
            except KafkaError as error:
                await self._stumble(error)
            else:
                for place, records in got.items():
                    self._group.hand(place, records)

    async def _stumble(self, error: KafkaError) -> None:
        if isinstance(error, OffsetOutOfRangeError):
            self._stop.fail(f"records that were to be read next are gone from the log: {error.args[0]}")
        elif not error.retriable:
            self._stop.fail(f"the reader cannot go on: {type(error).__name__}")
        else:
            log.warning("reader_stumbled", error=type(error).__name__)
            await asyncio.sleep(TURN / 1000)

    # --- the pulse: the time, and only then what is read to its end ---

    async def _pulses(self) -> None:
        while True:
            began = self._clock.monotonic()
            await self._pulse()
            await self._judge(began)
            await asyncio.sleep(max(0.1, 1 - (self._clock.monotonic() - began)))

    async def _pulse(self) -> None:
        noted = self._clock.now()
        places = [TopicPartition(t, n) for n in self._group.owned for t in self._plan.inputs]
        try:
            ends = await self._asker.ends(places)
            positions = {place: await self._consumer.position(place) for place in places}
            at_end = {place: positions[place] >= ends[place] for place in places}
            self._watch.looked(positions, at_end, self._consumer.paused(), self._clock.monotonic())
        except (KafkaError, TimeoutError, OSError) as error:
            log.warning("ends_unknown", error=type(error).__name__)
            ends, at_end = {}, {}
        self._group.pulse({n: Pulse(noted, _of(n, at_end)) for n in self._group.owned})
        self._measure(ends)

    async def _judge(self, now: float) -> None:
        """End the process when the reader hangs; where an open transaction is in the way, ending helps nobody."""
        if silence := self._watch.silence(now):
            self._stop.fail(f"the reader has not come back for {silence:.0f} s")
        for place in self._watch.standing(now):
            if await self._consumer.position(place) < (await self._asker.stable_ends([place]))[place]:
                self._stop.fail(f"{place.topic}/{place.partition} holds more and is not read")
            else:
                log.error("open_transaction_blocks_reading", topic=place.topic, partition=place.partition)

    def _measure(self, ends: Mapping[TopicPartition, int]) -> None:
        now = self._clock.now()
        for topic in self._plan.inputs:
            lags = [owned.lag(topic, ends[place], now) for place, owned in self._numbers(topic) if place in ends]
            self._metrics.lag(topic, sum(lag.records for lag in lags), max((lag.seconds for lag in lags), default=0.0))

    def _numbers(self, topic: str) -> list[tuple[TopicPartition, Ownership]]:
        return [(TopicPartition(topic, number), owned) for number, owned in self._group.owned.items()]


def transactional(
    plan: Plan, handler: Handler, clock: Clock, metrics: BusMetrics, stop: Stop, wrap: Wrap = lambda seat: seat
) -> Loop:
    """Return the loop of a handler: what the router's __main__ runs. Too many dead letters stop it, whole."""
    brake = Brake()

    def make(_number: int) -> Transactional:
        return Transactional(handler, clock, metrics, brake, plan.signs)

    return Loop(plan, make, clock, metrics, stop, wrap)


def _of(number: int, at_end: Mapping[TopicPartition, bool]) -> dict[str, bool]:
    return {place.topic: ended for place, ended in at_end.items() if place.partition == number}


def _consumer(plan: Plan) -> AIOKafkaConsumer:
    """Return the group's consumer. Its name for life makes a SIGKILL cost 0.2 to 0.6 s instead of 8 to 50."""
    return AIOKafkaConsumer(
        **plan.connection,
        group_id=plan.group,
        group_instance_id=f"{plan.service}-{plan.instance}",
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=int(plan.timing.session * 1000),
        heartbeat_interval_ms=int(plan.timing.heartbeat * 1000),
        auto_offset_reset="none",
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=2 * 2**20,
    )
