"""The bus without a broker keeps the contract; the flow tests lean on it."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from schemas.cloudevents import CloudEvent
from services.runtime.bus.batches import Encoder
from services.runtime.bus.faults import Crash
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.memory import MemoryBus, Service
from services.runtime.bus.memory_broker import MemoryBroker, MemorySeat
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.number import Number
from services.runtime.bus.seat import BeginAnew, GiveUp, Line
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics
from tests.runtime.contract import Contract, receive, routed
from tests.runtime.sample import NUMBERS, THEN, Counting, Names, message

DAY = 86_400


class MemoryRig:
    def __init__(self) -> None:
        self.names = Names()
        metrics = ServiceMetrics(Metrics(), "router")
        self.bus = MemoryBus(ManualClock(THEN), metrics, numbers=NUMBERS, declared=self.names.declared)
        self.faults, self.encoder = self.bus.faults, Encoder(self.names.declared)
        self.service: Service | None = None

    async def serve(self) -> None:
        if self.service:
            self.service.start()
        else:
            handler = Counting(self.names)
            self.service = self.bus.serve(handler, handler.tables, group="router")

    async def write(self, lines: Sequence[Line]) -> None:
        self.bus.broker.append(lines)

    async def publish(self, outgoings: Sequence[Outgoing]) -> None:
        await self.bus.publish(outgoings)

    async def settle(self) -> None:
        await self.bus.settle()

    async def crash(self) -> None:
        assert self.service
        self.service.crash()

    async def deal(self) -> None:
        assert self.service
        await self.service.deal()

    async def watch_passes(self) -> None:
        await self.bus.tick(1)

    async def gave_up(self) -> str:
        with pytest.raises(GiveUp) as failure:
            await self.bus.settle()
        return str(failure.value)

    async def events(self, topic: str) -> list[CloudEvent]:
        return self.bus.events(topic)


@pytest.fixture
async def rig() -> AsyncIterator[MemoryRig]:
    made = MemoryRig()
    yield made
    await made.bus.close()


class TestInMemory(Contract):
    """All of it."""


async def test_an_id_is_known_for_nine_days_and_then_forgotten(rig: MemoryRig) -> None:
    await rig.serve()
    await receive(rig, message("0"))
    await rig.bus.tick(8 * DAY)
    await receive(rig, message("0"))
    await rig.settle()
    assert await routed(rig) == [(1, "0")]
    await rig.bus.tick(2 * DAY)
    await receive(rig, message("0"))
    await rig.settle()
    assert await routed(rig) == [(1, "0"), (2, "0")]


async def test_whoever_was_fenced_writes_nothing_more() -> None:
    broker = MemoryBroker(ManualClock(THEN))
    first, second = (MemorySeat(broker, "router", ("inbound",), 0) for _ in range(2))
    await first.fence()
    await second.fence()
    with pytest.raises(BeginAnew):
        await first.commit([Line("facts", 0, b"k", b"v", [])], {"inbound": 1})
    assert (broker.topic("facts"), await second.committed()) == ([], {})


async def test_a_life_that_is_over_writes_nothing_more(rig: MemoryRig) -> None:
    await rig.serve()
    await rig.settle()
    assert rig.service
    ended = rig.service.owned[0].number
    assert ended
    rig.faults.add("commit.after")
    with pytest.raises(Crash):
        await ended.commit([], {})
    with pytest.raises(BeginAnew):
        await ended.commit([], {})


async def test_another_kind_of_work_has_the_same_lives(rig: MemoryRig) -> None:
    """The responder's way: it takes what is there, in rounds of its own, and commits what it took."""
    lives: list[int] = []

    class Rounds:
        async def run(self, number: Number) -> None:
            lives.append(number.index)
            while True:
                await number.stirred()
                words = [record.key for one in number.inputs.values() for record in one.take(100)]
                lines = [Line(rig.names.facts, 0, word, b"", []) for word in words if word]
                await number.commit_lines(lines, number.taken)

        async def hold(self) -> None:
            return

        async def finish(self) -> None:
            return

    tables = Counting(rig.names).tables
    rig.bus.work(lambda _number: Rounds(), (rig.names.inbound,), tables, group="responder")
    rig.faults.add("commit.before")
    await receive(rig, *[message(f"{n}") for n in range(15)])
    await rig.settle()
    assert sorted(record.key or b"" for record in rig.bus.broker.topic(rig.names.facts)) == sorted(
        str(n).encode() for n in range(15)
    )
    assert len(lives) == NUMBERS + 1


async def test_a_number_whose_task_is_cancelled_ends(rig: MemoryRig) -> None:
    """As asyncio does with all tasks when the process's main one ends; a life that only failed begins anew."""
    await rig.serve()
    await rig.settle()
    assert rig.service
    task = rig.service.owned[0]._task
    task.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({task})
    assert rig.bus.failures == []
