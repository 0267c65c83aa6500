"""The measurements themselves; each returns the rows of the table."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from bench import town
from bench.load import Load
from bench.process import Weighed, running
from demo.processes import free_port
from deploy.kafka.ladder import own_broker
from schemas.cloudevents import decode
from schemas.events import MessageRouted
from schemas.topics import expand
from services.classification.reading import default_taxonomy
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import Start, reading

DEPARTMENTS = [department.name for department in default_taxonomy().departments]
CHUNK = 2_000


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    rate: float
    """A second."""
    cpu_us: float
    """Microseconds of CPU for one."""
    note: str = ""

    def asdict(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


@contextmanager
def kafka(folder: Path, tenants: int) -> Iterator[dict[str, str]]:
    """Run a broker with all topics; gives the environment of services."""
    folder.mkdir(parents=True, exist_ok=True)
    with own_broker(folder / "kafka") as broker:
        broker.start()
        wanted = list(expand((name, DEPARTMENTS) for name in town.names(tenants)))
        asyncio.run(make_topics(plain(broker.bootstrap), wanted))
        yield {
            "KAFKA_BOOTSTRAP": broker.bootstrap,
            "HUB_TENANTS": str(town.tenants_file(folder / "tenants.yaml", tenants)),
            "INGEST_ATTACHMENTS": str(folder / "attachments"),
            "INGEST_SPOOL": str(folder / "spool"),
        }


def router(folder: Path, count: int, tenants: int) -> Iterator[Row]:
    """Measure the router and the bare loop on the same records of one broker."""
    with kafka(folder, tenants) as environment:
        asyncio.run(_preload(environment["KAFKA_BOOTSTRAP"], count, tenants))
        with running("services.router", environment, folder / "router.log") as weighed:
            rate, cpu = _until(weighed, "hub_records_total", count)
            note = weighed.weight()
        yield Row(f"router, {tenants} tenant(s), all four outputs", rate, cpu, note)
        bare = _bare(environment, count)
        yield Row(
            f"bare loop, {tenants} tenant(s), four outputs",
            bare["rate"],
            bare["cpu_us"],
            f"{rate / bare['rate']:.2f} x",
        )


def ingest(folder: Path, count: int) -> Iterator[Row]:
    """Measure durable webhooks, through the mounted route and through one of FastAPI."""
    for module, what in (
        ("services.ingest", "ingest, mounted route"),
        ("bench.plain_ingest", "ingest, route of FastAPI"),
    ):
        with kafka(folder / module, 1) as environment:
            port = free_port()
            with running(module, environment | {"INGEST_PORT": str(port)}, folder / f"{module}.log") as weighed:
                weighed.wait_ready()
                asyncio.run(Load(port, 32).pour(iter(list(town.posts(CHUNK, port, 1, start=10**9)))))
                requests = list(town.posts(count, port, 1))
                cpu, began, load = weighed.cpu(), time.perf_counter(), Load(port, 64)
                asyncio.run(load.pour(iter(requests)))
                seconds, used = time.perf_counter() - began, weighed.cpu() - cpu
                refused = f", {load.other} not taken" if load.other else ""
                yield Row(
                    f"{what}, durable webhooks",
                    load.ok / seconds,
                    used / count * 1e6,
                    f"{_core(load.ok, used)}, {weighed.weight()}{refused}",
                )


def latency(folder: Path, rates: dict[int, int]) -> Iterator[Row]:
    """Measure from the webhook's first byte to the department's queue, at some rates for some seconds."""
    with kafka(folder, 24) as environment:
        port = free_port()
        logs = folder / "ingest.log", folder / "router.log"
        with (
            running("services.ingest", environment | {"INGEST_PORT": str(port)}, logs[0]) as door,
            running("services.router", environment, logs[1]) as loop,
        ):
            door.wait_ready()
            loop.wait_ready()
            for rate, seconds in rates.items():
                times = asyncio.run(_latency(environment["KAFKA_BOOTSTRAP"], port, rate, seconds))
                p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
                note = f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, max {max(times) * 1000:.0f} ms"
                note += f"; ingest {door.weight()}, router {loop.weight()}"
                yield Row(f"webhook to queue at {rate}/s", len(times) / seconds, 0.0, note)


async def _preload(bootstrap: str, count: int, tenants: int) -> None:
    producer = Producer(plain(bootstrap), wait=60)
    await producer.start()
    source = town.messages(count, tenants, datetime.now(UTC))
    while chunk := list(islice(source, CHUNK)):
        await producer.publish(chunk)
    await producer.stop()


def _until(weighed: Weighed, metric: str, count: int) -> tuple[float, float]:
    """Return rate and CPU per record, from the first committed batch to the last."""
    weighed.wait_ready()
    while (first := weighed.total(metric)) == 0:
        time.sleep(0.02)
    began, cpu = time.perf_counter(), weighed.cpu()
    while (done := weighed.total(metric)) < count:
        time.sleep(0.1)
    return (done - first) / (time.perf_counter() - began), (weighed.cpu() - cpu) / (done - first) * 1e6


def _bare(environment: dict[str, str], count: int) -> dict[str, float]:
    outputs = ["department.gemeente-0.waste", "entries", "facts", "department.gemeente-0.public-space"]
    values = dict(os.environ) | environment | {"BENCH_COUNT": str(count), "BENCH_OUTPUTS": json.dumps(outputs)}
    done = subprocess.run([sys.executable, "-m", "bench.bare"], env=values, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _core(count: int, cpu: float) -> str:
    return f"{count / cpu:.0f}/s per core"


async def _latency(bootstrap: str, port: int, rate: int, seconds: int) -> list[float]:
    load, arrived = Load(port, 32), dict[str, float]()
    count, start = rate * seconds, int(time.time() * 1000)
    requests = [
        (f"wamid.{start + n}", town.post(f"wamid.{start + n}", f"316{n % 5000:08d}", town.TEXTS[n % 12], port, n % 24))
        for n in range(count)
    ]
    topics = [f"department.{name}.{department}" for name in town.names(24) for department in DEPARTMENTS]
    async with reading(plain(bootstrap), topics, Start.NOW) as reader:
        task = asyncio.create_task(load.drip(iter(requests), rate))
        async for record in reader.follow():
            data = decode(record.headers, record.value).data
            if isinstance(data, MessageRouted) and data.message:
                arrived.setdefault(data.message.external_id, asyncio.get_running_loop().time())
            if len(arrived) >= count:
                break
        await task
    return [arrived[name] - load.sent_at[name] for name, _ in requests]
