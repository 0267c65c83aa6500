"""The Faust app: `facts` in, two tables with a changelog each. It runs inside our process, not by Faust's worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, cast

import faust
from faust.auth import SASLCredentials, SSLCredentials
from faust.types import EventT
from yarl import URL

from schemas.topics import FACTS, INSIGHT_COUNTS, INSIGHT_OPEN, Topic
from services.insight.book import Book, Change, Store
from services.insight.feed import SERVICE, Feed
from services.insight.safe import Batches, SafeApp
from services.runtime.bus.connection import Connection
from services.runtime.bus.seat import Headers

GROUP = SERVICE
SESSION, HEARTBEAT, REBALANCE = 15.0, 3.0, 60.0
"""Seconds: how long a replica may be silent, between its heartbeats, and for a batch in hand when partitions move."""
CHANGELOGS: tuple[Topic, ...] = (INSIGHT_COUNTS, INSIGHT_OPEN)


@dataclass(frozen=True, slots=True)
class Read:
    """A record as Faust gave it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def of(cls, event: EventT[Any]) -> Read:
        """Return the record behind an event."""
        message = event.message
        logged = int(message.timestamp * 1000)
        return cls(
            message.topic, message.partition, message.offset, logged, message.key, message.value, _headers(message)
        )


class Views:
    """The tables, and what fills them."""

    def __init__(self, connection: Connection, instance: str, on_failure: Callable[[str], None]) -> None:
        self._app = _app(connection, instance, on_failure)
        self._tables = {topic.name: self._table(topic) for topic in CHANGELOGS}
        self.book = Book(*(cast("Store", table.data) for table in self._tables.values()))

    def feed_by(self, feed: Feed) -> None:
        """Say what each batch goes through; before the start, and once."""

        async def facts(batches: Batches) -> None:
            queue = cast("Any", batches).channel.queue
            async for batch in batches:
                await feed.take([Read.of(event) for event in batch], more=not queue.empty())

        topic = self._topic(FACTS)
        self._app.agent(topic, name="facts", concurrency=1)(facts)

    async def start(self) -> None:
        """Join the group; the tables are rebuilt afterwards."""
        await self._app.start()

    async def stop(self) -> None:
        """Finish the batch in hand, commit, leave."""
        await self._app.stop()

    async def ended(self) -> None:
        """Return when Faust ends by itself."""
        await self._app.wait_until_stopped()

    def unready(self) -> str | None:
        """Say why the views are not whole, or None."""
        return None if self._app.tables.actives_ready else "the tables are not rebuilt yet"

    async def write(self, changes: Sequence[Change]) -> None:
        """Write changes to their changelogs; returns when all are durable."""
        sent = [await self._send(change) for change in changes]
        await asyncio.gather(*sent)

    async def _send(self, change: Change) -> Any:  # noqa: ANN401 - a future of Faust's
        topic = self._tables[change.topic].changelog_topic
        return await topic.send(key=change.key, value=cast("Any", change.value), partition=change.partition)

    def _table(self, topic: Topic) -> faust.Table[bytes, bytes]:
        name = topic.name.rsplit(".", 1)[-1]
        declared = self._topic(topic, internal=True, acks=False)
        table = self._app.Table(name, key_type=bytes, value_type=bytes, changelog_topic=declared)
        table.on_recover(self._rebuilt)
        return cast("faust.Table[bytes, bytes]", table)

    def _topic(self, topic: Topic, **options: Any) -> Any:  # noqa: ANN401 - Faust's own signature
        raw: dict[str, Any] = {
            "key_type": bytes,
            "value_type": bytes,
            "key_serializer": "raw",
            "value_serializer": "raw",
        }
        return self._app.topic(topic.name, partitions=topic.partitions, **raw, **options)

    async def _rebuilt(self) -> None:
        ours = {place.partition for place in self._app.consumer.assignment() if place.topic == FACTS.name}
        self.book.rebuilt(frozenset(ours))


def _app(connection: Connection, instance: str, on_failure: Callable[[str], None]) -> SafeApp:
    return SafeApp(
        GROUP,
        on_failure=on_failure,
        broker=[URL(f"kafka://{address.strip()}") for address in connection["bootstrap_servers"].split(",")],
        broker_credentials=_credentials(connection),
        consumer_group_instance_id=f"{SERVICE}-{instance}",
        broker_session_timeout=SESSION,
        broker_heartbeat_interval=HEARTBEAT,
        broker_rebalance_timeout=REBALANCE,
        broker_request_timeout=40.0,
        broker_commit_interval=1.0,
        producer_request_timeout=60.0,
        consumer_auto_offset_reset="earliest",
        store="memory://",
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=True,
        web_enabled=False,
        worker_redirect_stdouts=False,
        value_serializer="raw",
        key_serializer="raw",
    )


def _credentials(connection: Connection) -> SASLCredentials | SSLCredentials | None:
    security, context = connection.get("security_protocol", "PLAINTEXT"), connection.get("ssl_context")
    if security.startswith("SASL"):
        return SASLCredentials(
            username=connection["sasl_plain_username"],
            password=connection["sasl_plain_password"],
            mechanism=connection["sasl_mechanism"],
            ssl_context=cast("SSLContext | None", context),
        )
    return SSLCredentials(context=cast("SSLContext", context)) if context else None


def _headers(message: Any) -> Headers:  # noqa: ANN401 - Faust leaves open which of two shapes
    found = message.headers or []
    return list(found.items()) if hasattr(found, "items") else list(found)
