"""How long a 2xx takes while the broker is away, and whether all that was promised is there when it is back."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from bench import town
from bench.load import Load
from bench.process import Weighed, running
from bench.rates import DEPARTMENTS, Row
from demo.processes import free_port
from deploy.kafka.broker import Broker
from deploy.kafka.ladder import own_broker
from schemas.cloudevents import decode
from schemas.events import MessageReceived
from schemas.topics import INBOUND, expand
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import reading

RATE, SENDERS = 500, 50
BEFORE, AFTER = 5, 5
"""Seconds of load with the broker, before it goes and after it came back."""
QUARTER = 0.25


@dataclass
class Sent:
    """What was answered with 200, by its sender, in order; and how long each answer took, by what the broker did."""

    numbers: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: int = 0
    phase: str = "there"
    emptied: float = 0.0
    """Seconds from the broker's return until nothing waited any more."""


def away(folder: Path, count: int) -> Iterator[Row]:
    """Measure `count` webhooks at 500/s; the broker is stopped for all but the first and the last seconds of that."""
    folder.mkdir(parents=True, exist_ok=True)
    seconds = max(1.0, count / RATE - BEFORE - AFTER)
    with _hub(folder) as (broker, ingest, port):
        sent = asyncio.run(_load(broker, ingest, port, seconds))
        spooled = ingest.total("hub_spooled_total")
        for phase in ("there", "falling silent", "away", "back"):
            yield _latency(phase, sent, seconds)
        note = f"{spooled:,.0f} records in {sent.emptied:.1f} s, beside new ones"
        yield Row("forwarded afterwards", spooled / sent.emptied, 0.0, note)
        yield asyncio.run(_account(broker, sent))


@contextmanager
def _hub(folder: Path) -> Iterator[tuple[Broker, Weighed, int]]:
    with own_broker(folder / "kafka") as broker:
        broker.start()
        asyncio.run(make_topics(plain(broker.bootstrap), list(expand((name, DEPARTMENTS) for name in town.names(1)))))
        port = free_port()
        environment = {
            "KAFKA_BOOTSTRAP": broker.bootstrap,
            "HUB_TENANTS": str(town.tenants_file(folder / "tenants.yaml", 1)),
            "INGEST_ATTACHMENTS": str(folder / "attachments"),
            "INGEST_SPOOL": str(folder / "spool"),
            "INGEST_PORT": str(port),
        }
        with running("services.ingest", environment, folder / "ingest.log") as ingest:
            ingest.wait_ready()
            yield broker, ingest, port


async def _load(broker: Broker, ingest: Weighed, port: int, seconds: float) -> Sent:
    sent, ends = Sent(), time.perf_counter() + BEFORE + seconds + AFTER
    senders = [asyncio.create_task(_send(sent, sender, port, ends)) for sender in range(SENDERS)]
    await asyncio.sleep(BEFORE)
    broker.pause()
    sent.phase = "away"
    await asyncio.sleep(seconds)
    broker.resume()
    sent.phase, began = "back", time.perf_counter()
    await asyncio.to_thread(_emptied, ingest)
    sent.emptied = time.perf_counter() - began
    await asyncio.gather(*senders)
    return sent


async def _send(sent: Sent, sender: int, port: int, ends: float) -> None:
    """One citizen after another: each next message when the last was answered, at its time."""
    load, number = Load(port, 1), 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.perf_counter() + sender / RATE
    while due < ends:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        due += SENDERS / RATE
        request = town.post(f"wamid.{sender}.{number}", f"316{sender:08d}", town.TEXTS[number % 12], port, 0)
        phase, began, taken = sent.phase, time.perf_counter(), load.ok
        await load._exchange(reader, writer, request)  # noqa: SLF001 - one request of that load
        if load.ok > taken:
            turning = phase == "there" and sent.phase == "away"
            sent.seconds["falling silent" if turning else phase].append(time.perf_counter() - began)
            sent.numbers[sender].append(number)
        number += 1
    sent.refused += load.other
    writer.close()


def _latency(phase: str, sent: Sent, seconds: float) -> Row:
    times = sorted(sent.seconds[phase]) or [0.0]
    cuts = statistics.quantiles([*times, *times], n=1000)
    late = sum(each > QUARTER for each in times)
    for_long = f" for {seconds:.0f} s" if phase == "away" else ""
    note = f"2xx p50 {cuts[499] * 1e3:.1f} ms, p99 {cuts[989] * 1e3:.1f} ms, p99.9 {cuts[998] * 1e3:.0f} ms, "
    note += f"max {times[-1] * 1e3:.0f} ms, over 250 ms: {late}"
    return Row(f"webhooks, broker {phase}{for_long}", RATE, 0.0, f"{len(times):,}: {note}")


def _emptied(ingest: Weighed) -> None:
    while ingest.total("hub_spool_records"):
        time.sleep(0.05)


async def _account(broker: Broker, sent: Sent) -> Row:
    found: dict[int, list[int]] = defaultdict(list)
    known, copies = set[str](), 0
    async with reading(plain(broker.bootstrap), [INBOUND.name], doubles=True) as records:
        async for raw in records.to_the_end():
            event, copies = decode(raw.headers, raw.value), copies + 1
            if event.id not in known and isinstance(event.data, MessageReceived):
                _, sender, number = event.data.external_id.split(".")
                found[int(sender)].append(int(number))
            known.add(event.id)
    promised = sum(map(len, sent.numbers.values()))
    lost = sum(len(set(numbers) - set(found[sender])) for sender, numbers in sent.numbers.items())
    turned = sum(later < earlier for numbers in found.values() for earlier, later in pairwise(numbers))
    note = f"{promised:,} promised, {lost} lost, {turned} out of order, {copies - len(known)} copies"
    note += f", {sent.refused} refused"
    return Row("what was promised is there", promised - lost, 0.0, note)
