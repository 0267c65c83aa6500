"""Ingest while its broker is away: everybody hears that it is kept, and it is, through silence, death, a full disk."""

import asyncio
import contextlib
import json
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import aiohttp
import psutil
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.kafka.broker import Broker
from schemas.cloudevents import CloudEvent, decode
from schemas.events import MessageReceived, RecordSetAside
from schemas.ids import message_id
from schemas.topics import DEAD_LETTERS, INBOUND
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import reading
from services.runtime.process import crash
from tests.kafka.ingest_rig import SECRET, Ingest, events, life, running, started, town
from tests.kafka.rig import until


def first(found: list[CloudEvent]) -> list[CloudEvent]:
    """Return the first copy of each event, as a reader that drops known ids sees them."""
    return list({event.id: event for event in reversed(found)}.values())[::-1]


def names(found: list[CloudEvent]) -> list[str]:
    return [event.data.external_id for event in first(found) if isinstance(event.data, MessageReceived)]


def by_sender(found: list[CloudEvent]) -> dict[str, list[int]]:
    """Return the numbers of messages of each sender, in order."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for event in first(found):
        if isinstance(event.data, MessageReceived):
            numbers[event.data.sender.addresses[0].value].append(int(event.data.external_id.split(".")[-1]))
    return numbers


async def test_while_the_broker_is_silent_everybody_hears_that_it_is_kept_and_it_is_there_once_it_is_back(
    broker: Broker, tmp_path: Path
) -> None:
    async with running(broker.bootstrap, tmp_path) as ingest:
        assert await ingest.whatsapp("wamid.0") == 200
        broker.pause()
        began = time.monotonic()
        statuses = await asyncio.gather(ingest.whatsapp("wamid.1"), ingest.reply("r1"), ingest.mail("m1"))
        assert [*statuses] == [200, 202, 250]
        assert await ingest.whatsapp("wamid.2") == 200
        assert time.monotonic() - began < 5
        told = await ingest.spool()
        assert (told["records"], told["broker_silent"], told["failing"]) == (4, True, None)
        assert (await ingest.told("readyz"))[0] == 200
        assert "hub_spool_records 4.0" in (await ingest.told("metrics"))[1]
        broker.resume()
        await ingest.emptied()
        assert await ingest.whatsapp("wamid.3") == 200
        found = await events(ingest)
        assert len(first(found)) == 6
        assert [one for one in names(found) if one.startswith("wamid")] == [f"wamid.{n}" for n in range(4)]


async def test_failure_1_of_the_field_acknowledged_then_gone(broker: Broker, tmp_path: Path) -> None:
    """Begun without a broker it keeps what comes, and killed -9 straight after its 2xx it loses nothing."""
    oin, promised = await town(broker.bootstrap), set[str]()
    broker.kill()
    async with life(broker.bootstrap, tmp_path, oin) as ingest:
        _ = ingest.url
        waves = asyncio.gather(*(deliver(ingest, f"wamid.{n}", promised) for n in range(500)))
        await until(lambda: len(promised) >= 50)
        ingest.process.kill()
        await waves
    assert len(promised) < 500
    broker.start()
    async with life(broker.bootstrap, tmp_path, oin) as ingest:
        assert ingest.logged("spool_found_filled")["records"] >= len(promised)
        await ingest.emptied()
        assert promised <= {event.id for event in await events(ingest)}


@pytest.mark.chaos
@pytest.mark.parametrize("point", [each for each in crash.POINTS if each.startswith("spool.")])
async def test_killed_at_any_point_of_the_spool_and_begun_again_what_was_promised_is_there_in_order(
    point: str, broker: Broker, tmp_path: Path
) -> None:
    oin, promised = await town(broker.bootstrap), list[str]()
    broker.kill()
    async with life(broker.bootstrap, tmp_path, oin, HUB_CRASH_AT=f"{point}:{2 if 'append' in point else 1}") as ingest:
        await deliver_until_refused(ingest, promised, most=5)
        broker.start()
        assert await asyncio.to_thread(ingest.process.wait, 30) == -signal.SIGKILL
    async with life(broker.bootstrap, tmp_path, oin) as ingest:
        await ingest.emptied()
        found = names(await events(ingest))
        assert found[: len(promised)] == promised
        assert promised


async def deliver_until_refused(ingest: Ingest, promised: list[str], most: int) -> None:
    with contextlib.suppress(aiohttp.ClientError):
        while len(promised) < most and await ingest.whatsapp(f"wamid.{len(promised)}") == 200:
            promised.append(f"wamid.{len(promised)}")


async def deliver(ingest: Ingest, name: str, promised: set[str]) -> None:
    with contextlib.suppress(aiohttp.ClientError):
        if await ingest.whatsapp(name) == 200:
            promised.add(message_id(SECRET.encode(), "whatsapp", "balie", name))


@pytest.mark.chaos
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda broker: (broker.pause, broker.resume), id="silent"),
        pytest.param(lambda broker: (broker.kill, broker.start), id="killed"),
    ],
)
async def test_under_load_with_the_broker_away_every_2xx_is_there_in_the_order_of_its_sender(
    fault: Callable[[Broker], tuple[Callable[[], object], Callable[[], object]]], broker: Broker, tmp_path: Path
) -> None:
    away, back = fault(broker)
    async with running(broker.bootstrap, tmp_path) as ingest:
        load = asyncio.create_task(pour(ingest, senders=20, seconds=9))
        await asyncio.sleep(2)
        await asyncio.to_thread(away)
        await asyncio.sleep(4)
        await asyncio.to_thread(back)
        sent = await load
        await ingest.emptied()
        found = by_sender(await events(ingest))
        assert sorted(map(len, found.values())) == sorted(sent)
        assert all(numbers == list(range(len(numbers))) for numbers in found.values())


async def pour(ingest: Ingest, senders: int, seconds: float) -> list[int]:
    """Have every sender send one message after another, each when the last was taken; returns how many each sent."""
    until_then, url = time.monotonic() + seconds, ingest.url
    assert url

    async def one(sender: int) -> int:
        number = 0
        while time.monotonic() < until_then:
            assert await ingest.whatsapp(f"wamid.{sender}.{number}", sender=sender) == 200
            number += 1
            await asyncio.sleep(0.04)
        return number

    return await asyncio.gather(*(one(sender) for sender in range(senders)))


async def test_with_its_disk_full_it_says_come_again_and_it_heals_without_a_restart(
    broker: Broker, tmp_path: Path
) -> None:
    async with running(broker.bootstrap, tmp_path) as ingest:
        assert await ingest.whatsapp("wamid.0") == 200
        broker.pause()
        assert await ingest.whatsapp("wamid.1") == 200
        writes = psutil.Process(ingest.process.pid)
        writes.rlimit(psutil.RLIMIT_FSIZE, (32_000, -1))
        assert await until_refused(ingest) < 200
        statuses = await asyncio.gather(ingest.whatsapp("wamid.x"), ingest.reply("rx"), ingest.mail("mx"))
        assert [*statuses] == [503, 503, 451]
        assert (await ingest.told("readyz"))[0] == 503
        writes.rlimit(psutil.RLIMIT_FSIZE, (-1, -1))
        await until(lambda: says(ingest, "readyz", 200))
        assert await ingest.whatsapp("wamid.y") == 200
        broker.resume()
        await ingest.emptied()
        kept = names(await events(ingest))
        assert kept[:2] == ["wamid.0", "wamid.1"]
        assert kept[-1] == "wamid.y"
        assert "wamid.x" not in kept


async def until_refused(ingest: Ingest) -> int:
    """Deliver until it is refused; returns how often that went well."""
    for number in range(200):
        if await ingest.whatsapp(f"wamid.fill.{number}") == 503:
            return number
    return 200


async def says(ingest: Ingest, page: str, status: int) -> bool:
    return (await ingest.told(page))[0] == status


async def test_what_the_broker_refuses_is_a_dead_letter_and_what_is_behind_it_goes_on(
    broker: Broker, tmp_path: Path
) -> None:
    async with running(broker.bootstrap, tmp_path) as ingest:
        assert await ingest.whatsapp("wamid.0") == 200
        await at_most(broker, 3_000)
        long = json.dumps({"entry": [{"id": "1", "changes": [change("wamid.long", "x" * 3_900)]}]} | OBJECT).encode()
        assert await ingest.whatsapp("", body=long) == 200
        assert await ingest.whatsapp("wamid.1") == 200
        await ingest.emptied()
        assert names(await events(ingest)) == ["wamid.0", "wamid.1"]
        async with reading(plain(broker.bootstrap), [DEAD_LETTERS.name]) as reader:
            letters = [decode(raw.headers, raw.value).data async for raw in reader.to_the_end()]
        (letter,) = [one for one in letters if isinstance(one, RecordSetAside)]
        assert letter.reason == "the broker refuses it: refused: MessageSizeTooLargeError"
        assert letter.origin.topic == INBOUND.name


OBJECT = {"object": "whatsapp_business_account"}


def change(name: str, text: str) -> dict[str, object]:
    incompressible = "".join(message_id(b"k", "a", "b", str(n)) for n in range(len(text) // 36))
    message = {"from": "31612345601", "id": name, "timestamp": "1795510800", "type": "text"}
    metadata = {"display_phone_number": "31970102000", "phone_number_id": "106540352242001"}
    messages = [message | {"text": {"body": incompressible}}]
    return {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata, "messages": messages}}


async def at_most(broker: Broker, size: int) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await client.start()
    try:
        await client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, INBOUND.name, {"max.message.bytes": str(size)})]
        )
    finally:
        await client.close()


async def test_two_processes_of_one_name_never_share_a_spool(bootstrap: str, tmp_path: Path) -> None:
    async with running(bootstrap, tmp_path) as ingest:
        assert await ingest.whatsapp("wamid.0") == 200
        with started(bootstrap, tmp_path, ingest.oin, INGEST_SPOOL_CLAIM_SECONDS="0.3") as (second, log):
            assert await asyncio.to_thread(second.wait, 20) == 1
        assert "the spool of this replica: another process has it" in log.read_text()
        assert await ingest.whatsapp("wamid.1") == 200


async def test_a_replica_that_is_gone_with_a_filled_spool_is_seen_by_the_others(broker: Broker, tmp_path: Path) -> None:
    oin = await town(broker.bootstrap)
    broker.kill()
    async with life(broker.bootstrap, tmp_path, oin) as ingest:
        assert await ingest.whatsapp("wamid.0") == 200
    broker.start()
    async with life(broker.bootstrap, tmp_path, oin, HUB_INSTANCE="1") as other:
        await until(lambda: tells(other, "hub_spools_abandoned_records 1.0"))
        assert other.logged("spool_abandoned", instance="0")["records"] == 1


async def tells(ingest: Ingest, metric: str) -> bool:
    return metric in (await ingest.told("metrics"))[1]
