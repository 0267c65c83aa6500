"""Faust that loses nothing: an offset is committed when the work on its record came back by itself, and not before.

Stock Faust commits past records whose handling failed, was cancelled or has not ended, reads what is not committed,
throws away what it read just before its tables were ready, and only logs a changelog record that the broker refused.
These few classes use its own points of extension.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

import faust
from faust.streams import Stream
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, EventT, StreamT
from faust.types.transports import TransportT
from mode import CrashingSupervisor
from mode.utils.queues import FlowControlEvent

from services.insight.recovery import SafeTables

MOST_AT_ONCE = 500
"""Records handed over in one batch."""


class BatchStream(Stream[list[EventT[Any]]]):
    """Gives what is at hand as one batch, and takes it for done when the next is asked for.

    A batch whose handling raises, or is cancelled, is never taken for done.
    """

    async def _c_aiter(self) -> AsyncIterator[list[EventT[Any]]]:
        self._finalized = True
        started = await self.maybe_start()
        try:
            while not self.should_stop:
                batch = self._tracked(await self._at_hand())
                yield batch
                self._done(batch)
        except StopAsyncIteration:
            return
        finally:
            self._channel_stop_iteration(self.channel)
            if started:
                await self.stop()
                self.service_reset()

    _py_aiter = _c_aiter

    async def _at_hand(self) -> list[EventT[Any]]:
        channel: Any = self.channel
        found: list[EventT[Any]] = [await channel.__anext__()]
        while len(found) < MOST_AT_ONCE and not channel.queue.empty():
            found.append(channel.queue.get_nowait())
        return found

    def _tracked(self, found: list[EventT[Any]]) -> list[EventT[Any]]:
        """Leave out what was read before the last rebalance: whoever has it now reads it again."""
        consumer, active = self.app.consumer, self.app.flow_control.is_active()
        current = [one for one in found if active and one.message.generation_id == self.app.consumer_generation_id]
        for event in current:
            if not event.message.tracked:
                event.message.tracked = True
                consumer.unacked.add(event.message)
        return current

    def _done(self, batch: list[EventT[Any]]) -> None:
        for event in batch:
            event.ack()


class Flow(FlowControlEvent):
    """Holds the reading up while partitions move.

    What was read before is thrown away when they go, as in stock Faust, but not again when reading goes on: it seeks
    to the committed offset first, so what came since then is what comes next (measured: 3 facts of 1,250 lost).
    """

    def resume(self) -> None:
        """Go on, with what is at hand."""
        self._suspend.clear()
        self._resume.set()


class SafeConsumer(driver.Consumer):
    """Commits up to the first record that is still worked on, and reads only what is committed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Faust's own signature
        super().__init__(*args, **kwargs)
        self._unacked_messages = set()

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        done = {offset for offset in acked if offset < self._first_pending(tp)}
        if not done:
            return None
        acked[:] = [offset for offset in acked if offset not in done]
        self._acked_index[tp].difference_update(done)
        return max(done) + 1

    def _first_pending(self, tp: TP) -> float:
        generation = self.app.consumer_generation_id
        pending = (one for one in self._unacked_messages if one.tp == tp and not one.acked)
        return min((one.offset for one in pending if one.generation_id == generation), default=float("inf"))

    async def wait_empty(self) -> None:
        """Wait for what is worked on; after a failure nobody will finish it."""
        if cast("SafeApp", self.app).failed:
            await self.commit_and_end_transactions()
        else:
            await super().wait_empty()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget what is another's now."""
        await super().on_partitions_revoked(revoked)
        self._unacked_messages -= {one for one in self._unacked_messages if one.tp in revoked}

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _CommittedThread(self, loop=self.loop, beacon=self.beacon)


class _CommittedThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: driver.Transport) -> Any:  # noqa: ANN401 - aiokafka has no types
        consumer = super()._create_worker_consumer(transport)
        # No setting of Faust does: it reads what is uncommitted unless it works exactly-once, which it does not.
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        return consumer


class SafeProducer(driver.Producer):
    """Writes to all replicas, once."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class SafeTransport(driver.Transport):
    """Brings the two together."""

    Consumer: ClassVar[Any] = SafeConsumer
    Producer: ClassVar[Any] = SafeProducer


class SafeApp(faust.App):
    """An app of these parts, which ends when handling fails. `on_failure` is told, with no word of what was read."""

    failed = False
    on_failure: Callable[[str], None]

    @cached_property
    def flow_control(self) -> FlowControlEvent:
        """Return what holds the reading up."""
        return Flow(loop=self.loop)

    def __init__(self, name: str, *, on_failure: Callable[[str], None], **options: Any) -> None:  # noqa: ANN401
        self.on_failure = on_failure
        parts: dict[str, Any] = {"Stream": BatchStream, "TableManager": SafeTables}
        super().__init__(name, agent_supervisor=CrashingSupervisor, **parts, **options)

    def _new_transport(self) -> TransportT:
        return cast("TransportT", SafeTransport(self.conf.broker_consumer, self))

    def _new_producer_transport(self) -> TransportT:
        return cast("TransportT", SafeTransport(self.conf.broker_producer, self))

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:  # noqa: ANN401 - Faust's own signature
        if not isinstance(exc, asyncio.CancelledError):
            self.failed = True
            self.on_failure(f"facts could not be worked on: {type(exc).__name__}")
        await super()._on_agent_error(agent, exc)


Batches = StreamT[list[EventT[Any]]]
"""What the one agent reads."""
