"""`hub` on a living hub: an operator looks, answers, is refused, finds a record set aside and puts it back."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from typer.testing import CliRunner

from demo import town
from deploy.kafka.ladder import own_broker
from deploy.kafka.software import KafkaMissingError
from schemas import events as e
from schemas.topics import INBOUND, expand
from services.hub.errors import Exit
from services.hub.main import verbs
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import Start, reading
from services.runtime.bus.seat import Line
from tests.kafka.house import DEPARTMENTS, House, house, queue
from tests.kafka.rig import until
from tests.needs import missing

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBERS = count(1)
LAMP, GFT = "de lantaarnpaal voor mijn deur is kapot", "onze gft-bak is niet geleegd"
NEW_OIN = "00000001823288446000"


@dataclass(frozen=True)
class Ended:
    """How a call of `hub` ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Operator:
    """Somebody with a terminal, beside a hub that runs."""

    house: House
    folder: Path

    async def hub(self, *words: str, token: str = town.TOKENS["operator"]) -> Ended:
        """Type `hub` and these words."""
        environment = {
            "KAFKA_BOOTSTRAP": self.house.bootstrap,
            "HUB_TENANTS": str(self.folder / "tenants.yaml"),
            "HUB_BRIDGE": self.house.ingests[0],
            "HUB_TOKEN": token,
        }
        ended = await asyncio.to_thread(CliRunner().invoke, verbs, list(words), env=environment)
        return Ended(ended.exit_code, ended.stdout, ended.stderr)

    async def writes(self, text: str) -> e.MessageRouted:
        """Have somebody new write; returns what came to a department."""
        sender = f"316{next(NUMBERS):08}"
        await self.house.writes(sender, text)
        return await self._routed(f"+{sender}")

    async def _routed(self, sender: str) -> e.MessageRouted:
        topics = [queue(department) for department in DEPARTMENTS]

        async def found() -> bool:
            return bool(await theirs())

        async def theirs() -> list[e.MessageRouted]:
            routed = [each for topic in topics for each in await self.house.all(topic, e.MessageRouted)]
            return [each for each in routed if each.message and each.message.sender.addresses[0].value == sender]

        await until(found)
        return (await theirs())[-1]

    async def sound(self) -> dict[str, Any]:
        """Have everything checked, and find nothing; returns the account of Zonnedael."""
        ended = await self.hub("check", "--json")
        assert (ended.code, ended.lines[0]["findings"]) == (Exit.OK, []), ended
        account: dict[str, Any] = ended.lines[0]["accounts"][0]
        return account


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Operator]:
    """One hub for all tests here: each has citizens of its own."""
    folder = tmp_path_factory.mktemp("hub")
    try:
        broker = own_broker()
    except KafkaMissingError as failure:
        missing("no Kafka on this machine", str(failure))
    with broker:
        async with house(broker.start().bootstrap, folder) as built:
            yield Operator(built, folder)


async def test_an_operator_sees_what_is_where(operator: Operator) -> None:
    routed = await operator.writes(LAMP)
    topics = await operator.hub("topics", "--json")
    found = {row["topic"]: row for row in topics.lines}
    assert topics.code == Exit.OK
    assert 0 <= found["inbound"]["newest_seconds"] <= found["inbound"]["oldest_seconds"] < 120
    assert found["department.maandorp.waste"]["oldest_seconds"] is None
    tail = await operator.hub("tail", "public-space", "--json", "--from-start")
    texts = {line["data"]["conversation"]: line["data"]["message"]["parts"][0]["text"] for line in tail.lines}
    assert texts[routed.conversation] == LAMP
    assert f"nieuw bericht {routed.conversation} #1  {LAMP}" in (await operator.hub("tail", "public-space")).out
    assert (await operator.hub("tail", "public-space", "--tenant", "maandorp")).out == ""


async def test_nobody_is_behind(operator: Operator) -> None:
    await operator.writes(LAMP)

    async def all_is_read() -> bool:
        lag = await operator.hub("lag", "--json")
        return all(row["records"] == 0 for row in lag.lines if row["group"] != "insight")

    await until(all_is_read)
    assert (await operator.hub("lag", "--most-seconds", "600")).code == Exit.OK


async def test_an_operator_answers_and_is_told_what_became_of_it(operator: Operator) -> None:
    routed = await operator.writes(LAMP)
    conversation, mine = routed.conversation, ("--id", f"mine-{routed.reference}", "--agent", "jan", "--json")
    first = await operator.hub("reply", conversation, "Wij komen eraan.", *mine)
    assert (first.code, first.lines[0]["outcome"], first.lines[0]["number"]) == (Exit.OK, "done", 2)
    assert (await operator.hub("reply", conversation, "Wij komen eraan.", *mine)).lines == first.lines
    second = await operator.hub("reply", routed.reference, "Iets anders.", "--answers", "1", "--agent", "piet")
    assert second.code == Exit.FOUND
    assert "refused (answered-already)" in second.out
    assert "Uw collega schreef: Wij komen eraan." in second.out
    traced = await operator.hub("trace", first.lines[0]["reply"], "--json")
    assert {hop["type"] for hop in traced.lines} >= {"reply.requested", "send.requested"}
    assert "Wij komen" not in traced.out
    await operator.sound()


async def test_every_command_is_done_and_stands_in_the_history(operator: Operator) -> None:
    conversation = (await operator.writes(LAMP)).conversation
    for words in (
        ("claim", conversation),
        ("note", conversation, "even bellen"),
        ("release", conversation),
        ("correct", conversation, "waste", "--note", "de kliko"),
        ("hand-over", conversation, "kcc", "--note", "graag bellen"),
        ("close", conversation),
    ):
        ended = await operator.hub(*words)
        assert (ended.code, ended.err) == (Exit.OK, ""), words
    entries = await operator.house.all("entries", e.EntryRecorded)
    kinds = {each.number: each.kind.value for each in entries if each.conversation == conversation}
    assert list(kinds.values()) == ["message", "claim", "note", "release", "correction", "hand-over", "close"]
    await operator.sound()


@pytest.mark.parametrize(
    ("words", "token", "code", "said"),
    [
        pytest.param(
            ("close", "no-such"), None, Exit.WRONG_USE, "no conversation is called no-such", id="no conversation"
        ),
        pytest.param(("tail", "no-such"), None, Exit.WRONG_USE, "there are kcc, public-space", id="no department"),
        pytest.param(("note", "?", "x"), "false", Exit.WRONG_USE, "the bridge answers 401", id="a token of nobody"),
        pytest.param(("close", "?"), town.TOKENS["waste"], Exit.FOUND, "", id="a conversation of another department"),
        pytest.param(
            ("--bridge", "http://127.0.0.1:1", "close", "?"), None, Exit.UNREACHABLE, "HUB_BRIDGE", id="no bridge"
        ),
    ],
)
async def test_what_cannot_be_done_is_said_so(
    words: tuple[str, ...], token: str | None, code: Exit, said: str, operator: Operator
) -> None:
    conversation = (await operator.writes(LAMP)).conversation
    typed = [conversation if word == "?" else word for word in words]
    ended = await operator.hub(*typed, token=token or town.TOKENS["operator"])
    assert ended.code == code, ended
    assert said in ended.err


async def test_while_the_router_stands_still_nothing_is_lost_but_under_way(operator: Operator) -> None:
    conversation = (await operator.writes(LAMP)).conversation
    router = operator.house.services["router"].pid
    os.kill(router, signal.SIGSTOP)
    try:
        await operator.house.writes(f"316{next(NUMBERS):08}", GFT)
        unheard = await operator.hub("--wait", "1", "note", conversation, "even bellen", "--json")
        assert (unheard.code, unheard.lines[0]["outcome"]) == (Exit.UNREACHABLE, "unknown")
        assert (await operator.hub("lag", "--most-seconds", "0.1")).code == Exit.FOUND
        account = await operator.sound()
        assert (account["under_way"], account["missing"]) == (1, 0)
    finally:
        os.kill(router, signal.SIGCONT)
    await operator.writes(GFT)
    assert (await operator.sound())["under_way"] == 0


async def test_a_dead_letter_is_put_back_once(operator: Operator) -> None:
    """A message of a municipality that was not served yet: afterwards it is, and nothing was lost."""
    await operator.writes(LAMP)
    await _move_to(operator, NEW_OIN)
    await operator.house.until("dead-letters", e.RecordSetAside, 1)

    listed = await operator.hub("dead-letters", "list", "--json")
    (letter,) = listed.lines
    assert (listed.code, letter["origin"].split("/")[0], letter["replayed"]) == (Exit.FOUND, "inbound", None)
    shown = await operator.hub("dead-letters", "show", letter["id"][:8])
    assert "can be put back: yes" in shown.out
    assert LAMP not in shown.out
    assert LAMP in (await operator.hub("dead-letters", "show", letter["id"], "--content")).out

    await _serve(operator, "nieuwdorp", NEW_OIN)
    back = await operator.hub("dead-letters", "replay", letter["id"])
    assert (back.code, back.err) == (Exit.OK, "")
    again = await operator.hub("dead-letters", "replay", letter["id"])
    assert again.code == Exit.FOUND
    assert "it happens once" in again.err
    await operator.house.until("department.nieuwdorp.public-space", e.MessageRouted, 1)
    assert (await operator.hub("dead-letters", "list")).code == Exit.OK
    checked = (await operator.hub("check", "--json")).lines[0]
    account = next(each for each in checked["accounts"] if each["tenant"] == NEW_OIN)
    assert (account["received"], account["set_aside"], account["open"], checked["findings"]) == (1, 0, 1, [])


async def test_following_a_queue_shows_what_was_there_and_what_comes(operator: Operator) -> None:
    before = await operator.writes(GFT)
    tail = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.hub.main", "tail", "waste", "--from-start", "--follow", "--json"),
        env=os.environ | {"KAFKA_BOOTSTRAP": operator.house.bootstrap},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await _shown(tail, before.conversation)
        await _shown(tail, (await operator.writes(GFT)).conversation)
    finally:
        tail.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(tail.wait(), 20) == Exit.OK


async def _shown(tail: asyncio.subprocess.Process, conversation: str) -> None:
    assert tail.stdout
    async with asyncio.timeout(30):
        while json.loads(await tail.stdout.readline())["data"].get("conversation") != conversation:
            pass


async def _write(operator: Operator, lines: list[Line]) -> None:
    producer = Producer(plain(operator.house.bootstrap), wait=20)
    await producer.start()
    await producer.write(lines)
    await producer.stop()


async def _move_to(operator: Operator, oin: str) -> None:
    """Write what Anna wrote once more, as another municipality's."""
    async with reading(plain(operator.house.bootstrap), [INBOUND.name], Start.BEGINNING) as reader:
        records = [each async for each in reader.to_the_end()]
    record = next(each for each in records if dict(each.headers)["ce_type"] == e.MessageReceived.TYPE.encode())
    value = (record.value or b"").replace(town.OIN.encode(), oin.encode())
    value = value.replace(_message(value).encode(), b"another-message")
    headers = [(name, given.replace(town.OIN.encode(), oin.encode())) for name, given in record.headers]
    headers = [(name, b"another-message" if name == "ce_id" else given) for name, given in headers]
    await _write(operator, [Line(INBOUND.name, 0, b"another-message", value, headers)])


def _message(value: bytes) -> str:
    return str(json.loads(value)["message"])


async def _serve(operator: Operator, name: str, oin: str) -> None:
    """Have another municipality served: a line in the file, its topics, and a router that has read both."""
    path = operator.folder / "tenants.yaml"
    document = yaml.safe_load(path.read_text())
    document["tenants"].append({"name": name, "oin": oin, "title": name, "secret": "z" * 32})
    path.write_text(yaml.safe_dump(document))
    unmade = await operator.hub("topics")
    assert unmade.code == Exit.FOUND
    assert "partitions: no topic, not 3" in unmade.out
    await make_topics(plain(operator.house.bootstrap), expand([(name, DEPARTMENTS)]))
    router = operator.house.services["router"]
    lives = router.lives
    router.kill()
    await until(lambda: router.lives > lives)
    await operator.house.services.wait_ready(router)
