"""The plain producer, for ingest: what it says is written is written. Idempotent, acks=all, bounded in time.

An idempotent send never gives up by itself (aiokafka: `_can_retry`), so the wait is bounded here. It is never sent
again from here: a second try beside the first one reorders (measured: 4,115 of 44,995). Whoever gets NotDurable keeps
the events elsewhere under the same ids; readers drop what they know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from services.runtime.bus.batches import MAX_LINE, Encoder
from services.runtime.bus.connection import Connection, closed, heard, started
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.seat import Line, NotDurable, Refused
from services.runtime.process.log import get_logger

log = get_logger()

WAIT = 1.0
"""Seconds after which nobody waits any longer."""
START = 30.0


class Publishes(Protocol):
    """Where events go that must not be lost."""

    async def publish(self, outgoings: Sequence[Outgoing]) -> None:
        """Return when all are durably written, in this order for each partition.

        Raises NotDurable when that is not certain (they may still be written), Poison when one is too large (then
        none was sent).
        """
        ...


class Producer:
    """Publishes on Kafka."""

    def __init__(self, connection: Connection, encoder: Encoder | None = None, wait: float = WAIT) -> None:
        self._connection, self._encoder, self._wait = connection, encoder or Encoder(), wait
        self._producer: AIOKafkaProducer | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self._order = asyncio.Lock()
        self._under_way: set[tuple[asyncio.Future[Any], ...]] = set()

    async def start(self) -> None:
        """Connect; raises NotDurable when there is no broker within half a minute."""
        try:
            async with asyncio.timeout(START):
                self._producer = await self._started()
        except (TimeoutError, KafkaError) as error:
            raise NotDurable(f"no broker: {type(error).__name__}") from error
        self._connected.set()

    def begin(self) -> None:
        """Connect in the background, for as long as it takes; until then nothing is durable."""
        self._connecting = asyncio.create_task(self._connect(), name="producer-connecting")

    async def publish(self, outgoings: Sequence[Outgoing]) -> None:
        """Return when all are written; see Publishes."""
        lines = [self._encoder.line(outgoing) for outgoing in outgoings]
        try:
            async with asyncio.timeout(self._wait):
                await self.write(lines)
        except TimeoutError as error:
            raise NotDurable(f"not confirmed within {self._wait} s") from error

    async def write(self, lines: Sequence[Line]) -> None:
        """Return when all are written, in this order and after those of earlier calls, for each partition.

        There is no end to how long that may take: bound it. Raises NotDurable (Refused when it is one of these records
        that the broker will never have). Cancelled, they may still be written.
        """
        producer = self._producer
        if producer is None:
            raise NotDurable("no connection to the broker yet")
        try:
            await self._written(producer, lines)
        except KafkaError as error:
            self._renew(producer, error)
            raise _what_follows(error) from error

    async def connected(self) -> None:
        """Return when there is a connection to the broker, or was one."""
        await self._connected.wait()

    async def answers(self) -> bool:
        """Say whether the broker answers, within the time that a record may take."""
        if self._producer is None:
            return False
        try:
            async with asyncio.timeout(self._wait):
                await self._producer.client.fetch_all_metadata()
        except (TimeoutError, KafkaError):
            return False
        return True

    async def stop(self) -> None:
        """Send what is under way, for a few seconds at most."""
        if self._connecting:
            self._connecting.cancel()
            await asyncio.wait({self._connecting})
        if self._producer:
            producer, self._producer = self._producer, None
            await closed(producer)

    async def _written(self, producer: AIOKafkaProducer, lines: Sequence[Line]) -> None:
        async with self._order:
            futures = tuple([await _sent(producer, line) for line in lines])
        self._under_way.add(futures)
        try:
            await asyncio.gather(*map(asyncio.shield, futures))
        finally:
            self._under_way.discard(futures)

    async def _started(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._connection, **_SETTINGS)
        await started(producer)
        return producer

    def _renew(self, broken: AIOKafkaProducer, error: KafkaError) -> None:
        """Throw a producer away: a record that the broker refused leaves a hole that blocks all later ones."""
        if error.retriable or self._producer is not broken:
            return
        log.warning("producer_replaced", error=type(error).__name__)
        self._producer = None
        self._connected.clear()
        self._connecting = asyncio.create_task(self._replaced(broken), name="producer-renewal")

    async def _replaced(self, broken: AIOKafkaProducer) -> None:
        await closed(broken)
        self._give_up()
        await self._connect()

    def _give_up(self) -> None:
        """What a producer did not get confirmed before it was closed it never will."""
        self._order = asyncio.Lock()
        for future in [future for futures in self._under_way for future in futures if not future.done()]:
            future.set_exception(NotDurable("its producer was replaced"))

    async def _connect(self) -> None:
        while self._producer is None:
            try:
                async with asyncio.timeout(START):
                    self._producer = await self._started()
            except (OSError, KafkaError) as error:
                log.warning("broker_not_reached", error=type(error).__name__)
                await asyncio.sleep(WAIT)
        self._connected.set()


_SETTINGS: dict[str, Any] = {
    "enable_idempotence": True,
    "max_batch_size": 128 * 1024,
    "max_request_size": MAX_LINE,
    "linger_ms": 2,
    "compression_type": "lz4",
}


async def _sent(producer: AIOKafkaProducer, line: Line) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = await producer.send(
        line.topic, line.value, line.key, line.partition, headers=line.headers
    )
    future.add_done_callback(heard)
    return future


_NEVER = (MessageSizeTooLargeError, RecordListTooLargeError, CorruptRecordException, InvalidTimestampError)
"""What the broker says of a record as such; all other errors are about a connection, a right, a broker."""


def _what_follows(error: KafkaError) -> NotDurable:
    name = type(error).__name__
    return (Refused if isinstance(error, _NEVER) else NotDurable)(f"refused: {name}")
