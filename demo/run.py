"""From nothing to a town that works: Kafka, topics, stand-ins, services; then the story; then it stays up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.live import Live

from demo import table, town
from demo.account import Books
from demo.graph import Graph
from demo.mail import MailCatcher
from demo.processes import NotReady, Service, Services, free_port
from demo.story import SCENES, Stage
from demo.watch import NotSeen, Seen, Watch
from deploy.kafka.broker import BrokerError
from deploy.kafka.ladder import given_address, own_broker
from schemas.cloudevents import decode
from schemas.topics import expand
from services.classification.reading import default_taxonomy, load_taxonomy
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import reading
from services.runtime.process.tenants import Tenant, Tenants, read

SERVICES = ("ingest", "router", "responder", "insight")
ONE_BROKER = {"flush.messages": "1"}
"""With one broker an acknowledged record has to be on disk: nobody else has it."""
SETTLE = 30.0
"""Seconds in which all that the story began must have come to rest."""


class Broken(RuntimeError):
    """The town could not be built, or the story went otherwise."""


@dataclass(frozen=True)
class Ports:
    """Where everything listens."""

    graph: int
    smtp: int
    lmtp: int
    ingest: int
    insight: int


async def play(console: Console, folder: Path, *, once: bool, began: float) -> int:
    """Build the town, play the story; returns the exit code. Raises Broken."""
    try:
        async with _built(console, folder, once=once) as (stage, watch, ports, tenants):
            _tell(console, f"ready after {time.monotonic() - began:.1f} s; the story begins")
            broken = await _story(console, stage, watch, began)
            books = await _books(watch, tenants)
            console.print(books.table())
            for finding in books.findings():
                console.print(f"[red]{finding}")
            if once:
                return 1 if broken or books.findings() else 0
            _explain(console, stage.services, ports)
            await asyncio.Event().wait()
    except (NotReady, BrokerError) as error:
        raise Broken(str(error)) from None
    return 0


async def _story(console: Console, stage: Stage, watch: Watch, began: float) -> int:
    """Play the scenes one after the other; returns how many went otherwise."""
    broken = 0
    with Live(console=console, refresh_per_second=4, get_renderable=lambda: table.drawn(watch.seen)):
        for scene in SCENES:
            try:
                await scene(stage)
            except (NotSeen, TimeoutError) as error:
                broken += 1
                _tell(console, f"[red]✗[/] {scene.__doc__} {error}")
            else:
                _tell(console, f"[green]✓[/] {scene.__doc__}")
    _tell(
        console,
        f"{len(SCENES) - broken} of {len(SCENES)} scenes as told, {time.monotonic() - began:.1f} s from the start",
    )
    return broken


async def _books(watch: Watch, tenants: Tenants) -> Books:
    """Return the account, once nothing is in flight any more."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE):
            while Books(watch.seen, tenants).unsettled():
                await asyncio.sleep(0.2)
    return Books(watch.seen, tenants)


@asynccontextmanager
async def _built(console: Console, folder: Path, *, once: bool) -> AsyncIterator[tuple[Stage, Watch, Ports, Tenants]]:
    with _kafka(console) as bootstrap:
        ports, graph, mails = await _stand_ins(once=once)
        tenants_file = town.tenants_file(folder / "tenants.yaml", town.Addresses(graph.port, ports.smtp, ports.lmtp))
        tenants = read(tenants_file)
        made = await make_topics(plain(bootstrap), expand(_departments(tenants)), extra=ONE_BROKER)
        _tell(console, f"topics: {len(made)} made")
        services = _services(folder, bootstrap, tenants_file, ports)
        _remember(folder, bootstrap, tenants_file, ports)
        watch = Watch()
        async with aiohttp.ClientSession() as http:
            try:
                _tell(console, f"services: starting {', '.join(SERVICES)} (logs in {folder}/)")
                await services.start()
                async with _watching(watch, bootstrap, tenants):
                    ingest = f"http://127.0.0.1:{ports.ingest}"
                    yield Stage(graph, mails, services, watch, http, ingest, ports.lmtp), watch, ports, tenants
            finally:
                codes = await services.stop()
                _tell(console, "stopped: " + ", ".join(f"{name} {code}" for name, code in codes.items()))
                await graph.close()
                mails.close()


@contextmanager
def _kafka(console: Console) -> Iterator[str]:
    if address := given_address():
        _tell(console, f"kafka: the one at {address}")
        yield address
        return
    with own_broker(say=lambda line: _tell(console, line)) as broker:
        broker.start()
        _tell(console, f"kafka: ready at {broker.bootstrap}, pid {broker.pid}")
        yield broker.bootstrap


async def _stand_ins(*, once: bool) -> tuple[Ports, Graph, MailCatcher]:
    mails = MailCatcher()
    ingest = free_port() if once else _port(8080)
    webhook = f"http://127.0.0.1:{ingest}/webhooks/whatsapp/demo"
    graph = Graph(webhook, town.APP_SECRET, town.GRAPH_TOKEN, town.WHATSAPP)
    await graph.start(0 if once else _port(8090))
    ports = Ports(graph.port, free_port(), free_port(), ingest, free_port() if once else _port(8081))
    mails.start(ports.smtp)
    return ports, graph, mails


def _port(wanted: int) -> int:
    """Return the port that the documents name, or a free one when somebody has it."""
    return free_port(wanted) or free_port()


def _services(folder: Path, bootstrap: str, tenants: Path, ports: Ports) -> Services:
    shared = {
        "KAFKA_BOOTSTRAP": bootstrap,
        "HUB_TENANTS": str(tenants),
        "HUB_INSTANCE": "0",
        "INGEST_PORT": str(ports.ingest),
        "INGEST_ATTACHMENTS": str(folder / "attachments"),
        "INGEST_SPOOL": str(folder / "spool"),
        "INSIGHT_PORT": str(ports.insight),
    }
    return Services([_service(name, folder, shared) for name in SERVICES])


def _service(name: str, folder: Path, shared: dict[str, str]) -> Service:
    port, log = free_port(), folder / f"{name}.log"
    log.unlink(missing_ok=True)
    return Service(name, shared | {"HUB_MANAGEMENT_PORT": str(port)}, log, port)


def _remember(folder: Path, bootstrap: str, tenants: Path, ports: Ports) -> None:
    """Write down what `hub` in a second terminal wants to know."""
    known = {
        "KAFKA_BOOTSTRAP": bootstrap,
        "HUB_TENANTS": str(tenants),
        "HUB_BRIDGE": f"http://127.0.0.1:{ports.ingest}",
        "HUB_INSIGHT": f"http://127.0.0.1:{ports.insight}",
        "HUB_TOKEN": town.TOKENS["operator"],
    }
    (folder / "environment").write_text("".join(f"{name}={value}\n" for name, value in known.items()), "utf-8")


def _departments(tenants: Tenants) -> list[tuple[str, list[str]]]:
    return [(tenant.name, _departments_of(tenant)) for tenant in tenants.tenants]


def _departments_of(tenant: Tenant) -> list[str]:
    taxonomy = load_taxonomy(tenant.taxonomy) if tenant.taxonomy else default_taxonomy()
    return [department.name for department in taxonomy.departments]


@asynccontextmanager
async def _watching(watch: Watch, bootstrap: str, tenants: Tenants) -> AsyncIterator[None]:
    names = [name for name, topic in expand(_departments(tenants)) if topic.carries]
    task = asyncio.create_task(watch.follow(_seen(bootstrap, names)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _seen(bootstrap: str, names: list[str]) -> AsyncIterator[Seen]:
    async with reading(plain(bootstrap), names, doubles=True) as reader:
        async for record in reader.follow():
            if record.value is None:
                continue  # a line of a history that was erased
            event = decode(record.headers, record.value)
            yield Seen(record.topic, record.partition, record.offset, record.timestamp / 1000, event)


def _explain(console: Console, services: Services, ports: Ports) -> None:
    pids = ", ".join(f"{service.name} {service.pid}" for service in services.services)
    phone = f"http://127.0.0.1:{ports.graph}/phone/31600000099"
    router = services["router"].pid
    tries = (
        (f'curl -d "de prullenbak in het park is vol" {phone}', "a citizen writes on WhatsApp"),
        (".venv/bin/hub tail public-space", "what the department sees"),
        ('.venv/bin/hub reply CONVERSATION "Wij komen eraan."', "answer it; tail shows the conversation"),
        (f"curl {phone}", "what the citizen's phone shows"),
        (f"kill -9 {router}; .venv/bin/hub check", "break it, and see whether all adds up"),
    )
    console.print("\n[bold]It stays up; Ctrl-C stops it.[/]")
    console.print(f"  ingest    http://127.0.0.1:{ports.ingest}/v1/docs", highlight=False)
    console.print(f"  insight   http://127.0.0.1:{ports.insight}/v1/docs", highlight=False)
    console.print(f"  pids      {pids}\n", highlight=False)
    for command, what in tries:
        console.print(f"  {command}   [dim]{what}[/]", highlight=False, soft_wrap=True)


def _tell(console: Console, line: str) -> None:
    console.print(line, highlight=False)
