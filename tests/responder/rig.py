"""The responder on the bus in memory, with a channel of paper: what a test of rounds is made of."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from schemas.cloudevents import CloudEvent, source_of
from schemas.events import (
    Event,
    Outcome,
    Reason,
    RecordSetAside,
    SendCancelled,
    SendRequested,
    Via,
)
from schemas.parts import Address, AddressKind, Text
from schemas.topics import Topic, topic_of
from services.channels import base
from services.channels.base import Endpoint, Http, HttpResponse, Item, Limits, Outbound, Request, SendError, Sent
from services.responder.gate import Policy
from services.responder.inboxes import Inboxes, Outlet
from services.responder.intake import INPUTS
from services.responder.rounds import Rounds, Surroundings
from services.responder.rows import TABLES
from services.responder.watch import Watch
from services.runtime.bus.deadletters import Brake
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.memory import MemoryBus, Service
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.seat import Line
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics

MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC)
OIN = "00000001234567890000"
INBOX = "meldingen"

Answer = Callable[[Outbound], Sent | SendError]


def goes(outbound: Outbound) -> Sent:
    return Sent((f"x-{outbound.our_id}",))


class Paper:
    """A channel that writes down what it is asked to send. It answers after `steps` turns of the event loop."""

    name: ClassVar[str] = "paper"
    providers: ClassVar[tuple[str, ...]] = ("own",)
    limits: ClassVar[Limits] = Limits(max_text=40, deadline=10.0)

    def __init__(self) -> None:
        self.asked: list[Outbound] = []
        self.answers: list[Answer] = []
        self.answer: Answer = goes
        self.steps = 2
        self.stuck = asyncio.Event()
        self.stuck.set()

    @property
    def calls(self) -> Counter[str]:
        return Counter(outbound.our_id for outbound in self.asked)

    def verify(self, request: Request, endpoint: Endpoint) -> None:
        raise NotImplementedError

    def parse(self, request: Request, endpoint: Endpoint) -> list[Item]:
        raise NotImplementedError

    async def send(self, outbound: Outbound, http: Http) -> Sent:
        self.asked.append(outbound)
        for _ in range(self.steps):
            await asyncio.sleep(0)
        await self.stuck.wait()
        answer = (self.answers.pop(0) if self.answers else self.answer)(outbound)
        if isinstance(answer, SendError):
            raise answer
        return answer


class NoNetwork:
    async def request(self, *_args: object, **_kwargs: object) -> HttpResponse:
        raise NotImplementedError


class Rig:
    """One number, worked by one process after another."""

    def __init__(self, policy: Policy | None = None, bulk_room: int = 1_000) -> None:
        self.clock, self.paper, self.metrics = ManualClock(MORNING), Paper(), Metrics()
        inbox = base.Inbox(INBOX, "paper", "own", "1")
        outlet = Outlet(inbox, self.paper, policy or Policy(rate=1e6, width=8))
        self.inboxes = Inboxes({INBOX: outlet})
        bus = ServiceMetrics(self.metrics, "responder")
        self.bus = MemoryBus(self.clock, bus, numbers=1, declared=_with_one_partition)
        self.lives = 0
        self.bulk_room = bulk_room
        self.rounds: Rounds | None = None
        self.service: Service | None = None

    def serve(self) -> None:
        self.lives += 1
        if self.service is None:
            self.service = self.bus.work(self._make, INPUTS, TABLES, group="responder")
        else:
            self.service.start()

    def kill(self) -> None:
        """SIGKILL: nothing in hand is finished, no call is waited for."""
        if self.service and self.rounds:
            self.service.crash()
            for task in self.rounds._calls._tasks:
                task.cancel()

    async def close(self) -> None:
        """End it, whatever it is doing."""
        self.kill()
        self.paper.stuck.set()
        await asyncio.sleep(0)

    def _make(self, number: int) -> Rounds:
        bus = ServiceMetrics(self.metrics, "responder")
        self.rounds = Rounds(
            number,
            Surroundings(
                inboxes=self.inboxes,
                http=NoNetwork(),
                clock=self.clock,
                chance=lambda: 0.0,
                metrics=self.metrics,
                bus=bus,
                watch=Watch(self.metrics, self.inboxes),
                brake=Brake(),
                places=lambda number: [("responder.state", number)],
                token=f"life-{self.lives}",
                bulk_room=self.bulk_room,
                linger=0.0,
            ),
        )
        return self.rounds

    # --- in and out ---

    async def ask(self, *data: Event, topic: str = INPUTS[0]) -> None:
        await self.bus.publish([_outgoing(one, topic) for one in data])

    def write(self, value: bytes) -> None:
        """A record that nobody can read."""
        self.bus.broker.append([Line(INPUTS[0], 0, b"k", value, [])])

    def outcomes(self) -> list[Outcome]:
        return [event.data for event in self.bus.events("outcomes") if isinstance(event.data, Outcome)]

    def became(self) -> dict[str, type[Outcome]]:
        return {f"{data.reply}.{data.attempt}": type(data) for data in self.outcomes()}

    def set_aside(self) -> list[RecordSetAside]:
        found = (event.data for event in self.bus.events("dead-letters"))
        return [data for data in found if isinstance(data, RecordSetAside)]

    def committed(self, topic: str) -> int:
        return self.bus.broker.offsets("responder").get((topic, 0), 0)

    async def until(self, so: Callable[[], bool], seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while not so():  # noqa: ASYNC110 - what is waited for are records, not an event of ours
                await asyncio.sleep(0)

    async def until_ended(self, count: int) -> None:
        await self.until(lambda: len(self.outcomes()) >= count)

    def waiting(self) -> float:
        return float(self.metrics.waiting.labels("paper")._value.get())

    def kept(self) -> dict[str, bytes | None]:
        """The changelog of sends, as a new owner would find it."""
        log = [(record.key or b"", record.value) for record in self.bus.broker.topic("responder.state")]
        return {key.decode(): value for key, value in log if key.startswith(b"sends/")}


def _with_one_partition(name: str) -> Topic:
    return replace(topic_of(name), partitions=1)


def request(number: int = 1, text: str = "Dag.", *, attempt: int = 1, first_part: int = 0) -> SendRequested:
    return SendRequested(
        tenant=OIN,
        reply=f"r{number}",
        conversation=f"c{number}",
        via=Via(channel="paper", provider="own", inbox=INBOX),
        address=Address(kind=AddressKind.TEL, value=f"+316{number:08}"),
        parts=(Text(text=text),),
        attempt=attempt,
        first_part=first_part,
        not_after=MORNING + timedelta(hours=72),
    )


def cancel(number: int = 1) -> SendCancelled:
    return SendCancelled(tenant=OIN, reply=f"r{number}", inbox=INBOX, reason=Reason.WITHDRAWN)


def _outgoing(data: Event, topic: str) -> Outgoing:
    event = CloudEvent(f"e-{id(data)}", source_of(OIN), MORNING, data)
    return Outgoing(topic, event.id, INBOX, event)
