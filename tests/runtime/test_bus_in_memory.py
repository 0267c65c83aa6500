"""The bus without a broker keeps the contract; the flow tests lean on it."""

from collections.abc import AsyncIterator, Sequence

import pytest

from schemas.cloudevents import CloudEvent
from services.runtime.bus.batches import Encoder
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.memory import MemoryBus, Service
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.seat import GiveUp, Line
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics
from tests.runtime.contract import Contract
from tests.runtime.sample import NUMBERS, THEN, Counting, Names


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
