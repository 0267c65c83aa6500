"""The router as a process, on a real broker: killed in the middle it loses and doubles nothing, and keeps the order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest
import yaml

from deploy.kafka.broker import Broker
from schemas import events as e
from schemas.cloudevents import CloudEvent, decode
from schemas.events import Author, Event
from schemas.ids import message_id
from schemas.parts import Address, AddressKind, Text
from schemas.topics import ENTRIES, FACTS, OUTBOX, department_topic, expand
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import reading
from tests.router.town import LAMP, OIN, TAXONOMY, WASTE, WHATSAPP

CITIZENS, MESSAGES = 30, 6
TOWN = {
    "name": "town",
    "oin": OIN,
    "title": "Town",
    "secret": "z" * 32,
    "taxonomy": str(Path(__file__).parents[1] / "router" / "taxonomy.yaml"),
    "inboxes": [{"name": WHATSAPP.inbox, "channel": "whatsapp", "provider": "meta", "account": "1"}],
}
E = TypeVar("E", bound=Event)


class Process:
    """`python -m services.router`, started as often as it is killed."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._folder = folder
        (folder / "tenants.yaml").write_text(yaml.safe_dump({"tenants": [TOWN]}))
        self._environment = os.environ | {"KAFKA_BOOTSTRAP": bootstrap, "HUB_TENANTS": str(folder / "tenants.yaml")}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            program = [sys.executable, "-m", "services.router"]
            self.process = subprocess.Popen(program, env=self._environment, stderr=log)
        return self.process

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()


@contextlib.contextmanager
def a_router(broker: Broker, folder: Path) -> Iterator[Process]:
    process = Process(broker.bootstrap, folder)
    yield process
    process.kill()


@pytest.fixture
def router(broker: Broker, tmp_path: Path) -> Iterator[Process]:
    with a_router(broker, tmp_path) as process:
        yield process


@pytest.fixture
async def producer(broker: Broker) -> AsyncIterator[Producer]:
    made = Producer(plain(broker.bootstrap), wait=20)
    await make_topics(plain(broker.bootstrap), expand([("town", TAXONOMY.titles)]))
    await made.start()
    yield made
    await made.stop()


def inbound(data: Event, name: str) -> Outgoing:
    return Outgoing("inbound", name, OIN, CloudEvent(name, "town-desk", datetime.now(UTC), data))


def written(citizen: int, number: int) -> Outgoing:
    """One message of one citizen, about one of two matters."""
    now, external_id = datetime.now(UTC), f"wamid.{citizen}.{number}"
    data = e.MessageReceived(
        tenant=OIN,
        message=message_id(b"z" * 32, "whatsapp", WHATSAPP.inbox, external_id),
        via=WHATSAPP,
        sender=e.Sender(addresses=(Address(kind=AddressKind.TEL, value=f"+316{citizen:08d}"),)),
        external_id=external_id,
        parts=(Text(text=LAMP if citizen % 2 else WASTE),),
        times=e.Times(happened=now, received=now),
    )
    return inbound(data, data.message)


def answered(conversation: str) -> Outgoing:
    by = Author(publisher="town-desk")
    data = e.ReplyRequested(tenant=OIN, author=by, conversation=conversation, parts=(Text(text="Morgen."),), answers=1)
    return inbound(data, f"reply-{conversation}")


async def on(broker: Broker, kind: type[E], *topics: str) -> list[E]:
    """Every event of a kind on topics, doubles too, in the order of each partition."""
    async with reading(plain(broker.bootstrap), topics, doubles=True) as reader:
        found = [decode(raw.headers, raw.value).data async for raw in reader.to_the_end() if raw.value]
    return [each for each in found if isinstance(each, kind)]


async def until(broker: Broker, router: Process, kind: type[E], count: int, *topics: str) -> list[E]:
    async with asyncio.timeout(90):
        while len(found := await on(broker, kind, *topics)) < count:
            assert router.lives, router.log
            await asyncio.sleep(0.1)
    return found


async def test_a_kill_in_the_middle_changes_nothing(broker: Broker, router: Process, producer: Producer) -> None:
    queues = [department_topic("town", each) for each in TAXONOMY.titles]
    router.start()
    for number in range(MESSAGES):
        await producer.publish([written(citizen, number) for citizen in range(CITIZENS)])
        if number in {1, 3}:
            await until(broker, router, e.MessageRouted, number * CITIZENS, *queues)
            router.kill()
            router.start()
    routed = await until(broker, router, e.MessageRouted, CITIZENS * MESSAGES, *queues)
    by_conversation: dict[str, list[int]] = defaultdict(list)
    for each in routed:
        by_conversation[each.conversation].append(each.number)
    assert sorted(by_conversation.values()) == [list(range(1, MESSAGES + 1))] * CITIZENS

    await producer.publish([answered(each) for each in by_conversation])
    router.kill()
    router.start()
    sends = await until(broker, router, e.SendRequested, CITIZENS, OUTBOX.name)
    assert sorted(each.conversation for each in sends) == sorted(by_conversation)
    assert len(await on(broker, e.FactMessageReceived, FACTS.name)) == CITIZENS * MESSAGES
    assert len(await on(broker, e.EntryRecorded, ENTRIES.name)) == CITIZENS * (MESSAGES + 1)


async def test_without_the_topic_of_a_department_it_does_not_start(broker: Broker, router: Process) -> None:
    topics = dict(expand([("town", TAXONOMY.titles)]))
    del topics["department.town.waste"]
    await make_topics(plain(broker.bootstrap), topics.items())
    assert await asyncio.to_thread(router.start().wait, 60) == 1
    assert "department.town.waste" in router.log


def test_a_taxonomy_that_is_wrong_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "departments.yaml").write_text("version: 1\n")
    town = TOWN | {"taxonomy": "departments.yaml"}
    router = Process("127.0.0.1:1", tmp_path)
    (tmp_path / "tenants.yaml").write_text(yaml.safe_dump({"tenants": [town]}))
    assert router.start().wait(60) == 1
    assert "departments.yaml:1" in router.log
