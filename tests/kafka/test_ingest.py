"""Ingest as a process, on a real broker: a 2xx is a promise that outlives us. Without the broker: test_ingest_spool."""

import asyncio
import contextlib
import signal
import socket
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from schemas.cloudevents import decode
from schemas.events import MessageReceived, RecordSetAside, ReplyRequested
from schemas.ids import message_id
from schemas.parts import text_of
from schemas.profile import findings
from schemas.topics import DEAD_LETTERS
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import reading
from tests.kafka.ingest_rig import LAMP, SECRET, Ingest, events, records, running, started


@pytest.fixture
async def ingest(bootstrap: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    async with running(bootstrap, tmp_path) as ingest:
        yield ingest


async def test_what_citizens_and_departments_say_is_on_inbound_as_the_profile_asks(ingest: Ingest) -> None:
    assert await ingest.whatsapp("wamid.1") == 200
    assert await ingest.reply("r1") == 202
    assert await ingest.mail("m1") == 250
    assert await ingest.whatsapp("wamid.2", secret="ander") == 401
    raws, (lamp, reply, bin_not_emptied) = await records(ingest), await events(ingest)
    assert [finding for raw in raws for finding in findings(raw.headers, raw.value)] == []
    assert {raw.partition for raw in raws} == {raws[0].partition}
    assert isinstance(lamp.data, MessageReceived)
    assert isinstance(reply.data, ReplyRequested)
    assert isinstance(bin_not_emptied.data, MessageReceived)
    assert (lamp.id, text_of(lamp.data.parts)) == (message_id(SECRET.encode(), "whatsapp", "balie", "wamid.1"), LAMP)
    assert reply.data.author.department == "public-space"
    assert bin_not_emptied.data.subject == "Gft"


async def test_what_is_genuine_and_cannot_be_read_is_taken_and_set_aside_whole(ingest: Ingest) -> None:
    body = f"geen JSON {ingest.oin}".encode()
    assert await ingest.whatsapp("", body=body) == 200
    async with reading(plain(ingest.bootstrap), [DEAD_LETTERS.name]) as reader:
        letters = [decode(raw.headers, raw.value).data async for raw in reader.to_the_end()]
    raws = [b64decode(letter.raw) for letter in letters if isinstance(letter, RecordSetAside)]
    assert raws.count(body) == 1


async def test_the_same_webhook_five_times_at_once_is_one_event_five_times(ingest: Ingest) -> None:
    assert await asyncio.gather(*(ingest.whatsapp("wamid.1") for _ in range(5))) == [200] * 5
    assert len({event.id for event in await events(ingest)}) == 1


async def test_what_was_promised_is_there_after_we_are_killed(ingest: Ingest) -> None:
    promised: list[str] = []
    _ = ingest.url

    async def deliver(name: str) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            if await ingest.whatsapp(name) == 200:
                promised.append(message_id(SECRET.encode(), "whatsapp", "balie", name))

    waves = asyncio.gather(*(deliver(f"wamid.{n}") for n in range(500)))
    while len(promised) < 50:  # noqa: ASYNC110 - there is no event but the count
        await asyncio.sleep(0.001)
    ingest.process.kill()
    await waves
    kept = {event.id for event in await events(ingest)}
    assert set(promised) <= kept
    assert len(promised) < 500


async def test_told_to_stop_it_answers_what_it_began_and_ends(ingest: Ingest) -> None:
    _ = ingest.url
    under_way = asyncio.gather(*(ingest.whatsapp(f"wamid.{n}") for n in range(20)))
    assert await ingest.whatsapp("wamid.20") == 200
    ingest.process.send_signal(signal.SIGTERM)
    assert set(await under_way) == {200}
    assert await asyncio.to_thread(ingest.process.wait, 10) == 0


def test_told_to_stop_while_its_broker_does_not_answer_yet_it_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(20)
        host, port = mute.getsockname()
        with started(f"{host}:{port}", tmp_path) as (process, _), mute.accept()[0]:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
