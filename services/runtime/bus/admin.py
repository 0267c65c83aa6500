"""Topics as they are declared: made where they are missing, compared where they exist, never changed by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from schemas.topics import Topic
from services.runtime.bus.connection import Connection, closed, started
from services.runtime.bus.seat import GiveUp

SECONDS = 30.0
EXISTS = 36
"""Kafka's code for a topic that is there already."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A topic that is not as it was declared."""

    topic: str
    what: str
    declared: str
    found: str


async def partition_counts(connection: Connection) -> dict[str, int]:
    """Return how many partitions every topic on the broker has."""
    async with _admin(connection) as admin:
        described = await admin.describe_topics()
    return {str(topic["topic"]): len(topic["partitions"]) for topic in described}


async def group_members(connection: Connection, group: str) -> int:
    """Return how many members a consumer group has; one that stopped counts until its session ends."""
    async with _admin(connection) as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    ((_code, _group, _state, _kind, _protocol, members, *_),) = answer.groups
    return len(members)


async def make_topics(
    connection: Connection, topics: Iterable[tuple[str, Topic]], *, replication: int = 1, extra: Mapping[str, str] = {}
) -> list[str]:
    """Make those that are missing, and return their names; `extra` is configuration that the installation adds.

    With one broker only (replication 1) that is `flush.messages=1`. Raises GiveUp when Kafka refuses one.
    """
    wanted = dict(topics)
    there = await partition_counts(connection)
    missing = {name: topic for name, topic in wanted.items() if name not in there}
    new = [
        NewTopic(name, topic.partitions, replication, topic_configs={**topic.settings(), **extra})
        for name, topic in missing.items()
    ]
    if new:
        async with _admin(connection) as admin:
            _complain((await admin.create_topics(new)).topic_errors)
        await _visible(connection, missing)
        await _led(connection, missing)
    return list(missing)


async def _visible(connection: Connection, names: Iterable[str]) -> None:
    """Return when brokers know of topics that were just made: they hear of it a moment later."""
    async with asyncio.timeout(SECONDS):
        while set(names) - (await partition_counts(connection)).keys():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.1)


async def _led(connection: Connection, topics: Mapping[str, Topic]) -> None:
    """Return when every partition has a leader that knows it: until then it sends away whoever writes."""
    consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False)
    await started(consumer)
    try:
        async with asyncio.timeout(SECONDS):
            await consumer.end_offsets([TopicPartition(*place) for place in _places(topics)])
    finally:
        await closed(consumer)


def _places(topics: Mapping[str, Topic]) -> Iterator[tuple[str, int]]:
    return ((name, number) for name, topic in topics.items() for number in range(topic.partitions))


async def drift(connection: Connection, topics: Iterable[tuple[str, Topic]]) -> list[Drift]:
    """Return in what the topics on the broker differ from their declarations."""
    wanted, there = dict(topics), await partition_counts(connection)
    found = [
        Drift(name, "partitions", str(topic.partitions), str(there.get(name, "no topic")))
        for name, topic in wanted.items()
        if there.get(name) != topic.partitions
    ]
    present = {name: topic for name, topic in wanted.items() if name in there}
    return found + _config_drift(present, await _configs(connection, present))


async def _configs(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    async with _admin(connection) as admin:
        answers = await admin.describe_configs(resources)
    found = [resource for answer in answers for resource in answer.resources]
    return {each[3]: {entry[0]: entry[1] for entry in each[4]} for each in found}


def _config_drift(topics: Mapping[str, Topic], found: Mapping[str, Mapping[str, str]]) -> list[Drift]:
    return [
        Drift(name, setting, declared, found[name].get(setting, "absent"))
        for name, topic in topics.items()
        for setting, declared in topic.settings().items()
        if found[name].get(setting) != declared
    ]


def _complain(errors: Iterable[tuple[Any, ...]]) -> None:
    refused = [f"{name} ({for_code(code).__name__})" for name, code, *_ in errors if code not in (0, EXISTS)]
    if refused:
        raise GiveUp(f"topics that could not be made: {', '.join(refused)}")


@asynccontextmanager
async def _admin(connection: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection)
    try:
        async with asyncio.timeout(SECONDS):
            await admin.start()
            yield admin
    finally:
        await admin.close()
