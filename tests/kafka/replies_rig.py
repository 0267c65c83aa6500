"""Responders as processes on a real broker, and a provider whose own ledger says when it was called for whom."""

from __future__ import annotations

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from demo.processes import Service, Services, free_port
from schemas.cloudevents import CloudEvent, decode, source_of
from schemas.events import Event, Outcome, SendCancelled, SendRequested, Via
from schemas.parts import Address, AddressKind, Text
from schemas.topics import DEAD_LETTERS, OUTBOX, OUTBOX_BULK, OUTCOMES, RESPONDER_STATE
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import Start, reading
from tests.kafka.rig import until

OIN = "00000001234567890000"
TOPICS = [(topic.name, topic) for topic in (OUTBOX, OUTBOX_BULK, OUTCOMES, DEAD_LETTERS, RESPONDER_STATE)]


@dataclass(frozen=True)
class Inbox:
    """One of the inboxes: how fast, how wide."""

    name: str
    rate: float = 1_000.0
    width: int = 8


@dataclass(frozen=True)
class Call:
    """One call in the provider's ledger."""

    at: float
    """Of a clock that never goes back, as the ledger's readers have it."""
    to: str
    name: str
    """Our id: reply, attempt, part."""
    status: int


@dataclass(frozen=True)
class Refusal:
    """What the provider says instead of taking it."""

    code: int
    after: int
    status: int = 429


@dataclass
class Provider:
    """Meta's Graph API as far as pace goes. It answers after 20 ms."""

    refusals: dict[str, list[Refusal]] = field(default_factory=lambda: defaultdict(list))
    """By citizen: how the next calls for them are refused, one after the other."""
    stalled: set[str] = field(default_factory=set)
    """Accounts whose calls it takes and never answers."""
    ledger: dict[str, list[Call]] = field(default_factory=lambda: defaultdict(list))
    """By account."""
    port: int = field(default_factory=free_port)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{version}/{account}/messages", self._messages)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def close(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        self._runner = None

    def taken(self, account: str) -> list[Call]:
        return [call for call in self.ledger[account] if call.status == 200]

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        at, account, body = time.monotonic(), request.match_info["account"], await request.json()
        to, name = str(body["to"]), str(body["biz_opaque_callback_data"])
        refusal = self.refusals[to].pop(0) if self.refusals[to] else None
        self.ledger[account].append(Call(at, to, name, refusal.status if refusal else 200))
        if refusal:
            said = {"error": {"code": refusal.code, "message": "no"}}
            return web.json_response(said, status=refusal.status, headers={"Retry-After": str(refusal.after)})
        await asyncio.sleep(60 if account in self.stalled else 0.02)
        return web.json_response({"messages": [{"id": f"wamid.{name}"}]})


@dataclass
class Desk:
    """Asks for replies, and reads what became of them."""

    bootstrap: str
    folder: Path
    provider: Provider
    services: Services
    outcomes: list[Outcome] = field(default_factory=list)
    asked: dict[str, float] = field(default_factory=dict)
    """When each reply was asked for."""

    async def ask(self, inbox: str, numbers: Iterable[int], **more: Any) -> None:  # noqa: ANN401 - of the request
        """Ask for replies from an inbox, each to a citizen of its own."""
        await self.publish(inbox, [request(inbox, number, **more) for number in numbers])

    async def publish(self, inbox: str, data: list[SendRequested | SendCancelled]) -> None:
        producer = Producer(plain(self.bootstrap), wait=20)
        await producer.start()
        self.asked |= {each.reply: time.monotonic() for each in data}
        await producer.publish([_outgoing(inbox, each) for each in data])
        await producer.stop()

    async def ask_steadily(self, inbox: str, numbers: Iterable[int], every: float) -> None:
        """Ask for one after the other, some time apart."""
        producer = Producer(plain(self.bootstrap), wait=20)
        await producer.start()
        for number in numbers:
            data = request(inbox, number)
            self.asked[data.reply] = time.monotonic()
            await producer.publish([_outgoing(inbox, data)])
            await asyncio.sleep(every)
        await producer.stop()

    async def follow(self) -> None:
        async with reading(plain(self.bootstrap), [OUTCOMES.name], Start.NOW) as reader:
            async for record in reader.follow():
                data: Event = decode(record.headers, record.value).data
                if isinstance(data, Outcome):
                    self.outcomes.append(data)

    async def until_told(self, count: int, seconds: float = 40) -> None:
        await until(lambda: len(self.outcomes) >= count, seconds)

    def delays(self, inbox: str) -> list[float]:
        """How long after it was asked for each reply reached the provider."""
        return sorted(call.at - self.asked[call.name.split(".")[0]] for call in self.provider.taken(inbox))

    async def shown(self, service: Service, metric: str) -> float:
        """A metric of one process, summed over its labels."""
        url = f"http://127.0.0.1:{service.management_port}/metrics"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            text = await answer.text()
        found = re.findall(rf"^{metric}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$", text, re.MULTILINE)
        return sum(map(float, found))


def request(inbox: str, number: int, **more: Any) -> SendRequested:  # noqa: ANN401
    return SendRequested.model_validate(
        {
            "tenant": OIN,
            "reply": f"{inbox}-{number}",
            "conversation": f"conversation-{number}",
            "via": Via(channel="whatsapp", provider="meta", inbox=inbox),
            "address": Address(kind=AddressKind.TEL, value=citizen(number)),
            "parts": (Text(text=f"Antwoord {number}"),),
            "not_after": datetime.now(UTC) + timedelta(hours=72),
        }
        | more
    )


def citizen(number: int) -> str:
    return f"+316{number:08}"


def _outgoing(inbox: str, data: SendRequested | SendCancelled) -> Outgoing:
    event = CloudEvent(f"{data.reply}-{data.TYPE}", source_of(OIN), datetime.now(UTC), data)
    return Outgoing(OUTBOX.name, data.reply, inbox, event)


@asynccontextmanager
async def desk(
    bootstrap: str, folder: Path, inboxes: Iterable[Inbox], *, open_: bool = True, replicas: int = 1
) -> AsyncIterator[Desk]:
    """Start one responder, and have the others ready to be started; the provider's door may still be shut."""
    await make_topics(plain(bootstrap), TOPICS)
    provider = Provider()
    if open_:
        await provider.start()
    shared = {"KAFKA_BOOTSTRAP": bootstrap, "HUB_TENANTS": str(_tenants(folder, provider, inboxes))}
    services = Services([_service(folder, shared, instance) for instance in range(replicas)])
    desk = Desk(bootstrap, folder, provider, services)
    following = asyncio.create_task(desk.follow())
    try:
        await services.services[0].start()
        await services.wait_ready(services.services[0])
        yield desk
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await provider.close()
        await services.stop()


def _service(folder: Path, shared: Mapping[str, str], instance: int) -> Service:
    port = free_port()
    given = {**shared, "HUB_MANAGEMENT_PORT": str(port), "HUB_INSTANCE": str(instance)}
    return Service("responder", given, folder / f"responder-{instance}.log", port)


def _tenants(folder: Path, provider: Provider, inboxes: Iterable[Inbox]) -> Path:
    settings = {"base_url": f"http://127.0.0.1:{provider.port}", "token": "geheim"}
    configured = [
        {"name": inbox.name, "channel": "whatsapp", "provider": "meta", "account": inbox.name, "settings": settings}
        | {"rate": inbox.rate, "width": inbox.width}
        for inbox in inboxes
    ]
    tenant = {"name": "zonnedael", "oin": OIN, "title": "Zonnedael", "secret": "z" * 32, "inboxes": configured}
    path = folder / "tenants.yaml"
    path.write_text(yaml.safe_dump({"tenants": [tenant]}))
    return path
