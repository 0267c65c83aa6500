"""What the bus withstands on a real Kafka."""

import asyncio
import gc
import signal
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.kafka.broker import Broker
from services.runtime.bus.connection import closed
from services.runtime.bus.faults import Faults
from services.runtime.bus.ownership import Timing
from services.runtime.bus.reader import Start, reading
from tests.kafka.rig import KafkaRig, admin, home, looped, until
from tests.needs import ROOT
from tests.runtime.contract import receive, routed
from tests.runtime.sample import message

PEOPLE = ("ann", "bob", "cas")
EACH = 1500


@pytest.fixture
async def rig(bootstrap: str, prefix: str) -> AsyncIterator[KafkaRig]:
    made = KafkaRig(bootstrap, prefix)
    await made.start()
    yield made
    await made.close()


# --- processes that die ---


class Workers:
    """Replicas as processes; their logs are kept for when a test fails."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path) -> None:
        self._arguments, self._folder = (bootstrap, prefix), folder
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, instance: str) -> None:
        with (self._folder / f"{instance}.log").open("ab") as log:
            self.running[instance] = subprocess.Popen(
                [sys.executable, "-m", "tests.kafka.worker", *self._arguments, instance], cwd=ROOT, stderr=log
            )

    def signal(self, instance: str, number: signal.Signals) -> None:
        self.running[instance].send_signal(number)
        if number is signal.SIGKILL:
            self.running.pop(instance).wait(10)

    def dead(self) -> str | None:
        return next((f"replica {name} ended" for name, each in self.running.items() if each.poll() is not None), None)

    def stop(self) -> dict[str, int]:
        for each in self.running.values():
            each.terminate()
        return {name: each.wait(20) for name, each in self.running.items()}


@pytest.fixture
def workers(bootstrap: str, prefix: str, tmp_path: Path) -> Iterator[Workers]:
    made = Workers(bootstrap, prefix, tmp_path)
    yield made
    for each in made.running.values():
        each.kill()
        each.wait(10)


async def progress(rig: KafkaRig) -> int:
    """How far the output is, markers of transactions counted in."""
    async with reading(rig.connection, [rig.names.routed], Start.NOW) as reader:
        return sum((await reader.ends()).values())


async def reached(rig: KafkaRig, workers: Workers, offset: int, seconds: float = 40) -> None:
    async def far_enough() -> bool:
        return await progress(rig) >= offset

    await until(far_enough, seconds, failed=workers.dead)


async def finished(rig: KafkaRig, workers: Workers, records: int) -> None:
    async def all_there() -> bool:
        return len(await rig.events(rig.names.routed)) >= records

    await until(all_there, 40, failed=workers.dead)


async def all_of_it(rig: KafkaRig) -> dict[str, list[tuple[int, str]]]:
    return {whose: await routed(rig, whose) for whose in PEOPLE}


WHOLE = {whose: [(n + 1, f"{n}") for n in range(EACH)] for whose in PEOPLE}


async def much(rig: KafkaRig) -> None:
    """Publish, a little at a time, so that whoever is killed is killed in the middle."""
    for start in range(0, EACH, 50):
        batch = [message(f"{n}", whose) for n in range(start, start + 50) for whose in PEOPLE]
        await receive(rig, *batch, prefix=f"{start}.")
        await asyncio.sleep(0.05)


async def test_killed_in_the_middle_and_started_again_nothing_is_lost_or_doubled(
    rig: KafkaRig, workers: Workers
) -> None:
    workers.start("0")
    writing = asyncio.create_task(much(rig))
    for life in range(1, 4):
        await reached(rig, workers, 500 * life)
        workers.signal("0", signal.SIGKILL)
        workers.start("0")
    await writing
    await finished(rig, workers, EACH * len(PEOPLE))
    assert await all_of_it(rig) == WHOLE
    assert workers.stop() == {"0": 0}


async def test_a_paused_replica_is_taken_over_and_writes_nothing_more_when_it_wakes(
    rig: KafkaRig, workers: Workers
) -> None:
    workers.start("0")
    workers.start("1")
    writing = asyncio.create_task(much(rig))
    await reached(rig, workers, 600)
    workers.signal("0", signal.SIGSTOP)
    await writing
    await finished(rig, workers, EACH * len(PEOPLE))
    workers.signal("0", signal.SIGCONT)
    await receive(rig, message("last"), prefix="last")
    await finished(rig, workers, EACH * len(PEOPLE) + 1)
    assert (await all_of_it(rig))["ann"] == [*WHOLE["ann"], (EACH + 1, "last")]


# --- stopping ---


@pytest.fixture
def forgotten_sockets() -> Iterator[None]:
    """Aiokafka leaves the socket of a start that was cancelled to the garbage collector, which would complain."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize(
    "make_away",
    [
        pytest.param(lambda broker: broker.stop(), id="there is no broker"),
        pytest.param(lambda broker: broker.pause(), id="the broker is silent"),
    ],
)
async def test_it_stops_while_it_starts_and(
    broker: Broker, prefix: str, make_away: Callable[[Broker], None], forgotten_sockets: None
) -> None:
    rig = KafkaRig(broker.bootstrap, prefix)
    await rig.start()
    await rig.producer.stop()
    make_away(broker)
    loop, stop = looped(rig)
    running = asyncio.create_task(loop.run())
    await asyncio.sleep(1)  # it is in the middle of starting then, wherever that is
    stop.now()
    async with asyncio.timeout(25):
        await running
    assert stop.exit_code == 0


class Pausing(Faults):
    """Pauses the broker just before a commit."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self._broker, self.armed = broker, False

    def passing(self, point: str) -> None:
        if self.armed and point == "commit.before":
            self.armed = False
            self._broker.pause()


async def test_a_commit_of_which_nobody_knows_discards_the_memory_and_nothing_is_lost_or_doubled(
    broker: Broker, prefix: str
) -> None:
    rig, pausing = KafkaRig(broker.bootstrap, prefix), Pausing(broker)
    rig.faults = pausing
    await rig.start()
    await rig.serve(timing=Timing(pause=1.0, commit=1.5, ask=1.0, session=10.0, heartbeat=1.0))
    await receive(rig, message("0"))
    await rig.settle()
    pausing.armed = True
    await receive(rig, *[message(f"{n}") for n in range(1, 200)], prefix="later")
    failures = rig.metrics.commit_failures.labels("router")._value
    await until(lambda: failures.get() > 0)
    broker.resume()
    await receive(rig, message("200"), prefix="last")
    await rig.settle()
    assert await routed(rig) == [(n + 1, f"{n}") for n in range(201)]
    await rig.close()


# --- a transaction that a broker left half done ---


async def test_a_transaction_that_a_broker_left_half_done_is_healed(broker: Broker, prefix: str) -> None:
    """The fault cannot be had at will: here the broker is told not to check, and never hears of the transaction."""
    rig = KafkaRig(broker.bootstrap, prefix)
    await rig.start()
    async with admin(rig) as client:
        lax = {"transaction.partition.verification.enable": "false"}
        await client.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", lax)])
    await rig.serve()
    await receive(rig, message("0"))
    await rig.settle()
    await rig.crash()
    places = [TopicPartition(rig.names.state, home(rig)), TopicPartition(rig.names.routed, 0)]
    await leave_open(rig, home(rig), places)
    await receive(rig, message("1"), prefix="later")
    await rig.serve()
    await rig.settle()
    assert await routed(rig) == [(1, "0"), (2, "1")]
    assert rig.metrics.torn_transactions.labels("router", "healed")._value.get() == 1
    await rig.close()


async def leave_open(rig: KafkaRig, number: int, places: list[TopicPartition]) -> None:
    """Write records of a transaction that its coordinator does not know of, so that nothing ever ends it."""
    producer = AIOKafkaProducer(**rig.connection, transactional_id=f"{rig.plan().service}.{number}")
    await producer.start()
    await producer.begin_transaction()
    producer._txn_manager.maybe_add_partition_to_txn = lambda _place: None
    for place in places:
        batch = producer.create_batch()
        batch.append(timestamp=None, key=b"rows/torn", value=b"torn", headers=[])
        await (await producer.send_batch(batch, place.topic, partition=place.partition))
    await closed(producer)
