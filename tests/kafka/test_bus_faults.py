"""What the bus withstands on a real Kafka, and what it refuses to go on with."""

import asyncio
import gc
import signal
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from deploy.kafka.broker import Broker
from schemas.cloudevents import decode
from schemas.ids import derived
from services.runtime.bus.admin import drift, make_topics
from services.runtime.bus.connection import closed
from services.runtime.bus.faults import Faults
from services.runtime.bus.handler import Poison
from services.runtime.bus.loop import Loop, transactional
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.ownership import Timing
from services.runtime.bus.reader import Start, reading
from services.runtime.bus.seat import GiveUp, NotDurable
from services.runtime.process.clock import SystemClock
from services.runtime.process.metrics import Metrics
from services.runtime.process.stop import Stop
from tests.kafka.rig import KafkaRig, until
from tests.needs import ROOT
from tests.runtime.contract import receive, routed
from tests.runtime.sample import Counting, correction, message, outgoing

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


def home(rig: KafkaRig) -> int:
    """The number that owns the sample's municipality."""
    return rig.encoder.line(outgoing(rig.names.inbound, message("0"), "0")).partition


# --- what it refuses to go on with ---


async def test_records_that_were_next_and_are_gone_stop_it(rig: KafkaRig) -> None:
    await rig.serve()
    await receive(rig, message("0"))
    await rig.settle()
    await rig.crash()
    await receive(rig, message("1"), message("2"), prefix="later")
    place = TopicPartition(rig.names.inbound, home(rig))
    async with admin(rig) as client:
        await client.delete_records({place: RecordsToDelete(before_offset=2)})
    await rig.serve()
    assert "offset 1 is to be read next, and the log holds 2 to 3" in await rig.gave_up()


async def test_records_that_vanish_while_it_reads_stop_it(rig: KafkaRig) -> None:
    await rig.serve()
    await receive(rig, message("0"))
    await rig.settle()
    rig.loops[0][0]._consumer.seek(TopicPartition(rig.names.inbound, home(rig)), 1000)
    assert "records that were to be read next are gone from the log" in await rig.gave_up()


async def test_content_that_is_too_old_goes_out_without(rig: KafkaRig) -> None:
    await rig.serve()
    await receive(rig, message("0"), message("1"))
    await rig.settle()
    async with admin(rig) as client:
        await client.delete_records({TopicPartition(rig.names.inbound, home(rig)): RecordsToDelete(before_offset=1)})
    await receive(rig, correction("ann", 1, "0"), correction("ann", 2, "1"), prefix="later")
    await rig.settle()
    assert await routed(rig) == [(1, "0"), (2, "1"), (1, "no content"), (2, "1")]


async def test_offsets_that_are_not_the_memorys_stop_it(rig: KafkaRig) -> None:
    await receive(rig, message("0"), message("1"))
    place = TopicPartition(rig.names.inbound, home(rig))
    tool = AIOKafkaConsumer(**rig.connection, group_id=rig.plan().group, enable_auto_commit=False)
    await tool.start()
    tool.assign([place])
    await tool.commit({place: 1})
    await tool.stop()
    await rig.serve()
    assert "are not those of the memory {}" in await rig.gave_up()


async def test_a_group_that_deals_parts_of_numbers_stops_it(rig: KafkaRig) -> None:
    await rig.serve()
    await rig.settle()
    intruder = AIOKafkaConsumer(
        rig.names.inbound,
        **rig.connection,
        group_id=rig.plan().group,
        partition_assignment_strategy=[RangePartitionAssignor],
    )
    starting = asyncio.create_task(intruder.start())
    assert "did not deal whole partition numbers" in await rig.gave_up()
    await starting
    await intruder.stop()


async def test_a_topic_that_is_missing_stops_it_before_it_begins(rig: KafkaRig) -> None:
    loop, stop = looped(rig, f"department.{rig.names.prefix}.waste")
    await loop.run()
    missing = f"department.{rig.names.prefix}.waste has none"
    assert stop.failure == f"not the partitions that schemas/topics.py declares: {missing}"


def looped(rig: KafkaRig, *more_outputs: str) -> tuple[Loop, Stop]:
    stop, plan = Stop(), rig.plan()
    plan = replace(plan, outputs=(*plan.outputs, *more_outputs))
    return transactional(plan, Counting(rig.names), SystemClock(), ServiceMetrics(Metrics(), "router"), stop), stop


@asynccontextmanager
async def admin(rig: KafkaRig) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**rig.connection)
    await client.start()
    yield client
    await client.close()


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


# --- the plain producer, the topics ---


async def test_what_is_not_confirmed_in_time_is_said_to_be_and_arrives_once_all_the_same(
    broker: Broker, prefix: str
) -> None:
    rig = KafkaRig(broker.bootstrap, prefix)
    await rig.start()
    rig.producer._wait = 1.0
    broker.pause()
    with pytest.raises(NotDurable, match=r"not confirmed within 1.0 s"):
        await receive(rig, message("0"))
    broker.resume()

    async def arrived() -> bool:
        return [event.id for event in await rig.events(rig.names.inbound)] == ["0"]

    await until(arrived)
    await rig.close()


async def test_one_that_is_too_large_is_poison_and_none_of_them_was_sent(rig: KafkaRig) -> None:
    large = message("0").model_copy(update={"subject": "x" * 1_000_000})
    with pytest.raises(Poison):
        await receive(rig, message("1"), large)
    assert await rig.events(rig.names.inbound) == []


async def test_after_a_refusal_of_the_broker_the_next_ones_go_through(rig: KafkaRig) -> None:
    """A refused record leaves a hole in the producer's numbering: every later one would be refused as well."""
    async with admin(rig) as client:
        small = ConfigResource(ConfigResourceType.TOPIC, rig.names.inbound, {"max.message.bytes": "2000"})
        await client.alter_configs([small])
    await until(lambda: has_drifted(rig, "max.message.bytes"))
    large = message("0").model_copy(update={"subject": "".join(derived(n) for n in range(250))})
    with pytest.raises(NotDurable, match="refused: MessageSizeTooLargeError"):
        await receive(rig, large)

    async def goes_through() -> bool:
        try:
            await receive(rig, message("1"), prefix="later")
        except NotDurable:
            return False
        return True

    await until(goes_through)
    assert [event.id for event in await rig.events(rig.names.inbound)] == ["later0"]


async def has_drifted(rig: KafkaRig, setting: str) -> bool:
    return setting in {each.what for each in await drift(rig.connection, rig.names.all)}


async def test_topics_are_made_once_and_what_differs_is_told(rig: KafkaRig) -> None:
    assert await make_topics(rig.connection, rig.names.all) == []
    assert await drift(rig.connection, rig.names.all) == []
    async with admin(rig) as client:
        kept = ConfigResource(ConfigResourceType.TOPIC, rig.names.inbound, {"retention.ms": "1"})
        await client.alter_configs([kept])
    await until(lambda: has_drifted(rig, "retention.ms"))
    declared = dict(rig.names.all) | {rig.names.facts: replace(rig.names.declared(rig.names.facts), partitions=5)}
    found = {(each.topic, each.what, each.found) for each in await drift(rig.connection, declared.items())}
    assert (rig.names.inbound, "retention.ms", "1") in found
    assert (rig.names.facts, "partitions", "2") in found


async def test_a_reader_that_begins_now_sees_what_comes_and_drops_what_it_knows(rig: KafkaRig) -> None:
    await receive(rig, message("0"), prefix="before")
    async with reading(rig.connection, [rig.names.inbound], Start.NOW) as reader:
        await receive(rig, message("1"), message("2"))
        await receive(rig, message("1"), message("2"), message("3"))
        seen = [decode(record.headers, record.value).id async for record in reader.to_the_end()]
    assert seen == ["0", "1", "2"]


async def test_a_reader_of_a_topic_that_does_not_exist_says_so(rig: KafkaRig) -> None:
    with pytest.raises(GiveUp, match="no such topic: nowhere"):
        async with reading(rig.connection, ["nowhere"]):
            pass
