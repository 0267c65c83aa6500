"""The responder as a process, on a real broker, against a provider that throttles, hangs up and is slow."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import yaml
from aiohttp import web

from deploy.kafka.broker import Broker
from schemas.cloudevents import CloudEvent, decode, source_of
from schemas.events import Outcome, ReplySent, ReplyUnknown, SendRequested, Via
from schemas.ids import our_id
from schemas.parts import Address, AddressKind, Text
from schemas.profile import findings
from schemas.topics import DEAD_LETTERS, OUTBOX, OUTBOX_BULK, OUTCOMES, RESPONDER_STATE
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import reading
from tests.kafka.rig import until
from tests.needs import ROOT

OIN = "00000001234567890000"
INBOXES = [f"balie-{number}" for number in range(4)]
TOPICS = [(topic.name, topic) for topic in (OUTBOX, OUTBOX_BULK, OUTCOMES, DEAD_LETTERS, RESPONDER_STATE)]


class Provider:
    """Meta's Graph API as far as it matters here: throttles, hangs up or hangs after accepting, by the call's name."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self.under_way = 0
        self.faults = True
        self.url = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Provider"]:
        app = web.Application()
        app.router.add_post("/{anywhere:.*}", self._messages)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        name = (await request.json())["biz_opaque_callback_data"]
        chance = crc32(name.encode()) % 100 if self.faults else 99
        if chance < 5 and not self.throttled[name]:
            self.throttled[name] += 1
            return web.json_response({"error": {"code": 130429, "message": "rate"}}, status=429)
        self.taken[name] += 1
        await self._think(60 if chance == 8 else 0.02)
        if chance in (6, 7):
            assert request.transport
            request.transport.abort()
        return web.json_response({"messages": [{"id": f"wamid.{name}"}]})

    async def _think(self, seconds: float) -> None:
        self.under_way += 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self.under_way -= 1


class Desk:
    """Asks for replies, and reads what became of them."""

    def __init__(self, bootstrap: str, provider: Provider, folder: Path) -> None:
        self.connection, self.provider, self._folder = plain(bootstrap), provider, folder
        self._bootstrap = bootstrap
        self.outcomes: list[CloudEvent] = []
        self.faults: list[str] = []
        """What breaks the profile of NL GOV."""
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "tenants.yaml").write_text(yaml.safe_dump(self._tenants()))

    def _tenants(self) -> dict[str, Any]:
        settings = {"base_url": self.provider.url, "token": "geheim"}
        inboxes = [
            {"name": name, "channel": "whatsapp", "provider": "meta", "account": f"1{number}", "settings": settings}
            | {"rate": 100.0, "width": 8}
            for number, name in enumerate(INBOXES)
        ]
        return {
            "tenants": [{"name": "zonnedael", "oin": OIN, "title": "Zonnedael", "secret": "z" * 32, "inboxes": inboxes}]
        }

    def start(self) -> None:
        given = {"KAFKA_BOOTSTRAP": self._bootstrap, "HUB_TENANTS": str(self._folder / "tenants.yaml")}
        with (self._folder / "responder.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.responder"], cwd=ROOT, stderr=log, env={**os.environ, **given}
            )

    async def signal(self, number: signal.Signals) -> int:
        """Send a signal and wait for the end; the provider answers meanwhile."""
        assert self.process
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 30)

    def dead(self) -> str | None:
        ended = self.process is not None and self.process.poll() is not None
        return (self._folder / "responder.log").read_text()[-2000:] if ended else None

    async def ask(self, numbers: range) -> None:
        producer = Producer(self.connection, wait=20)
        await producer.start()
        try:
            await producer.publish([_asked(number) for number in numbers])
        finally:
            await producer.stop()

    async def follow(self) -> None:
        async with reading(self.connection, [OUTCOMES.name], doubles=True) as reader:
            async for record in reader.follow():
                self.outcomes.append(decode(record.headers, record.value))
                self.faults += findings(record.headers, record.value)

    async def until_told(self, count: int, seconds: float = 40) -> None:
        await until(lambda: len(self.outcomes) >= count, seconds, failed=self.dead)

    def became(self) -> dict[str, Outcome]:
        found = [event.data for event in self.outcomes if isinstance(event.data, Outcome)]
        return {our_id(data.reply, data.attempt, 0): data for data in found}


def _asked(number: int) -> Outgoing:
    inbox = INBOXES[number % len(INBOXES)]
    data = SendRequested(
        tenant=OIN,
        reply=f"reply-{number}",
        conversation=f"conversation-{number}",
        via=Via(channel="whatsapp", provider="meta", inbox=inbox),
        address=Address(kind=AddressKind.TEL, value=f"+316{number:08}"),
        parts=(Text(text=f"Antwoord {number}"),),
        not_after=datetime.now(UTC) + timedelta(hours=72),
    )
    event = CloudEvent(f"send-{number}", source_of(OIN), datetime.now(UTC), data)
    return Outgoing(OUTBOX.name, data.reply, inbox, event)


@pytest.fixture
async def desk(broker: Broker, tmp_path: Path) -> AsyncIterator[Desk]:
    async with Provider().listening() as provider:
        desk = Desk(broker.bootstrap, provider, tmp_path)
        await make_topics(desk.connection, TOPICS)
        desk.start()
        following = asyncio.create_task(desk.follow())
        yield desk
        following.cancel()
        if desk.process and desk.process.poll() is None:
            await desk.signal(signal.SIGKILL)


MANY, KILLS = 500, 3


async def test_killed_again_and_again_it_calls_nobody_twice_and_tells_of_every_reply(desk: Desk) -> None:
    await desk.ask(range(MANY))
    for kill in range(1, KILLS + 1):
        await desk.until_told(kill * MANY // (KILLS + 2))
        await until(lambda: desk.provider.under_way > 0)
        await desk.signal(signal.SIGKILL)
        desk.start()
    await desk.until_told(MANY)
    assert await desk.signal(signal.SIGTERM) == 0

    became, taken = desk.became(), desk.provider.taken
    assert len(desk.outcomes) == len(became) == MANY
    assert max(taken.values()) == 1
    sent = {name for name, data in became.items() if isinstance(data, ReplySent)}
    unknown = {name for name, data in became.items() if isinstance(data, ReplyUnknown)}
    assert sent | unknown == set(became)
    assert {became[name].sent[0].external_id for name in sent} == {f"wamid.{name}" for name in sent}
    assert sent <= set(taken) <= set(became)
    assert desk.provider.throttled, "the provider was to throttle some"
    assert len(unknown) < MANY / 4
    assert desk.faults == []


async def test_stopped_in_order_it_leaves_nothing_in_doubt(desk: Desk) -> None:
    desk.provider.faults = False
    await desk.ask(range(300))
    for _ in range(2):
        called = desk.provider.taken.total()
        await until(lambda: desk.provider.taken.total() > called + 20, failed=desk.dead)  # noqa: B023 - awaited at once
        assert await desk.signal(signal.SIGTERM) == 0
        desk.start()
    await desk.until_told(300)
    assert {type(data) for data in desk.became().values()} == {ReplySent}
    assert len(desk.outcomes) == 300
    assert set(desk.provider.taken.values()) == {1}
