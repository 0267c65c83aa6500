"""Two municipalities that do not exist, and ingest running for them on a real socket, with a bus that remembers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDict

from schemas.cloudevents import CloudEvent
from schemas.events import Event, RecordSetAside
from services.ingest.connections import impatient
from services.ingest.settings import IngestSettings
from services.ingest.start import Ingest, assemble
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.seat import NotDurable
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics
from services.runtime.process.tenants import Tenants
from services.runtime.web.server import HttpServer
from tests.ingest import toy

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ZONNEDAEL, MAANDORP = "00000001823288444000", "00000001823288445000"
TOKENS = {
    "waste": "token-afval",
    "router-only": "token-verdeler",
    "operator": "token-beheer",
    "maandorp": "token-maandorp",
}


def _publisher(name: str, scopes: list[str], department: str | None = None) -> dict[str, Any]:
    digest = sha256(TOKENS[name].encode()).hexdigest()
    return {"name": name, "token_sha256": digest, "scopes": scopes, "department": department}


def _inbox(name: str, account: str, channel: str = "toy") -> dict[str, Any]:
    return {"name": name, "channel": channel, "provider": "own", "account": account}


TENANTS = Tenants.model_validate(
    {
        "tenants": [
            {
                "name": "zonnedael",
                "oin": ZONNEDAEL,
                "title": "Gemeente Zonnedael",
                "secret": "z" * 32,
                "inboxes": [
                    _inbox("zonnedael-balie", "zon-1"),
                    _inbox("zonnedael-afval", "zon-2"),
                    _inbox("zonnedael-eigen", "zon-3", "own-words"),
                ],
                "publishers": [
                    _publisher("waste", ["reply", "route"], "waste"),
                    _publisher("router-only", ["route"], "kcc"),
                    _publisher("operator", ["operate"]),
                ],
            },
            {
                "name": "maandorp",
                "oin": MAANDORP,
                "title": "Gemeente Maandorp",
                "secret": "m" * 32,
                "inboxes": [_inbox("maandorp-balie", "maan-1")],
                "publishers": [_publisher("maandorp", ["reply"], "kcc")],
            },
        ],
        "endpoints": [
            {"name": "main", "channel": "toy", "provider": "own", "settings": {"port": "2424"}},
            {"name": "main", "channel": "own-words", "provider": "own"},
        ],
    }
)


Headers = Mapping[str, str] | Sequence[tuple[str, str]] | None


class Bus:
    """Remembers what was published; `away` is a broker that confirms nothing."""

    def __init__(self) -> None:
        self.outgoing: list[Outgoing] = []
        self.calls = 0
        self.away = False
        self.fault: Exception | None = None

    async def publish(self, outgoings: Sequence[Outgoing]) -> None:
        self.calls += 1
        if self.fault:
            raise self.fault
        if self.away:
            raise NotDurable("not confirmed")
        self.outgoing.extend(outgoings)

    @property
    def events(self) -> list[CloudEvent]:
        return [one.event for one in self.outgoing if one.event]

    @property
    def data(self) -> list[Event]:
        return [event.data for event in self.events]

    @property
    def set_aside(self) -> list[RecordSetAside]:
        return [data for data in self.data if isinstance(data, RecordSetAside)]


@dataclass
class Hub:
    """Ingest, running."""

    url: str
    bus: Bus
    http: aiohttp.ClientSession
    metrics: Metrics
    clock: ManualClock
    ingest: Ingest

    async def deliver(self, *items: dict[str, Any]) -> int:
        """Let the provider deliver a genuine webhook; returns our status."""
        return (await self.post(json.dumps(items).encode())).status

    async def post(self, body: bytes, *, path: str = "/webhooks/toy/main", **headers: str) -> Answer:
        signed = {"x-signature": toy.sign(body)} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", path, body, signed)

    async def ask(self, method: str, path: str, body: bytes | None = None, headers: Headers = None) -> Answer:
        async with self.http.request(method, self.url + path, data=body, headers=headers) as answer:
            return Answer(answer.status, await answer.read(), answer.headers.copy())

    async def publish(self, *events: dict[str, Any], publisher: str | None = "waste") -> Answer:
        """Publish by the bridge: one event structured, several as a batch."""
        one = len(events) == 1
        kind = "application/cloudevents+json" if one else "application/cloudevents-batch+json"
        return await self.send(
            json.dumps(events[0] if one else list(events), ensure_ascii=False).encode(), kind, publisher=publisher
        )

    async def send(self, body: bytes, kind: str, *, publisher: str | None = "waste", **headers: str) -> Answer:
        bearer = {"authorization": f"Bearer {TOKENS.get(publisher, publisher)}"} if publisher else {}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.ask("POST", "/v1/events", body, {"content-type": kind} | bearer | more)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@dataclass
class Answer:
    status: int
    body: bytes
    headers: CIMultiDict[str]

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON is anything
        return json.loads(self.body)


@asynccontextmanager
async def running(folder: Path, **settings: object) -> AsyncIterator[Hub]:
    bus, clock, metrics = Bus(), ManualClock(NOW), Metrics()
    made = IngestSettings.model_validate({"attachments": folder, **settings})
    ingest = assemble(made, TENANTS, bus, clock, metrics, toy.load)
    server = HttpServer(ingest.app, made.stop_seconds, impatient(made.header_seconds))
    await server.start("127.0.0.1", 0, ended=lambda: None)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
            yield Hub(f"http://127.0.0.1:{server.port}", bus, http, metrics, clock, ingest)
    finally:
        await server.close()


def message(**given: object) -> dict[str, Any]:
    return {"is": "message", "account": "zon-1", "id": "m1", "text": "De lantaarnpaal is kapot"} | given


def command(kind: str = "reply.requested", /, data: dict[str, Any] | None = None, **given: object) -> dict[str, Any]:
    reply = {"conversation": "c1", "answers": 1, "parts": [{"kind": "text", "text": "Wij komen morgen."}]}
    return {
        "specversion": "1.0",
        "id": "reply-1",
        "source": "urn:nld:oin:00000001823288444000:systeem:zaken",
        "type": f"nl.berichtenhub.{kind}.v1",
        "data": reply if data is None else data,
    } | given
