"""One run: a broker, a town, two replicas of each service, load and faults at once; then quiet, then the count."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from deploy.kafka.ladder import own_broker
from deploy.kafka.node import free_ports
from schemas.topics import FACTS, INBOUND, OUTBOX, OUTCOMES, RESPONDER_STATE, expand
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import Start, group_lag, reading
from tests.chaos.citizens import Citizens, Portions
from tests.chaos.departments import Departments
from tests.chaos.doors import Doors
from tests.chaos.faults import Nemesis
from tests.chaos.judge import Verdict, judge
from tests.chaos.processes import Fleet, fleet
from tests.chaos.provider import Provider
from tests.chaos.proxy import Proxy
from tests.chaos.recovery import Recovery, spread
from tests.chaos.schedule import SERVICES, Fault, Kind, schedule
from tests.chaos.town import DEPARTMENTS, Town

ONE_BROKER = {"flush.messages": "1"}
"""As a small installation runs it: what is acknowledged is on disk."""
DOUBT = 10.0
"""Seconds that the router waits for a receipt here; production's two minutes would be all that a short run does."""
QUIET = 16.0
"""Seconds without a record, after which nothing more comes: longer than a call's deadline and the doubt."""
LONGEST_QUIET = 240.0


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
    broker_session: float = 1.5
    """Seconds; Kafka's own default is 9."""
    flush: bool = True

    @property
    def seconds(self) -> float:
        """How long the load takes: as long as the faults, and a little."""
        return max(5.0, self.kills * self.every + 2)

    def faults(self) -> list[Fault]:
        return schedule(self.seed, self.kills, self.every, self.kinds, services=self.services)


@dataclass
class Result:
    """What came of it."""

    wanted: Wanted
    verdict: Verdict
    recovery: dict[str, dict[str, float]]
    done: list[str]
    passed_over: int
    exits: dict[str, dict[int, int]]
    gave_up: list[str]
    torn: int
    """Transactions that the broker left half done, and that were healed."""
    calls: int
    taken: int
    webhooks: dict[int, int]
    copies: int
    seconds: dict[str, float]
    never_back: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What must not be; nothing, when all is well."""
        died = [f"{label} ended by itself: {codes}" for label, codes in self.exits.items() if codes]
        return self.verdict.faults(torn=self.torn > 0) + died + [f"{who} never came back" for who in self.never_back]

    def asdict(self) -> dict[str, Any]:
        """Return it for JSON."""
        told = asdict(self) | {"faults": self.faults}
        told["verdict"]["findings"] = [str(finding) for finding in self.verdict.findings[:50]]
        return told


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


async def run(wanted: Wanted, folder: Path, say: Callable[[str], None]) -> Result:
    """Do it all; returns what came of it."""
    began = time.monotonic()
    async with _stage(wanted, folder, say) as stage:
        say("everything is ready: load and faults begin")
        seconds = {"built": time.monotonic() - began}
        faults = wanted.faults()
        telling = asyncio.create_task(_tell(stage, say))
        reading_on = [asyncio.create_task(each) for each in (stage.departments.work(), stage.recovery.watch())]
        try:
            began = time.monotonic()
            await asyncio.gather(stage.citizens.write(), stage.nemesis.carry_out(faults))
            seconds["load"], began = time.monotonic() - began, time.monotonic()
            say("load and faults are over: waiting for quiet")
            await _quiet(stage)
        finally:
            for task in (telling, *reading_on):
                task.cancel()
            await asyncio.gather(telling, *reading_on, return_exceptions=True)
        seconds["quiet"], began = time.monotonic() - began, time.monotonic()
        say("all is quiet: counting")
        verdict = await judge(stage.town, plain(stage.bootstrap), stage.citizens.taken, stage.provider.taken)
        seconds["count"] = time.monotonic() - began
        return _result(stage, verdict, seconds)


def _result(stage: Stage, verdict: Verdict, seconds: Mapping[str, float]) -> Result:
    replicas = stage.fleet.replicas
    return Result(
        wanted=stage.wanted,
        verdict=verdict,
        recovery={"clear": spread(stage.recovery.clear), "beside other faults": spread(stage.recovery.beside)},
        done=[str(fault) for fault in stage.nemesis.done],
        passed_over=len(stage.nemesis.passed_over),
        exits={each.label: dict(each.exits) for each in replicas},
        gave_up=[f"{each.label}: {why}" for each in replicas for why in each.why()],
        torn=sum(each.count("torn_transaction_found") for each in replicas),
        calls=stage.provider.calls,
        taken=len(stage.provider.taken),
        webhooks=dict(stage.doors.answers),
        copies=stage.citizens.copies,
        seconds={name: round(value, 1) for name, value in seconds.items()},
        never_back=[f"{service}.{number}" for service, number in stage.recovery.open],
    )


# --- building ---


@contextlib.asynccontextmanager
async def _stage(wanted: Wanted, folder: Path, say: Callable[[str], None]) -> AsyncIterator[Stage]:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.log"):
        old.unlink()
    inner, outer = free_ports(2)
    extra = _listeners(inner, outer) | _session(wanted.broker_session)
    with own_broker(extra=extra, say=say) as broker:
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
) -> AsyncIterator[Callable[[Any], Stage]]:
    town = Town(wanted.tenants, folder / "tenants.yaml")
    shared = {
        "KAFKA_BOOTSTRAP": f"127.0.0.1:{proxy.port}",
        "HUB_TENANTS": str(town.file),
        "INGEST_ATTACHMENTS": str(folder / "attachments"),
        "ROUTER_DOUBT_SECONDS": str(DOUBT),
    }
    replicas = fleet(folder, shared, dict.fromkeys(SERVICES, 2))
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


# --- waiting for quiet ---


async def _quiet(stage: Stage) -> None:
    """Return when nothing moves any more; what does not come to rest in time is found by the count."""
    connection = plain(stage.bootstrap)
    topics = [topic.name for topic in (INBOUND, OUTCOMES, OUTBOX, RESPONDER_STATE, FACTS)]
    until = time.monotonic() + LONGEST_QUIET
    async with reading(connection, topics, Start.NOW) as reader:
        before, since = await reader.ends(), time.monotonic()
        while time.monotonic() < until:
            await asyncio.sleep(1)
            now = await reader.ends()
            busy = stage.departments.busy or stage.provider.unreported
            if now != before or busy:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > QUIET and not await _behind(stage):
                return


async def _behind(stage: Stage) -> int:
    lag = await group_lag(plain(stage.bootstrap), "router", [INBOUND.name])
    return sum(lag.values())


async def _tell(stage: Stage, say: Callable[[str], None]) -> None:
    for second in itertools.count():
        await asyncio.sleep(1)
        say(f"{second:4} s  {stage.progress()}")
