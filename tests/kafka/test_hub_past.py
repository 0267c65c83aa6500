"""`hub` on a past that lies on a real broker, without a service: what does not hold is found, named by ids only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from deploy.kafka.broker import Broker
from schemas import events as e
from schemas.cloudevents import encode
from schemas.topics import expand
from services.hub.desk import Desk
from services.hub.errors import Exit
from services.hub.main import verbs
from services.hub.settings import HubSettings
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.producer import Producer
from services.runtime.bus.seat import Headers, Line
from services.runtime.process.clock import SystemClock
from tests.hub.past import DEPARTMENTS, KEY, NAMES, Lying, busy_day

Hub = Callable[..., Result]
PAST = busy_day()
TAXONOMY = Path(__file__).parents[1] / "router" / "taxonomy.yaml"


def tenants(folder: Path) -> Path:
    """Their taxonomy is the one that the past was made with."""
    file = folder / "tenants.yaml"
    served = [
        {"name": name, "oin": oin, "title": name, "secret": f"{KEY!r}", "taxonomy": str(TAXONOMY)}
        for oin, name in NAMES.items()
    ]
    file.write_text(yaml.safe_dump({"tenants": served}))
    return file


def line(lying: Lying, extra: Headers = []) -> Line:  # noqa: B006 - never changed
    headers, value = encode(lying.event)
    data = lying.event.data
    key = f"{data.conversation}/{data.number}" if isinstance(data, e.EntryRecorded) else lying.event.id
    return Line(lying.topic, lying.partition, key.encode(), value, [*headers, *extra])


@pytest.fixture
async def producer(broker: Broker) -> AsyncIterator[Producer]:
    connection = plain(broker.bootstrap)
    await make_topics(connection, expand((name, DEPARTMENTS) for name in NAMES.values()))
    made = Producer(connection, wait=20)
    await made.start()
    try:
        await made.write([line(lying) for lying in PAST])
        yield made
    finally:
        await made.stop()


@pytest.fixture
def hub(broker: Broker, tmp_path: Path) -> Hub:
    settings = HubSettings(tenants=tenants(tmp_path), wait=0.1)
    desk = Desk(settings, plain(broker.bootstrap), SystemClock(), chance=lambda: "by-chance")
    return lambda *words: CliRunner().invoke(verbs, list(words), obj=desk)


async def test_a_past_is_read_judged_and_shown(hub: Hub, producer: Producer) -> None:
    good = await asyncio.to_thread(hub, "check")
    assert good.exit_code == Exit.OK, good.stdout
    assert "findings: 0" in good.stdout
    topics = await asyncio.to_thread(hub, "topics")
    assert topics.exit_code == Exit.OK, topics.stdout
    lag = await asyncio.to_thread(hub, "lag")
    inbound = sum(each.topic == "inbound" for each in PAST)
    assert f"inbound  {inbound}" in " ".join(lag.stdout.split()).replace("inbound ", "inbound  ")
    tail = await asyncio.to_thread(hub, "tail", "waste", "--tenant", "town", "--from-start")
    queued = [each for each in PAST if each.topic == "department.town.waste"]
    assert len(tail.stdout.splitlines()) == len(queued)

    routed = next(each for each in PAST if isinstance(each.event.data, e.MessageRouted))
    doubled = routed._replace(event=replace(routed.event, id="another"))
    await producer.write([line(doubled, [("ce_Owner", b"x")])])
    await producer.write([Line("facts", 0, b"k", b"no event", [])])
    bad = await asyncio.to_thread(hub, "check")
    assert bad.exit_code == Exit.FOUND
    assert "I2 message twice on a queue" in bad.stdout
    assert "I1 record that nobody can read, and no dead letter: facts/0/" in bad.stdout
    assert "NLGOV nl.berichtenhub.message.routed.v1 Owner: not a name of the profile (1 records)" in bad.stdout
    assert "lantaarn" not in bad.stdout
