"""By the broker or by the spool: what was accepted is there, in order of acceptance, whatever falls silent or dies."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.ingest import spooled as module
from services.ingest.spooled import Spooled
from services.runtime.bus.batches import Encoder
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.seat import Line, NotDurable
from services.runtime.process.clock import ManualClock
from services.runtime.spool.forwarder import Forwarder, Told
from services.runtime.spool.spool import Spool
from services.runtime.spool.store import Full, Store, sizes
from tests.ingest.flaky import REFUSED, Broker, first_copies, line

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WAIT = 0.02


class Lines:
    """An encoder whose outgoings are lines already."""

    def line(self, given: Line) -> Line:
        return given


class Replica:
    """One life of a replica: its door, its spool, its forwarder."""

    def __init__(self, folder: Path, broker: Broker, limit: int = 1 << 20) -> None:
        self.broker, self.spool = broker, Spool(folder, limit, ManualClock(NOW))
        self.door = Spooled(broker, self.spool, WAIT, cast("Encoder", Lines()))
        self.forwarder = Forwarder(self.spool, broker, Told(lambda _n: self.door.delivered()), pause=0.005, most=2)
        self.tasks: list[asyncio.Task[Any]] = []

    async def start(self) -> None:
        await self.spool.open(0)
        self.tasks = [asyncio.create_task(self.forwarder.run()), asyncio.create_task(self.door.watch())]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.spool.close()

    async def publish(self, *keys: str) -> None:
        await self.door.publish(cast("list[Outgoing]", [line(key) for key in keys]))


@asynccontextmanager
async def running(folder: Path, broker: Broker, limit: int = 1 << 20) -> AsyncIterator[Replica]:
    replica = Replica(folder, broker, limit)
    await replica.start()
    yield replica
    await replica.stop()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)


def keys(*numbers: int) -> list[bytes]:
    return [f"k{n}".encode() for n in numbers]


async def test_while_the_broker_answers_nothing_touches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, Broker()) as replica:
        monkeypatch.setattr(Store, "append", lambda *_: pytest.fail("the spool was used"))
        await replica.publish("k0", "k1")
        assert replica.broker.log == keys(0, 1)


async def test_the_broker_away_longer_than_a_moment_everybody_hears_that_it_is_kept(tmp_path: Path) -> None:
    broker = Broker()
    async with running(tmp_path, broker) as replica:
        broker.pause()
        await asyncio.gather(*(replica.publish(f"k{n}") for n in range(20)))
        assert (replica.door.silent, replica.spool.records, broker.log) == (True, 20, [])
        broker.resume()
        await asyncio.wait_for(replica.spool.emptied(), 5)
        assert first_copies(broker.log) == keys(*range(20))
        await replica.publish("k20")
        assert (replica.door.silent, replica.spool.records, broker.log[-1]) == (False, 0, b"k20")


async def test_who_comes_after_the_silence_does_not_overtake_who_was_waiting_before_it(tmp_path: Path) -> None:
    broker = Broker()
    async with running(tmp_path, broker) as replica:
        broker.pause()
        first = asyncio.create_task(replica.publish("k0"))
        await asyncio.sleep(WAIT / 2)
        second = asyncio.create_task(replica.publish("k1"))
        await until(lambda: replica.door.silent)
        await replica.publish("k2")
        await asyncio.gather(first, second)
        broker.lose(written=0)
        broker.connect(asyncio.get_running_loop())
        broker.resume()
        await asyncio.wait_for(replica.spool.emptied(), 5)
        assert first_copies(broker.log) == keys(0, 1, 2)


async def test_with_the_producer_gone_it_is_on_disk_at_once(tmp_path: Path) -> None:
    broker = Broker()
    async with running(tmp_path, broker) as replica:
        broker.pause()
        began = asyncio.get_running_loop().time()
        replica.door._wait = 60
        publishing = asyncio.create_task(replica.publish("k0"))
        await until(lambda: bool(broker._waiting))
        broker.lose(written=0)
        broker.connect(asyncio.get_running_loop())
        await publishing
        assert asyncio.get_running_loop().time() - began < 5
        assert replica.spool.records == 1


async def test_a_record_that_the_broker_refuses_is_accepted_and_set_aside(tmp_path: Path) -> None:
    broker = Broker()
    async with running(tmp_path, broker) as replica:
        await replica.publish("k0", REFUSED.decode(), "k1")
        await asyncio.wait_for(replica.spool.emptied(), 5)
        assert (first_copies(broker.log), broker.set_asides) == (keys(0, 1), [REFUSED])


async def test_neither_the_broker_nor_the_spool_nobody_hears_that_it_is_kept_and_it_heals_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker()
    async with running(tmp_path, broker) as replica:
        broker.pause()
        with monkeypatch.context() as patch:
            for method in ("append", "probe"):
                patch.setattr(Store, method, lambda *_: (_ for _ in ()).throw(Full("the disk is full")))
            with pytest.raises(NotDurable, match="neither the broker nor the spool"):
                await replica.publish("k0")
            assert replica.door.why_not() == "neither the broker nor the spool keeps anything: the disk is full"
            broker.resume()
            await until(lambda: replica.door.why_not() is None)
            await replica.publish("k1")
        assert broker.log == keys(0, 1)
        broker.pause()
        await until(lambda: replica.spool.failing is None)
        await replica.publish("k2")
        assert replica.spool.records == 1


async def test_while_neither_keeps_anything_nobody_waits_for_the_broker_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker()
    async with running(tmp_path, broker) as replica:
        broker.pause()
        for method in ("append", "probe"):
            monkeypatch.setattr(Store, method, lambda *_: (_ for _ in ()).throw(Full("the disk is full")))
        for name in ("k0", "k1", "k2"):
            with pytest.raises(NotDurable):
                await replica.publish(name)
        assert len(broker._waiting) == 1


async def test_as_long_as_anything_waits_nobody_goes_past_it(tmp_path: Path) -> None:
    broker = Broker()
    async with running(tmp_path, broker) as replica:
        broker.pause()
        await asyncio.gather(*(replica.publish(f"k{n}") for n in range(9)))
        broker.resume()
        await until(lambda: not replica.door.silent)
        assert replica.spool.records
        await replica.publish("k9")
        await asyncio.wait_for(replica.spool.emptied(), 5)
        assert first_copies(broker.log) == keys(*range(10))
        assert broker.log.index(b"k9") == len(broker.log) - 1


async def test_a_full_spool_takes_more_when_the_broker_is_back(tmp_path: Path) -> None:
    broker = Broker()
    async with running(tmp_path, broker, limit=sizes([line("k0")]) * 2) as replica:
        broker.pause()
        await replica.publish("k0", "k1")
        with pytest.raises(NotDurable, match="holds as much as it may"):
            await replica.publish("k2")
        assert replica.door.why_not()
        broker.resume()
        await asyncio.wait_for(replica.spool.emptied(), 5)
        await replica.publish("k3")
        assert first_copies(broker.log) == keys(0, 1, 3)


class Machine(RuleBasedStateMachine):
    """A replica with a flaky broker, that dies at any step and is started again on what its disk held then."""

    def __init__(self) -> None:
        super().__init__()
        module.PAUSE = 0.01
        self.loop = asyncio.new_event_loop()
        self.disk = Path(tempfile.mkdtemp(prefix="spool-machine-"))
        self.lives, self.brought = 0, 0
        self.broker = Broker()
        self.accepted: list[bytes] = []
        self.under_way: list[asyncio.Task[None]] = []
        self.replica = self._born()

    def _born(self) -> Replica:
        replica = Replica(self.disk / str(self.lives), self.broker)
        self._do(replica.start())
        return replica

    async def _ended(self) -> None:
        await asyncio.gather(*self.under_way, return_exceptions=True)

    async def _settled(self) -> None:
        await asyncio.gather(*self.under_way)
        await self.replica.spool.emptied()

    def _do(self, work: Any) -> None:  # noqa: ANN401 - any coroutine
        self.loop.run_until_complete(work)

    @rule(count=st.integers(1, 3), senders=st.integers(1, 3))
    def bring(self, count: int, senders: int) -> None:
        for _ in range(senders):
            names = [f"k{self.brought + n}" for n in range(count)]
            self.brought += count
            self.under_way.append(self.loop.create_task(self._bring(self.replica, names)))
        self._do(asyncio.sleep(0))

    async def _bring(self, replica: Replica, names: list[str]) -> None:
        await replica.publish(*names)
        self.accepted += [name.encode() for name in names]

    @rule()
    def bring_a_bad_one(self) -> None:
        self.under_way.append(self.loop.create_task(self.replica.publish(REFUSED.decode())))
        self._do(asyncio.sleep(0))

    @rule(steps=st.integers(0, 12))
    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            self._do(asyncio.sleep(0))

    @rule()
    def wait(self) -> None:
        self._do(asyncio.sleep(WAIT * 1.5))

    @rule()
    def fall_silent(self) -> None:
        self.broker.pause()

    @rule()
    def come_back(self) -> None:
        self.broker.resume()

    @rule(written=st.integers(0, 5))
    def lose_the_producer(self, written: int) -> None:
        self.broker.lose(written)
        self.broker.connect(self.loop)

    @rule(steps=st.integers(0, 12), written=st.integers(0, 5))
    def be_killed(self, steps: int, written: int) -> None:
        """The disk is taken as it is between two steps; whoever had no answer by then has no promise."""
        self.go_on(steps)
        old, self.lives = self.replica, self.lives + 1
        old.spool._thread.submit(shutil.copytree, self.disk / str(self.lives - 1), self.disk / str(self.lives)).result()
        self.broker.lose(written)
        for task in self.under_way:
            task.cancel()
        self.broker, silent = self._of_the_next_life(), self.broker.silent
        self._do(old.stop())
        self._do(self._ended())
        self.broker.silent, self.under_way = silent, []
        self.replica = self._born()

    def _of_the_next_life(self) -> Broker:
        """The same log; the connections of the dead write to it no more."""
        broker = Broker()
        broker.log, broker.set_asides = self.broker.log, self.broker.set_asides
        self.broker.log, self.broker.set_asides = [*broker.log], [*broker.set_asides]
        return broker

    @invariant()
    def nothing_is_refused(self) -> None:
        for task in self.under_way:
            if task.done() and not task.cancelled():
                task.result()

    def teardown(self) -> None:
        try:
            self.broker.resume()
            self._do(asyncio.wait_for(self._settled(), 5))
            found = first_copies(self.broker.log)
            assert set(self.accepted) <= set(found)
            kept = [key for key in found if key in set(self.accepted)]
            assert kept == sorted(kept, key=lambda key: int(key[1:]))
        finally:
            self._do(self.replica.stop())
            self.loop.close()
            shutil.rmtree(self.disk)


TestWhatWasAcceptedIsThereInOrder = Machine.TestCase
TestWhatWasAcceptedIsThereInOrder.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
