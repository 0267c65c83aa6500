"""Insight as a process on a real broker: killed in the middle, started again, made to forget; it says what is so."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from deploy.kafka.broker import Broker
from schemas.cloudevents import CloudEvent, decode, source_of
from schemas.events import EntryKind, EntryRecorded, Fact, RecordSetAside
from schemas.topics import DEAD_LETTERS, ENTRIES, FACTS
from services.runtime.bus.batches import Encoder
from services.runtime.bus.connection import plain
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Line
from tests.insight.facts import NINE, opened, received
from tests.kafka.insight_rig import Insight, insight_on, stories
from tests.kafka.rig import until


@pytest.fixture
async def insight(bootstrap: str, tmp_path: Path) -> AsyncIterator[Insight]:
    async with insight_on(bootstrap, tmp_path) as insight:
        yield insight


@pytest.mark.chaos
async def test_killed_again_and_again_it_comes_to_say_what_is_so(insight: Insight) -> None:
    insight.start()
    await insight.publish([*stories(insight.oin, 0, 50)])
    await until(lambda: _has_received(insight, 1))
    for life in range(1, 4):
        writing = asyncio.create_task(insight.publish([*stories(insight.oin, life * 200, 200)]))
        before = await insight.received()
        await until(lambda at_least=before + 1: _has_received(insight, at_least))  # type: ignore[misc]
        insight.kill()
        await writing
        insight.start()
        await until(lambda: _has_received(insight, 0))
    await insight.comes_to_say(await insight.expected())
    assert await insight.received() == 650


async def test_made_to_forget_everything_it_counts_it_all_again_to_the_same(insight: Insight) -> None:
    await insight.publish([*stories(insight.oin, 0, 80)])
    insight.start()
    expected = await insight.expected()
    await insight.comes_to_say(expected)
    assert await insight.stop() == 0
    assert await insight.reset() == 0
    assert await rows(insight) == {}
    insight.start()
    await insight.comes_to_say(expected)
    assert await insight.received() == 80


async def test_it_does_not_forget_while_it_runs(insight: Insight) -> None:
    await insight.publish([*stories(insight.oin, 0, 5)])
    insight.start()
    await until(lambda: _has_received(insight, 5))
    assert await insight.reset(seconds=1) == 1
    assert await insight.received() == 5


async def test_started_again_it_knows_everything_from_its_changelogs_and_reads_no_fact_twice(insight: Insight) -> None:
    await insight.publish([*stories(insight.oin, 0, 40)])
    insight.start()
    expected = await insight.expected()
    await insight.comes_to_say(expected)
    assert await insight.stop() == 0
    insight.start()
    await insight.comes_to_say(expected)
    assert 'hub_records_total{service="insight"' not in await insight.metrics()


async def test_on_a_busy_machine_its_tables_come_back_too(insight: Insight) -> None:
    await insight.publish([*stories(insight.oin, 0, 10)])
    insight.start()
    await until(lambda: _has_received(insight, 10))
    insight.kill()
    insight.start("tests.kafka.insight_slow")
    await until(lambda: _has_received(insight, 10))


async def test_what_was_taken_back_before_it_was_committed_is_never_counted(insight: Insight) -> None:
    insight.start()
    on: dict[str, Any] = {"tenant": insight.oin}
    await insight.publish([opened(**on), received(**on)])
    await _aborted(insight, [received(1, **on)])
    await insight.publish([received(2, **on)])
    await until(lambda: _has_received(insight, 2))
    await insight.comes_to_say(await insight.expected())
    assert await insight.received() == 2


async def test_what_cannot_be_read_is_set_aside_and_the_next_fact_counts(insight: Insight) -> None:
    insight.start()
    good = received(tenant=insight.oin)
    bad = AIOKafkaProducer(bootstrap_servers=insight.bootstrap)
    await bad.start()
    line = _line(insight, good)
    name = f"geen feit {insight.oin}".encode()
    await bad.send_and_wait(FACTS.name, name, partition=line.partition)
    await bad.stop()
    await insight.publish([good])
    await until(lambda: _has_received(insight, 1))
    async with reading(plain(insight.bootstrap), [DEAD_LETTERS.name]) as reader:
        letters = [decode(raw.headers, raw.value).data async for raw in reader.to_the_end()]
    found = [each for each in letters if isinstance(each, RecordSetAside) and each.origin.topic == FACTS.name]
    assert [each.reason for each in found].count("header ce_type names no event of the hub") >= 1


async def test_prometheus_sees_the_same_after_a_kill(insight: Insight) -> None:
    await insight.publish([*stories(insight.oin, 0, 40)])
    insight.start()
    await until(lambda: _has_received(insight, 40))
    before = [line for line in (await insight.metrics()).splitlines() if "first_response" in line]
    assert any('tenant="zonnedael"' in line for line in before)
    insight.kill()
    insight.start()
    await until(lambda: _has_received(insight, 40))
    assert [line for line in (await insight.metrics()).splitlines() if "first_response" in line] == before


async def test_a_history_is_shown_to_its_department_and_to_nobody_else(insight: Insight) -> None:
    insight.start()
    lines = [entry(insight, number, f"regel {number}") for number in (1, 2, 3)]
    other = entry(insight, 1, "van een ander", conversation=f"{lines[0].conversation}0")
    await insight.publish([*lines, other, entry(insight, 2, "regel 2, veranderd")], ENTRIES.name)
    path = f"/conversations/{lines[0].conversation}"
    assert (await insight.get(path, "kcc"))[0] == 403
    assert (await insight.get("/conversations/nergens"))[0] == 404
    for who in ("waste", "desk"):
        status, found = await insight.get(path, who)
        assert (status, found["department"]) == (200, "waste")
        assert [each["text"] for each in found["entries"]] == ["regel 1", "regel 2, veranderd", "regel 3"]
    log = insight.log.read_text()
    assert "regel" not in log
    assert [line["outcome"] for line in insight.lines() if line["event"] == "history_read"] == [
        *("refused", "shown", "shown")
    ]


# --- ending ----------------------------------------------------------------------------------------------------


async def test_told_to_stop_while_its_broker_does_not_answer_yet_it_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(20)
        async with aiohttp.ClientSession() as http:
            insight = Insight(":".join(map(str, mute.getsockname())), tmp_path, http, None)  # type: ignore[arg-type]
            insight.start()
            with mute.accept()[0]:
                assert await insight.stop() == 0


async def test_told_to_stop_while_it_joins_its_group_and_the_broker_falls_silent_it_ends(
    broker: Broker, tmp_path: Path
) -> None:
    async with insight_on(broker.bootstrap, tmp_path) as insight:
        insight.start()
        await insight.logged("http_listening")
        broker.pause()
        try:
            assert await insight.stop() == 0
        finally:
            broker.resume()


async def test_without_its_topics_it_says_so_and_ends(broker: Broker, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        insight = Insight(broker.bootstrap, tmp_path, http, None)  # type: ignore[arg-type]
        insight.start()
        assert insight.process
        assert await asyncio.to_thread(insight.process.wait, 20) == 1
        why = next(line["why"] for line in insight.lines() if line["event"] == "process_gave_up")
        assert why.startswith("topics with a wrong number of partitions: facts (none, not 12)")


def test_it_says_how_it_is_called() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "services.insight", "--what"], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr.splitlines()[-1]) == (2, "usage: python -m services.insight [--reset]")


# --- the parts of these tests ----------------------------------------------------------------------------------


async def _has_received(insight: Insight, number: int) -> bool:
    return await insight.received() >= number


async def rows(insight: Insight) -> dict[bytes, bytes]:
    """Return this municipality's rows, as the changelogs have them."""
    found: dict[bytes, bytes | None] = {}
    async with reading(plain(insight.bootstrap), ["insight.counts", "insight.open"], doubles=True) as reader:
        async for raw in reader.to_the_end():
            if raw.key and insight.oin.encode() in raw.key:
                found[raw.key] = raw.value
    return {key: value for key, value in found.items() if value is not None}


def entry(insight: Insight, number: int, text: str, conversation: str | None = None) -> EntryRecorded:
    return EntryRecorded(
        tenant=insight.oin,
        conversation=conversation or f"c-{insight.oin}",
        reference="12345678",
        number=number,
        kind=EntryKind.NOTE,
        at=NINE,
        department="waste",
        text=text,
    )


def _line(insight: Insight, fact: Fact) -> Line:
    event = CloudEvent("x", source_of(insight.oin), NINE, fact)
    return Encoder().line(Outgoing(FACTS.name, "x", insight.oin, event))


async def _aborted(insight: Insight, facts: list[Fact]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=insight.bootstrap, transactional_id=f"test {insight.oin}")
    await producer.start()
    await producer.begin_transaction()
    for fact in facts:
        topic, partition, key, value, headers = _line(insight, fact)
        await producer.send_and_wait(topic, value, key, partition, headers=headers)
    await producer.abort_transaction()
    await producer.stop()
