"""The whole hub as processes on a real broker, with stand-ins for the outside world."""

from __future__ import annotations

import asyncio
import json
import smtplib
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import aiohttp
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from demo import town
from demo.graph import Accepted, Behaviour, Graph, change, webhook
from demo.mail import MailCatcher
from demo.processes import Service, Services, free_port
from schemas.cloudevents import CloudEvent, Unreadable, decode
from schemas.events import Command, Event
from schemas.topics import expand
from services.classification.reading import default_taxonomy
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Raw
from tests.kafka.rig import until

E = TypeVar("E", bound=Event)
OIN = town.OIN
DEPARTMENTS = [each.name for each in default_taxonomy().departments]
TOPICS = dict(expand([(name, DEPARTMENTS) for name in ("zonnedael", "maandorp")]))


def wamid(number: str) -> str:
    """An id as WhatsApp makes them: the citizen's number is in it, in base64."""
    return "wamid." + b64encode(number.encode() + uuid4().bytes).decode()


@dataclass
class Meta(Graph):
    """Its ids are as the real one's, and to whom `answers` names it says whatever stands there, and hangs up after."""

    answers: dict[str, tuple[int, str]] = field(default_factory=dict)

    async def _messages(self, request: web.Request) -> web.Response:
        body = await request.json()
        said = self.answers.get(str(body.get("to", body.get("recipient"))).lstrip("+"))
        if said is None:
            return await super()._messages(request)
        self.calls += 1
        return web.Response(status=said[0], text=said[1], content_type="application/json")

    def _accept(self, account: str, by: str, body: dict[str, Any], how: Behaviour) -> str:
        made = Accepted(wamid(str(body[by]).lstrip("+")), account, str(body[by]), by, body)
        self.accepted.append(made)
        task = asyncio.create_task(self._report(made, how))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)
        return made.wamid


class Mails(MailCatcher):
    """Refuses citizens whose address says so, and puts their address into its answer as real servers do."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if "weigert" in address:
            return f"550 5.1.1 <{address}> is not known here"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def queue(department: str) -> str:
    return f"department.zonnedael.{department}"


@dataclass
class House:
    """Four services, Meta's API, a mail catcher."""

    folder: Path
    bootstrap: str
    graph: Meta
    mails: MailCatcher
    services: Services
    ingests: Sequence[str]
    """Base addresses of the replicas of ingest."""
    lmtp: int
    http: aiohttp.ClientSession

    # --- what comes in ---

    async def writes(self, sender: str, text: str, /, *, name: str = "Inwoner", **more: Any) -> int:  # noqa: ANN401
        """Have a citizen write on WhatsApp; returns our status."""
        return await self.graph.post(self.message(sender, text, name=name, **more))

    def message(self, sender: str, text: str, /, *, name: str = "Inwoner", **more: Any) -> dict[str, Any]:  # noqa: ANN401
        message = {"id": wamid(sender), "timestamp": str(int(time.time())), "from": sender, "type": "text"}
        message |= {"text": {"body": text}} | more
        contacts = [{"profile": {"name": name}, "wa_id": sender}]
        return webhook(change(town.WHATSAPP, messages=[message], contacts=contacts))

    async def asks(self, kind: type[Command], by: str = "operator", **data: object) -> int:
        """Have somebody ask by the bridge; returns our status."""
        source = f"urn:nld:oin:{OIN}:systeem:zaken"
        event = {"specversion": "1.0", "id": uuid4().hex, "source": source, "type": kind.TYPE, "data": data}
        headers = {
            "content-type": "application/cloudevents+json",
            "authorization": f"Bearer {town.TOKENS[by]}",
        }
        async with self.http.post(f"{self.ingests[0]}/v1/events", data=json.dumps(event), headers=headers) as answer:
            return answer.status

    async def mail(self, mail: EmailMessage) -> None:
        """Have a mail server deliver."""

        def deliver() -> None:
            with smtplib.LMTP("127.0.0.1", self.lmtp) as mta:
                mta.sendmail(str(mail["From"]), [town.MAILBOX], mail.as_bytes())

        await asyncio.to_thread(deliver)

    # --- what lies on the topics ---

    async def records(self, *topics: str) -> list[Raw]:
        async with reading(plain(self.bootstrap), topics, doubles=True) as reader:
            return [record async for record in reader.to_the_end()]

    async def events(self, topic: str) -> list[CloudEvent]:
        """All that can be read: neither tombstones nor garbage."""
        found = []
        for record in await self.records(topic):
            with suppress(Unreadable):
                found.append(decode(record.headers, record.value))
        return found

    async def all(self, topic: str, kind: type[E]) -> list[E]:
        return [event.data for event in await self.events(topic) if isinstance(event.data, kind)]

    async def until(self, topic: str, kind: type[E], wanted: int, seconds: float = 30) -> list[E]:
        """Wait until so many of a kind lie on a topic, and return them."""
        found: list[E] = []

        async def there() -> bool:
            found[:] = await self.all(topic, kind)
            return len(found) >= wanted

        await until(there, seconds)
        return found

    # --- what it says of itself ---

    def logs(self) -> dict[str, str]:
        return {path.name: path.read_text(errors="replace") for path in self.folder.glob("*.log")}

    async def metrics(self) -> dict[str, str]:
        found = {}
        for service in self.services.services:
            url = f"http://127.0.0.1:{service.management_port}/metrics"
            async with self.http.get(url) as answer:
                found[service.name] = await answer.text()
        return found


@asynccontextmanager
async def house(
    bootstrap: str,
    folder: Path,
    *,
    ingests: int = 1,
    names: Sequence[str] = ("router", "responder"),
    topics: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[House]:
    """Build it; `topics` is extra configuration of every topic, `environment` of every service."""
    await make_topics(plain(bootstrap), TOPICS.items(), extra=topics or {})
    doors, lmtps = [free_port() for _ in range(ingests)], [free_port() for _ in range(ingests)]
    hook = f"http://127.0.0.1:{doors[0]}/webhooks/whatsapp/demo"
    graph = Meta(hook, town.APP_SECRET, town.GRAPH_TOKEN, town.WHATSAPP)
    mails, smtp = Mails(), free_port()
    await graph.start()
    mails.start(smtp)
    files = [folder / "tenants.yaml", *(folder / f"tenants-{n}.yaml" for n in range(1, ingests))]
    for file, lmtp in zip(files, lmtps, strict=True):
        town.tenants_file(file, town.Addresses(graph.port, smtp, lmtp))
    shared = {
        "KAFKA_BOOTSTRAP": bootstrap,
        "HUB_TENANTS": str(files[0]),
        "INGEST_ATTACHMENTS": str(folder / "attachments"),
        "INGEST_SPOOL": str(folder / "spool"),
        **(environment or {}),
    }
    services = [
        _service("ingest", folder, shared, n, INGEST_PORT=str(port), HUB_TENANTS=str(files[n]))
        for n, port in enumerate(doors)
    ]
    services += [_service(name, folder, shared, 0, INSIGHT_PORT=str(free_port())) for name in names]
    running = Services(services)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        try:
            await running.start()
            yield House(
                folder, bootstrap, graph, mails, running, [f"http://127.0.0.1:{port}" for port in doors], lmtps[0], http
            )
        finally:
            await running.stop()
            await graph.close()
            mails.close()


def _service(name: str, folder: Path, shared: Mapping[str, str], instance: int, **own: str) -> Service:
    port = free_port()
    given = {**shared, **own, "HUB_MANAGEMENT_PORT": str(port), "HUB_INSTANCE": str(instance)}
    return Service(name, given, folder / f"{name}-{instance}.log", port)
