"""Webhooks ten times in parallel at two replicas of ingest, while router and ingest are killed: each is one message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from demo import town
from demo.graph import sign
from deploy.kafka.broker import Broker
from schemas import events as e
from schemas.topics import DEAD_LETTERS, FACTS
from tests.kafka.house import House, house, queue
from tests.kafka.rig import until

CITIZENS = [f"3165550{n:04}" for n in range(8)]
LAMP = "de lantaarnpaal voor mijn deur is kapot"
MANY, AT_ONCE = 80, 24


@pytest.fixture
async def hub(broker: Broker, tmp_path: Path) -> AsyncIterator[House]:
    async with house(broker.bootstrap, tmp_path, ingests=2, names=("router",)) as made:
        yield made


async def delivered(hub: House, replica: int, body: bytes) -> None:
    """As Meta does: again and again until there is a 2xx."""
    headers = {"X-Hub-Signature-256": sign(town.APP_SECRET, body), "Content-Type": "application/json"}
    url = f"{hub.ingests[replica]}/webhooks/whatsapp/demo"

    async def kept() -> bool:
        try:
            async with hub.http.post(url, data=body, headers=headers) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    await until(kept, 60)


def webhooks(hub: House, chance: Random) -> list[tuple[int, bytes]]:
    """Each message one to ten times, at either door; the same words for all, so that only ids tell them apart."""
    found = list[tuple[int, bytes]]()
    for n in range(MANY):
        body = json.dumps(hub.message(CITIZENS[n % len(CITIZENS)], LAMP, id=f"wamid.{uuid4().hex}")).encode()
        found += [(chance.randrange(2), body) for _ in range(chance.randint(1, 10))]
    chance.shuffle(found)
    return found


@pytest.mark.chaos
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [7])
async def test_each_webhook_is_one_message_whatever_is_killed(hub: House, seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - a fault found comes back
    waiting, places = webhooks(hub, chance), asyncio.Semaphore(AT_ONCE)
    done = 0

    async def deliver(replica: int, body: bytes) -> None:
        nonlocal done
        async with places:
            await delivered(hub, replica, body)
        done += 1

    async def kill() -> None:
        for part, victim in ((0.2, "router"), (0.4, "ingest"), (0.6, "router"), (0.8, "router")):
            await until(lambda part=part: done >= part * len(waiting), 60)  # type: ignore[misc]
            hub.services[victim].kill()

    await asyncio.gather(kill(), *(deliver(*each) for each in waiting))
    facts = await hub.until(FACTS.name, e.FactMessageReceived, MANY, 60)
    routed = await hub.until(queue("public-space"), e.MessageRouted, MANY)
    assert len({each.message for each in facts}) == len(facts) == MANY
    assert len({each.message.message for each in routed if each.message}) == len(routed) == MANY
    assert len({each.conversation for each in facts}) == len(CITIZENS)
    assert await hub.all(DEAD_LETTERS.name, e.RecordSetAside) == []
    for conversation in {each.conversation for each in routed}:
        numbers = [each.number for each in routed if each.conversation == conversation]
        assert numbers == list(range(1, MANY // len(CITIZENS) + 1))
    print(f"{len(waiting)} webhooks, {hub.services.restarts} killed, {len(routed)} messages")  # noqa: T201


async def test_a_burst_of_somebody_new_at_two_doors_is_one_conversation(hub: House) -> None:
    """Ten pictures and twenty texts, all within two seconds, each delivered at both doors."""
    sender = "31655559999"
    texts = [{"type": "text", "text": {"body": LAMP if n == 0 else f"en kijk, foto {n}"}} for n in range(20)]
    pictures: list[dict[str, Any]] = [{"type": "image", "image": {"id": str(n)}} for n in range(10)]
    bodies = [json.dumps(hub.message(sender, "", **each)).encode() for each in (*texts, *pictures)]
    await asyncio.gather(*(delivered(hub, replica, body) for body in bodies for replica in (0, 1)))
    facts = await hub.until(FACTS.name, e.FactMessageReceived, 30)
    inbound = [each.message for each in await hub.all("inbound", e.MessageReceived)]
    assert len(await hub.all(FACTS.name, e.FactConversationOpened)) == 1
    assert [each.message for each in facts] == list(dict.fromkeys(inbound))
    assert len(facts) == 30
