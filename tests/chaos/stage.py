"""Where all of it happens: a broker, a town, replicas of each service, citizens, departments, a provider."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from deploy.kafka.broker import Broker
from deploy.kafka.ladder import own_broker
from deploy.kafka.node import free_ports
from schemas.topics import expand
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.producer import Producer
from tests.chaos.citizens import Citizens, Portions
from tests.chaos.departments import Departments
from tests.chaos.doors import Doors
from tests.chaos.faults import Nemesis
from tests.chaos.processes import Fleet, fleet
from tests.chaos.provider import Provider
from tests.chaos.proxy import Proxy
from tests.chaos.recovery import Recovery
from tests.chaos.schedule import SERVICES, Bounds, Fault, Kind, schedule
from tests.chaos.town import DEPARTMENTS, Town

ONE_BROKER = {"flush.messages": "1"}
"""As a small installation runs it: what is acknowledged is on disk."""


@dataclass(frozen=True)
class Wanted:
    """What a run is to be."""

    seed: int = 1
    messages: int = 200_000
    kills: int = 20
    every: float = 8.0
    """Seconds between two kills, on average."""
    tenants: int = 24
    share: float = 0.05
    """Of the messages, that are answered."""
    kinds: tuple[Kind, ...] = tuple(Kind)
    services: tuple[str, ...] = SERVICES
    replicas: int = 2
    doubt: float = 10.0
    """Seconds that the router waits for a receipt; production's two minutes would be all that a short run does."""
    broker_session: float = 1.5
    """Seconds; Kafka's own default is 9."""
    flush: bool = True

    @property
    def seconds(self) -> float:
        """How long the load takes: as long as the faults, and a little."""
        return max(5.0, self.kills * self.every + 2)

    def faults(self) -> list[Fault]:
        bounds = Bounds(self.kills, self.every, self.kinds, self.services, self.broker_session)
        return schedule(self.seed, bounds)


@dataclass
class Stage:
    """All parts of a run."""

    wanted: Wanted
    town: Town
    fleet: Fleet
    nemesis: Nemesis
    recovery: Recovery
    doors: Doors
    provider: Provider
    citizens: Citizens
    departments: Departments
    bootstrap: str

    def progress(self) -> str:
        """Return one line."""
        answers = ", ".join(f"{count}x{status}" for status, count in sorted(self.doors.answers.items()))
        return (
            f"taken in {len(self.citizens.taken)}/{self.wanted.messages}, routed {self.departments.routed}, "
            f"answers {self.departments.kept}/{self.departments.asked}, sent {len(self.provider.taken)}, "
            f"faults {len(self.nemesis.done)}, http {answers}"
        )


@contextlib.asynccontextmanager
async def stage(wanted: Wanted, folder: Path, say: Callable[[str], None]) -> AsyncIterator[Stage]:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.log"):
        old.unlink()
    inner, outer = free_ports(2)
    extra = _listeners(inner, outer) | _session(wanted.broker_session)
    with own_broker(folder / "kafka", extra=extra, say=say) as broker:
        await asyncio.to_thread(broker.start)
        proxy = Proxy(inner, outer)
        await proxy.start()
        connector = aiohttp.TCPConnector(limit=400, limit_per_host=200)
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            _parts(wanted, folder, broker.bootstrap, proxy, http) as parts,
        ):
            yield parts(broker)
        await proxy.close()


@contextlib.asynccontextmanager
async def _parts(
    wanted: Wanted, folder: Path, bootstrap: str, proxy: Proxy, http: aiohttp.ClientSession
) -> AsyncIterator[Callable[[Broker], Stage]]:
    town = Town(wanted.tenants, folder / "tenants.yaml")
    shared = {
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{proxy.port}",
        "HUB_TENANTS": str(town.file),
        "INGEST_ATTACHMENTS": str(folder / "attachments"),
        "INGEST_SPOOL": str(folder / "spool"),
        "ROUTER_DOUBT_SECONDS": str(wanted.doubt),
    }
    replicas = fleet(folder, shared, dict.fromkeys(SERVICES, wanted.replicas))
    doors = Doors(tuple(int(each.environment["INGEST_PORT"]) for each in replicas.of("ingest")), http)
    provider = Provider(wanted.seed, doors)
    await provider.start()
    town.write(provider.port)
    connection = plain(bootstrap)
    topics = expand((name, DEPARTMENTS) for name in town.names.values())
    await make_topics(connection, topics, extra=ONE_BROKER if wanted.flush else {})
    producer, answering = Producer(connection, wait=60), Producer(connection, wait=60)
    await producer.start()
    await answering.start()
    recovery = Recovery(connection)
    departments = Departments(town, doors, answering, connection, wanted.share)
    try:
        await replicas.start()
        await replicas.ready()
        yield lambda broker: Stage(
            wanted,
            town,
            replicas,
            Nemesis(replicas, broker, proxy, recovery),
            recovery,
            doors,
            provider,
            Citizens(town, doors, producer, Portions(wanted.seed, wanted.messages, wanted.seconds)),
            departments,
            bootstrap,
        )
    finally:
        await departments.close()
        await provider.close()
        await replicas.stop()
        await producer.stop()
        await answering.stop()


def _listeners(inner: int, outer: int) -> dict[str, str]:
    """Return what gives the broker a second door, whose address for clients is the proxy's."""
    return {
        "listeners": f"PLAINTEXT://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:@CONTROLLER_PORT@,WIRE://127.0.0.1:{inner}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:@PORT@,WIRE://127.0.0.1:{outer}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,WIRE:PLAINTEXT",
    }


def _session(seconds: float) -> dict[str, str]:
    return {
        "broker.session.timeout.ms": str(int(seconds * 1000)),
        "broker.heartbeat.interval.ms": str(int(seconds * 1000 / 3)),
    }
