"""Citizens ask to be forgotten, on the whole hub: not one byte of them stays on disk beyond its time, all else stays.

A day passes in a second here: what Kafka does after a day (it closes segments and compacts them) it does after one
second, and what it does after thirty days (it deletes) it does when it is told that they are over.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from demo import town
from demo.graph import Behaviour
from deploy.kafka.broker import Broker
from deploy.kafka.ladder import own_broker
from deploy.kafka.software import KafkaMissingError
from schemas import events as e
from schemas.cloudevents import CloudEvent, encode, source_of
from schemas.parts import text_of
from schemas.topics import (
    ENTRIES,
    ERASED,
    FACTS,
    OUTBOX,
    OUTCOMES,
    RESPONDER_STATE,
    ROUTER_STATE,
    Cleanup,
)
from services.responder.intake import INPUTS as RESPONDER_INPUTS
from services.responder.rows import TABLES as RESPONDER_TABLES
from services.router.app import outputs
from services.router.handler import Router
from services.router.tables import TABLES as ROUTER_TABLES
from services.runtime.bus.connection import plain
from services.runtime.bus.plan import Plan
from services.runtime.bus.producer import Producer
from services.runtime.bus.seat import Line
from tests.kafka.house import OIN, TOPICS, House, house, queue
from tests.kafka.rig import until
from tests.needs import missing

HASTY = {
    "log.retention.check.interval.ms": "300",
    "log.cleaner.backoff.ms": "200",
    "log.initial.task.delay.ms": "300",
}
A_DAY_IS_A_SECOND = {
    "segment.ms": "1000",
    "max.compaction.lag.ms": "1000",
    "min.compaction.lag.ms": "0",
    "delete.retention.ms": "1000",
    "file.delete.delay.ms": "100",
    # What is compressed could not be looked for.
    "compression.type": "uncompressed",
}
SLOW_DOWN = Behaviour(status=400, code=131056, accept=False)
"""Meta's word for: too many messages to this one citizen."""
GONE, STAYS = 12, 8


@dataclass(frozen=True)
class Mark:
    """What stands in everything that some citizens say, and in their numbers."""

    word: str
    number: str


@dataclass(frozen=True)
class Citizen:
    """Somebody, by whatever names them."""

    mark: Mark
    n: int

    @property
    def number(self) -> str:
        return f"{self.mark.number}{self.n:02}"

    @property
    def name(self) -> str:
        return f"{self.mark.word} de {self.n}e"

    @property
    def words(self) -> str:
        return f"zegt-{self.mark.word}-{self.n}"


LEAVING, STAYING = Mark("Quokka", "316111100"), Mark("Wallaby", "316222200")
FORGOTTEN = [Citizen(LEAVING, n) for n in range(GONE)]
OTHERS = [Citizen(STAYING, n) for n in range(STAYS)]


@pytest.fixture
def hasty() -> Iterator[Broker]:
    try:
        broker = own_broker(extra=HASTY)
    except KafkaMissingError as failure:
        missing("no Kafka on this machine", str(failure))
    with broker:
        yield broker.start()


@pytest.fixture
async def hub(hasty: Broker, tmp_path: Path) -> AsyncIterator[House]:
    async with house(
        hasty.bootstrap, tmp_path, names=("router", "responder", "insight"), topics=A_DAY_IS_A_SECOND
    ) as made:
        yield made


# --- looking at the disk -------------------------------------------------------------------------------------


def spellings(text: str) -> set[bytes]:
    """A text as it is, and as it looks inside base64 at any of the three places it may begin there."""
    found = {text.encode()}
    for skipped in range(3):
        coded = b64encode(b"\0" * skipped + text.encode())
        found.add(coded[(0, 2, 3)[skipped] : len(coded) - 4])
    return found


def _folders(folder: Path, mark: Mark) -> set[str]:
    """What is renamed while we look could be missed: then look again."""
    wanted = spellings(mark.word) | spellings(mark.number)
    for _ in range(50):
        with suppress(FileNotFoundError):
            files = _files(folder)
            found = {path for path in files if any(each in path.read_bytes() for each in wanted)}
            if files == _files(folder):
                return {path.parent.name.rpartition("-")[0] or path.name for path in found}
    raise AssertionError("the files would not stand still")


def _files(folder: Path) -> set[Path]:
    """Indexes hold offsets and times, and are a megabyte of zeros each."""
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix not in {".index", ".timeindex"}}


async def found_in(folder: Path, mark: Mark) -> set[str]:
    """In the folders of which topics anything of these citizens can be read, in any file at all."""
    return await asyncio.to_thread(_folders, folder, mark)


def data(broker: Broker) -> Path:
    return broker._node.folder / "logs"


# --- time ----------------------------------------------------------------------------------------------------


async def a_day_passes(hub: House) -> None:
    """The services' own daily sign of life, in every partition where their plans say that they give it."""
    connection = plain(hub.bootstrap)
    router = Plan("router", "0", connection, Router.inputs, ROUTER_TABLES, outputs([]))
    responder = Plan("responder", "0", connection, RESPONDER_INPUTS, RESPONDER_TABLES, (OUTCOMES.name,))
    await asyncio.sleep(1.1)
    tick = CloudEvent("tick", source_of(None), datetime.now(UTC), e.HubTicked(at=datetime.now(UTC)))
    headers, value = encode(tick)
    places = {place for plan in (router, responder) for number in range(12) for place in plan.signs(number)}
    producer = Producer(connection, wait=20)
    await producer.start()
    await producer.write([Line(t, p, f"hub.ticked/{p}".encode(), value, headers) for t, p in sorted(places)])
    await producer.stop()


async def thirty_days_pass(hub: House) -> None:
    """All that deletes by age is told that the age is reached."""
    admin = AIOKafkaAdminClient(**plain(hub.bootstrap))
    await admin.start()
    over = A_DAY_IS_A_SECOND | {"retention.ms": "1"}
    content = [name for name, topic in TOPICS.items() if topic.cleanup is Cleanup.DELETE and topic is not FACTS]
    await admin.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs=over) for name in content if name != ERASED.name]
    )
    await admin.close()


# --- what happens --------------------------------------------------------------------------------------------


async def everyone_writes(hub: House) -> dict[str, str]:
    """Everyone writes and is answered; returns the conversation of each number."""
    for who in (*FORGOTTEN, *OTHERS):
        # Some say so much that the whole of it becomes a file.
        more = " en verder" * 9_000 if who.number.endswith("1") else ""
        assert await hub.writes(who.number, f"de lantaarnpaal is kapot, {who.words}{more}", name=who.name) == 200
    routed = await hub.until(queue("public-space"), e.MessageRouted, GONE + STAYS)
    return {each.message.sender.addresses[0].value.lstrip("+"): each.conversation for each in routed if each.message}


async def everyone_is_answered(hub: House, conversations: dict[str, str]) -> None:
    """Two of three answers arrive; the others wait, since Meta asks for patience."""
    for n, who in enumerate((*FORGOTTEN, *OTHERS)):
        if n % 3 == 0:
            hub.graph.behave(f"+{who.number}", *[SLOW_DOWN] * 50)
            hub.graph.behave(who.number, *[SLOW_DOWN] * 50)
        parts = [{"kind": "text", "text": f"Beste {who.name}, wij komen. {who.words}"}]
        ask = {"conversation": conversations[who.number], "answers": 1, "parts": parts}
        assert await hub.asks(e.ReplyRequested, "public-space", **ask) == 202
    arrive = [n for n in range(GONE + STAYS) if n % 3]
    await hub.until(OUTCOMES.name, e.ReplySent, len(arrive))
    await until(lambda: hub.graph.calls >= GONE + STAYS)


def counts(facts: list[e.Fact]) -> list[e.Fact]:
    """Facts that count something that somebody did."""
    return [each for each in facts if not isinstance(each, e.FactDeliveryChanged)]


COMPACTED = {ENTRIES.name, ROUTER_STATE.name, RESPONDER_STATE.name}


async def all_are_forgotten(hub: House, conversations: dict[str, str]) -> None:
    """The operator asks, and what was on its way is called back."""
    for who in FORGOTTEN:
        assert await hub.asks(e.ContactErased, conversation=conversations[who.number]) == 202
    cancelled = await hub.until(OUTCOMES.name, e.ReplyCancelled, len(range(0, GONE, 3)))
    assert {each.reason for each in cancelled} == {e.Reason.ERASED}
    await hub.until(queue("public-space"), e.MessageErased, 2 * GONE)
    erased = await hub.until(ERASED.name, e.MessageErased, 2 * GONE)
    assert {each.tenant for each in erased} == {OIN}


async def test_nothing_of_the_forgotten_is_left_on_disk_and_all_of_the_others_is(hub: House, hasty: Broker) -> None:
    conversations = await everyone_writes(hub)
    await everyone_is_answered(hub, conversations)
    before = counts(await hub.all(FACTS.name, e.Fact))
    everywhere = COMPACTED | {"inbound", OUTBOX.name, OUTCOMES.name, queue("public-space")}
    assert await found_in(data(hasty), LEAVING) >= everywhere
    assert await found_in(hub.folder / "attachments", LEAVING)

    asked = time.monotonic()
    await all_are_forgotten(hub, conversations)

    async def compacted() -> bool:
        await a_day_passes(hub)
        return not await found_in(data(hasty), LEAVING) & COMPACTED

    await until(compacted, 60)
    assert not await found_in(hub.folder, LEAVING)
    days = time.monotonic() - asked
    await thirty_days_pass(hub)

    async def over() -> bool:
        return not await found_in(hasty._node.folder, LEAVING)

    await until(over, 60)
    print(f"{GONE} of {GONE + STAYS} forgotten; history, memory and ledger clean {days:.1f} days after")  # noqa: T201
    assert await found_in(data(hasty), STAYING) >= COMPACTED
    assert await found_in(hub.folder / "attachments", STAYING)
    await others_have_their_history(hub, conversations)
    await counts_are_as_they_were(hub, before, conversations)
    await the_hub_goes_on(hub)


async def others_have_their_history(hub: House, conversations: dict[str, str]) -> None:
    history = [each for each in await hub.all(ENTRIES.name, e.EntryRecorded) if each.kind is e.EntryKind.MESSAGE]
    assert {each.conversation for each in history} == {conversations[who.number] for who in OTHERS}
    assert all(any(who.words in text_of(each.parts) for each in history) for who in OTHERS)


async def counts_are_as_they_were(hub: House, before: list[e.Fact], conversations: dict[str, str]) -> None:
    """What was counted stays; new is only that their conversations ended."""
    after = counts(await hub.all(FACTS.name, e.Fact))
    new = [each for each in after if each not in before]
    assert [each for each in after if each in before] == before
    closed = {(each.conversation, each.reason) for each in new if isinstance(each, e.FactConversationClosed)}
    assert closed == {(conversations[who.number], e.Closing.ERASED) for who in FORGOTTEN}
    assert len(new) == GONE


async def the_hub_goes_on(hub: House) -> None:
    """A forgotten citizen who writes is somebody new."""
    assert await hub.writes(FORGOTTEN[0].number, "de lantaarnpaal is weer kapot") == 200
    opened = await hub.until(FACTS.name, e.FactConversationOpened, GONE + STAYS + 1)
    assert len({each.conversation for each in opened}) == GONE + STAYS + 1


# --- the operator's verb -------------------------------------------------------------------------------------


@pytest.fixture
async def forgetful(broker: Broker, tmp_path: Path) -> AsyncIterator[House]:
    """A hub whose router forgets a closed conversation after two seconds."""
    async with house(broker.bootstrap, tmp_path, environment={"ROUTER_REOPEN_DAYS": str(2 / 86_400)}) as made:
        yield made


async def hub_erase(hub: House, conversation: str) -> list[dict[str, Any]]:
    given = {
        "KAFKA_BOOTSTRAP": hub.bootstrap,
        "HUB_TENANTS": str(hub.folder / "tenants.yaml"),
        "HUB_BRIDGE": hub.ingests[0],
        "HUB_TOKEN": town.TOKENS["operator"],
        "HUB_WAIT": "20",
    }
    command = (sys.executable, "-m", "services.hub.main", "erase", conversation, "--yes", "--json")
    ran = await asyncio.create_subprocess_exec(*command, env=dict(os.environ) | given, stdout=PIPE, stderr=PIPE)
    out, err = await ran.communicate()
    assert ran.returncode == 0, err.decode()
    return [json.loads(line) for line in out.decode().splitlines()]


async def test_an_operator_erases_also_what_the_router_has_long_forgotten(forgetful: House) -> None:
    hub, anna, bert = forgetful, FORGOTTEN[0], OTHERS[0]
    await hub.writes(anna.number, f"de lantaarnpaal is kapot, {anna.words}", name=anna.name)
    await hub.writes(bert.number, f"de lantaarnpaal is kapot, {bert.words}", name=bert.name)
    routed = await hub.until(queue("public-space"), e.MessageRouted, 2)
    [old] = [each.conversation for each in routed if each.message and anna.number in str(each.message.sender)]
    assert await hub.asks(e.ConversationClosed, conversation=old) == 202
    await hub.until(FACTS.name, e.FactConversationClosed, 1)

    async def forgotten() -> bool:
        await hub.asks(e.ConversationNoted, conversation=old, text="nog daar?")
        return bool(await hub.all(queue("triage"), e.CommandRefused))

    await until(forgotten, 30)
    await hub.writes(anna.number, f"de lantaarnpaal is kapot, {anna.words}", name=anna.name)
    new = (await hub.until(FACTS.name, e.FactConversationOpened, 3))[-1].conversation
    assert new != old

    ended = await hub_erase(hub, new)
    assert {each["conversation"]: each["outcome"] for each in ended} == {old: "erased", new: "erased"}
    last = {record.key: record.value or b"" for record in await hub.records(ENTRIES.name)}
    left = b"".join(last.values()).decode()
    assert anna.words not in left
    assert anna.number not in left
    assert bert.words in left
