"""The local broker: keeps its data, and leaves no process behind."""

import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.kafka import ladder, software
from deploy.kafka.broker import Broker, BrokerError
from deploy.kafka.node import PORTS, Node, free_ports, plan
from deploy.kafka.probe import living_brokers
from tests.needs import ROOT

TOPIC = "words"


async def write(bootstrap: str, *words: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for word in words:
            await producer.send_and_wait(TOPIC, word)
    finally:
        await producer.stop()


async def declare(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        flushed = {"flush.messages": "1"}
        await admin.create_topics([NewTopic(TOPIC, 1, 1, topic_configs=flushed)])
    finally:
        await admin.close()


async def read_all(bootstrap: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(TOPIC, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]
    finally:
        await consumer.stop()


@pytest.mark.parametrize(
    "mistreat",
    [
        pytest.param(Broker.kill, id="killed"),
        pytest.param(Broker.stop, id="stopped in order"),
        pytest.param(lambda broker: broker.pause(), id="paused"),
    ],
)
async def test_a_broker_comes_back_with_its_data_after_being(
    broker: Broker, mistreat: Callable[[Broker], None]
) -> None:
    await declare(broker.bootstrap)
    await write(broker.bootstrap, b"lantaarnpaal", b"kapot")
    mistreat(broker)
    broker.restart()
    await write(broker.bootstrap, b"gemaakt")
    assert await read_all(broker.bootstrap) == [b"lantaarnpaal", b"kapot", b"gemaakt"]


def test_a_paused_broker_is_silent_until_it_is_resumed(broker: Broker) -> None:
    broker.pause()
    assert not living_brokers(*address(broker), seconds=0.3)
    broker.resume()
    living = living_brokers(*address(broker), seconds=10)
    assert living
    assert living.nodes == {1}


def test_leaving_takes_process_and_folder_along() -> None:
    with ladder.own_broker() as broker:
        pid = broker.start().pid
        folder = data_folder(pid)
        assert folder.exists()
    assert not psutil.pid_exists(pid)
    assert not folder.exists()


STARTER = """
    import time
    from deploy.kafka.ladder import own_broker
    with own_broker() as broker:
        print(broker.start().pid, flush=True)
        time.sleep(600)
"""


@pytest.fixture
def starter() -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", textwrap.dedent(STARTER)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_whoever_started_it_may_be_killed_and_nothing_stays(starter: subprocess.Popen[str]) -> None:
    broker, guard = broker_of(starter)
    folder = data_folder(broker.pid)
    starter.send_signal(signal.SIGKILL)
    gone(broker, guard)
    assert not folder.exists()


def test_its_guard_may_be_killed_and_nothing_stays(starter: subprocess.Popen[str]) -> None:
    broker, guard = broker_of(starter)
    folder = data_folder(broker.pid)
    guard.kill()
    gone(broker, guard)
    shutil.rmtree(folder)


def test_a_broker_that_cannot_start_says_why(tmp_path: Path) -> None:
    (node,) = plan(tmp_path)
    with Broker(ladder.prepare(), node) as broker:
        broker.start()
        second = Broker(ladder.prepare(), Node(1, node.port, tmp_path / "2", "A" * 22, node.voters))
        with pytest.raises(BrokerError, match="Address already in use"):
            second.start()


def test_ports_are_free_distinct_and_never_those_the_kernel_gives_to_clients() -> None:
    ports = free_ports(20)
    first, _last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert len(set(ports)) == len(ports)
    assert set(ports) <= set(PORTS)
    assert max(PORTS) < int(first)


def test_three_brokers_are_planned_to_keep_two_copies_in_step(tmp_path: Path) -> None:
    nodes = plan(tmp_path, brokers=3)
    nodes[2].write_settings()
    settings = nodes[2].settings.read_text().splitlines()
    assert "node.id=3" in settings
    assert "default.replication.factor=3" in settings
    assert "min.insync.replicas=2" in settings
    assert len({node.port for node in nodes} | set(nodes[0].voters.values())) == 6


@pytest.mark.parametrize(
    ("empty", "install"),
    [
        pytest.param("java", "apt install openjdk-17-jre-headless", id="Java is missing"),
        pytest.param("mvn", "apt install maven", id="Maven is missing and no jar is cached"),
    ],
)
def test_the_message_says_what_to_install_when(
    empty: str, install: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == empty else which(name))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(software.KafkaMissingError, match=install):
        software.find(tmp_path, print)


def test_a_jar_that_is_not_the_one_we_know_is_refused(tmp_path: Path) -> None:
    cached = software.find(software.cache_folder(), print).jars
    for jar in cached:
        (tmp_path / jar.name).symlink_to(jar)
    (tmp_path / cached[0].name).unlink()
    (tmp_path / cached[0].name).write_bytes(b"not that jar")
    with pytest.raises(software.JarsMissingError, match=cached[0].name):
        software._check(tmp_path, software._wanted())


def address(broker: Broker) -> tuple[str, int]:
    host, port = broker.bootstrap.split(":")
    return host, int(port)


def data_folder(pid: int) -> Path:
    """The folder that the broker was told to work in, from its command line."""
    return Path(psutil.Process(pid).cmdline()[-1]).parents[1]


def broker_of(starter: subprocess.Popen[str]) -> tuple[psutil.Process, psutil.Process]:
    assert starter.stdout
    broker = psutil.Process(int(starter.stdout.readline()))
    guard = broker.parent()
    assert guard
    return broker, guard


def gone(*processes: psutil.Process) -> None:
    """Wait until none of them runs; one that only waits to be reaped runs no more."""
    deadline = time.monotonic() + 20
    while any(map(runs, processes)):
        assert time.monotonic() < deadline, f"still there: {processes}"
        time.sleep(0.02)


def runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
