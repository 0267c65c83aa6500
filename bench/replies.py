"""How fast replies leave, what a provider that says nothing does to others, and what follows an outage."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from pathlib import Path

import yaml

from bench.process import Weighed, running
from bench.provider import Provider
from bench.rates import Row
from demo.processes import free_port
from deploy.kafka.ladder import own_broker
from schemas.cloudevents import CloudEvent, source_of
from schemas.events import SendRequested, Via
from schemas.parts import Address, AddressKind, Text
from schemas.topics import DEAD_LETTERS, OUTBOX, OUTBOX_BULK, OUTCOMES, RESPONDER_STATE
from services.runtime.bus.admin import make_topics
from services.runtime.bus.batches import partition_of
from services.runtime.bus.connection import plain
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.producer import Producer

OIN = "00000001823288000000"
TOPICS = [(topic.name, topic) for topic in (OUTBOX, OUTBOX_BULK, OUTCOMES, DEAD_LETTERS, RESPONDER_STATE)]
CHUNK = 2_000
INBOXES = [f"inbox-{number}" for number in range(24)]

STEADY_RATE, STEADY_SECONDS, TURNS = 100, 4, 5
OUTAGE = 20.0
STORM, STORM_RATE = 10_000, 500.0


def responder(folder: Path, count: int) -> Iterator[Row]:
    """Measure all three."""
    yield from _rate(folder / "rate", count)
    yield from _stalled(folder / "stalled")
    yield from _storm(folder / "storm")


# --- how fast ------------------------------------------------------------------------------------------------


def _rate(folder: Path, count: int) -> Iterator[Row]:
    with Provider() as provider, _kafka(folder) as bootstrap:
        provider.open()
        environment = _environment(folder, bootstrap, provider.port, dict.fromkeys(INBOXES, 100_000.0))
        asyncio.run(_publish(bootstrap, [_asked(INBOXES[n % len(INBOXES)], n) for n in range(count)]))
        with running("services.responder", environment, folder / "responder.log") as weighed:
            weighed.wait_ready()
            rate, cpu = _until(weighed, count)
            note = f"{1e6 / cpu:,.0f}/s per core, {weighed.rss():.0f} MiB"
            yield Row("responder, provider of 20 ms", rate, cpu, note)


def _until(weighed: Weighed, count: int) -> tuple[float, float]:
    """Return the rate, and the CPU microseconds of one reply, from soon after the first to the last."""
    while (first := weighed.total("hub_sends_total")) < count / 20:
        time.sleep(0.02)
    began, cpu = time.perf_counter(), weighed.cpu()
    while (done := weighed.total("hub_sends_total")) < count:
        time.sleep(0.2)
    return (done - first) / (time.perf_counter() - began), (weighed.cpu() - cpu) / (done - first) * 1e6


# --- a provider that says nothing ----------------------------------------------------------------------------


def _stalled(folder: Path) -> Iterator[Row]:
    """In turns: alone, and beside an inbox of the same partition number whose calls hang."""
    busy, stalled = "druk", _in_the_same_number_as("druk")
    with Provider() as provider, _kafka(folder) as bootstrap:
        provider.open()
        environment = _environment(folder, bootstrap, provider.port, {busy: 1_000.0, stalled: 1_000.0})
        with running("services.responder", environment, folder / "responder.log") as weighed:
            weighed.wait_ready()
            alone, beside = asyncio.run(_turns(bootstrap, provider, busy, stalled))
    # Each turn is compared with the one before it: what else the machine does changes within seconds.
    ratios = sorted(_p99(later) / _p99(earlier) for earlier, later in zip(alone, beside, strict=True))
    spread = f"p99 x {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f} over {TURNS} turns)"
    yield Row("reply to provider, alone", STEADY_RATE, 0.0, _times(list(chain(*alone))))
    yield Row(
        "reply to provider, beside a stalled inbox", STEADY_RATE, 0.0, f"{_times(list(chain(*beside)))}; {spread}"
    )


async def _turns(
    bootstrap: str, provider: Provider, busy: str, stalled: str
) -> tuple[list[list[float]], list[list[float]]]:
    alone, beside = list[list[float]](), list[list[float]]()
    await _steadily(bootstrap, provider, busy, 1)  # connections, and code that is run for the first time
    for turn in range(TURNS):
        alone.append(await _steadily(bootstrap, provider, busy, STEADY_SECONDS))
        provider.stalled.add(stalled)
        await _publish(bootstrap, [_asked(stalled, turn * 1_000 + n) for n in range(100)])
        beside.append(await _steadily(bootstrap, provider, busy, STEADY_SECONDS))
        provider.release()
        await asyncio.sleep(1)
    return alone, beside


async def _steadily(bootstrap: str, provider: Provider, inbox: str, seconds: int) -> list[float]:
    """Ask for replies at an even rate; returns how long each took to reach the provider."""
    asked, start = dict[str, float](), time.monotonic_ns()
    provider.calls[inbox].clear()
    producer = Producer(plain(bootstrap), wait=60)
    await producer.start()
    began = time.monotonic()
    tasks = []
    for n in range(seconds * STEADY_RATE):
        await asyncio.sleep(max(0.0, began + n / STEADY_RATE - time.monotonic()))
        outgoing = _asked(inbox, start + n)
        asked[outgoing.key] = time.monotonic()
        tasks.append(asyncio.create_task(producer.publish([outgoing])))
    await asyncio.gather(*tasks)
    await producer.stop()
    while len(provider.calls[inbox]) < len(asked):  # noqa: ASYNC110 - it counts on a thread of its own
        await asyncio.sleep(0.05)
    return [at - asked[ours.split(".")[0]] for at, ours in provider.calls[inbox]]


def _in_the_same_number_as(inbox: str) -> str:
    wanted = partition_of(inbox, OUTBOX.partitions)
    return next(name for n in range(1_000) if partition_of(name := f"stil-{n}", OUTBOX.partitions) == wanted)


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def _times(times: list[float]) -> str:
    return f"p50 {statistics.median(times) * 1000:.0f} ms, p99 {_p99(times) * 1000:.0f} ms"


# --- after an outage -----------------------------------------------------------------------------------------


def _storm(folder: Path) -> Iterator[Row]:
    """Many wait for a provider whose door is shut; then it opens."""
    port = free_port()
    with Provider() as provider, _kafka(folder) as bootstrap:
        environment = _environment(folder, bootstrap, port, {"storm": STORM_RATE})
        asyncio.run(_publish(bootstrap, [_asked("storm", n) for n in range(STORM)]))
        with running("services.responder", environment, folder / "responder.log") as weighed:
            weighed.wait_ready()
            while weighed.total("hub_sends_waiting") < STORM:
                time.sleep(0.1)
            before, cpu = weighed.total("hub_sends_total"), weighed.cpu()
            time.sleep(OUTAGE)
            vain, idle = weighed.total("hub_sends_total") - before, (weighed.cpu() - cpu) / OUTAGE
            provider.open(port)
            opened = time.monotonic()
            while len(provider.calls["storm"]) < STORM:
                time.sleep(0.1)
    times = sorted(at - opened for at, _ours in provider.calls["storm"])
    seconds = Counter(int(at - times[0]) for at in times)
    note = (
        f"{vain:.0f} attempts in {OUTAGE:.0f} s at {idle:.0%} of a core; first after {times[0]:.2f} s; "
        f"fullest second {max(seconds.values())}"
    )
    yield Row(f"{STORM} waiting, {STORM_RATE:.0f}/s allowed", len(times) / (times[-1] - times[0]), 0.0, note)


# --- what it is measured with --------------------------------------------------------------------------------


@contextmanager
def _kafka(folder: Path) -> Iterator[str]:
    folder.mkdir(parents=True, exist_ok=True)
    with own_broker(folder / "kafka") as broker:
        broker.start()
        asyncio.run(make_topics(plain(broker.bootstrap), TOPICS))
        yield broker.bootstrap


def _environment(folder: Path, bootstrap: str, port: int, rates: dict[str, float]) -> dict[str, str]:
    settings = {"base_url": f"http://127.0.0.1:{port}", "token": "t"}
    inboxes = [
        {"name": name, "channel": "whatsapp", "provider": "meta", "account": name, "settings": settings}
        | {"rate": rate, "width": 32}
        for name, rate in rates.items()
    ]
    secret = hashlib.sha256(b"replies").hexdigest()
    tenant = {"name": "gemeente", "oin": OIN, "title": "Gemeente", "secret": secret, "inboxes": inboxes}
    path = folder / "tenants.yaml"
    path.write_text(yaml.safe_dump({"tenants": [tenant]}))
    return {"KAFKA_BOOTSTRAP": bootstrap, "HUB_TENANTS": str(path)}


def _asked(inbox: str, number: int) -> Outgoing:
    data = SendRequested(
        tenant=OIN,
        reply=f"{inbox}-{number}",
        conversation=f"conversation-{number}",
        via=Via(channel="whatsapp", provider="meta", inbox=inbox),
        address=Address(kind=AddressKind.TEL, value=f"+316{number % 10**8:08d}"),
        parts=(Text(text="Dank voor uw melding. Een collega komt morgen kijken; u hoort van ons wat zij vond."),),
        not_after=datetime.now(UTC) + timedelta(hours=72),
    )
    event = CloudEvent(f"send-{data.reply}", source_of(OIN), datetime.now(UTC), data)
    return Outgoing(OUTBOX.name, data.reply, inbox, event)


async def _publish(bootstrap: str, outgoings: list[Outgoing]) -> None:
    producer = Producer(plain(bootstrap), wait=60)
    await producer.start()
    source = iter(outgoings)
    while chunk := list(islice(source, CHUNK)):
        await producer.publish(chunk)
    await producer.stop()
