"""The same bus without a broker: transactions, fences, takeovers, and crashes where a test wants them.

    bus = MemoryBus(clock, metrics)
    router = bus.serve(handler, tables, group="router")
    await bus.publish([outgoing])
    await bus.settle()                      until nothing is unread, of any service
    await bus.tick(seconds=1)               the clock goes on, and every handler is told
    assert bus.events("entries") == ...
    router.crash(); router.start()          as another process would find it
    bus.faults.add("commit.after")          written, but nobody heard of it

All but the broker itself is the code that runs on Kafka; the contract suite (tests/runtime) runs on both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from schemas.cloudevents import CloudEvent, decode
from schemas.topics import topic_of
from services.runtime.bus.batches import Declared, Encoder
from services.runtime.bus.deadletters import MOST_IN_A_ROW, Brake
from services.runtime.bus.faults import Faults, FaultySeat
from services.runtime.bus.handler import Handler, Outgoing, Tables
from services.runtime.bus.memory_broker import MemoryBroker, MemorySeat
from services.runtime.bus.metrics import BusMetrics
from services.runtime.bus.number import Number, Pulse
from services.runtime.bus.ownership import Ownership, Surroundings
from services.runtime.bus.seat import GiveUp
from services.runtime.bus.transactional import Transactional
from services.runtime.bus.work import MakeWork
from services.runtime.process.clock import ManualClock


class Service:
    """A service on the memory bus: one process that owns every number."""

    def __init__(
        self, make: Callable[[int], Ownership], numbers: int, inputs: Sequence[str], *, told_the_time: bool
    ) -> None:
        self._make, self._numbers, self.told_the_time = make, numbers, told_the_time
        self.at_end = dict.fromkeys(inputs, True)
        """In memory nothing is under way: what was written was read."""
        self.owned: list[Ownership] = []

    def start(self) -> None:
        """Take every number."""
        self.owned = [self._make(number) for number in range(self._numbers)]
        for each in self.owned:
            each.own()

    def crash(self) -> None:
        """Be gone at once, as by SIGKILL: nothing in hand is finished."""
        for each in self.owned:
            each.leave()
        self.owned = []

    async def stop(self) -> None:
        """Finish what is in hand, and go."""
        await asyncio.gather(*(each.finish() for each in self.owned))
        self.owned = []

    async def deal(self) -> None:
        """Let the group be dealt anew, and everything stay where it is."""
        await asyncio.gather(*(each.hold() for each in self.owned))
        for each in self.owned:
            each.own()

    def pulse(self, pulse: Pulse) -> None:
        """Let a second have passed."""
        for each in self.owned:
            each.pulse(pulse)


class MemoryBus:
    """Services on a memory broker. Nothing here waits for real time."""

    def __init__(
        self,
        clock: ManualClock,
        metrics: BusMetrics,
        *,
        numbers: int = 12,
        declared: Declared = topic_of,
    ) -> None:
        self.broker, self.faults = MemoryBroker(clock), Faults()
        self.failures: list[str] = []
        """Why services gave up."""
        self._clock, self._metrics, self._numbers = clock, metrics, numbers
        self._encoder = Encoder(declared)
        self._services: list[Service] = []

    # --- services ---

    def serve(self, handler: Handler, tables: Tables, *, group: str, brake: int = MOST_IN_A_ROW) -> Service:
        """Start a handler, as the transactional loop does on Kafka."""

        def make(_number: int) -> Transactional:
            return Transactional(handler, self._clock, self._metrics, Brake(brake), lambda _number: [])

        return self._serve(make, handler.inputs, tables, group, told_the_time=True)

    def work(self, make: MakeWork, inputs: Sequence[str], tables: Tables, *, group: str) -> Service:
        """Start a work of another kind (the responder's rounds)."""
        return self._serve(make, inputs, tables, group, told_the_time=False)

    def _serve(
        self, make: MakeWork, inputs: Sequence[str], tables: Tables, group: str, *, told_the_time: bool
    ) -> Service:
        around = Surroundings(
            tables, self._clock, self._metrics, self.failures.append, encoder=self._encoder, sleep=_no_time
        )

        def own(number: int) -> Ownership:
            seat = MemorySeat(self.broker, group, inputs, number)
            owned = Ownership(number, FaultySeat(seat, self.faults), make(number), around)
            seat.hand = owned.hand
            return owned

        service = Service(own, self._numbers, inputs, told_the_time=told_the_time)
        self._services.append(service)
        service.start()
        return service

    # --- records in and out ---

    async def publish(self, outgoings: Sequence[Outgoing]) -> None:
        """Write, as producer.Producer does."""
        self.broker.append([self._encoder.line(outgoing) for outgoing in outgoings])

    def events(self, topic: str) -> list[CloudEvent]:
        """Return what is on a topic, partition by partition, in order."""
        return [decode(record.headers, record.value) for record in self.broker.topic(topic) if record.value is not None]

    # --- time ---

    async def settle(self, seconds: float = 10) -> None:
        """Return when everything written is handled and committed; fails when a service gave up."""
        async with asyncio.timeout(seconds):
            while not all(map(self._quiet, self._services)):
                self._complain()
                await asyncio.sleep(0)
        self._complain()

    async def tick(self, seconds: float = 1) -> None:
        """Let time pass, and tell every handler."""
        await self.settle()
        self._clock.advance(seconds)
        for service in self._services:
            service.pulse(Pulse(self._clock.now(), service.at_end))
        await self.settle()

    async def close(self) -> None:
        """Stop every service."""
        await asyncio.gather(*(service.stop() for service in self._services))

    def _complain(self) -> None:
        if self.failures:
            raise GiveUp("; ".join(self.failures))

    def _quiet(self, service: Service) -> bool:
        return all(self._idle(each.number, told=service.told_the_time) for each in service.owned)

    def _idle(self, number: Number | None, *, told: bool) -> bool:
        if number is None or (told and number.due):
            return False
        ends = {topic: len(self.broker.log((topic, number.index))) for topic in number.inputs}
        return number.committed == ends


async def _no_time(_seconds: float) -> None:
    await asyncio.sleep(0)
