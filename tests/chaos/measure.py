"""How long a number with very many open conversations stands still when its owner is killed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.town import oin
from schemas.topics import INBOUND, NUMBERS
from services.runtime.bus.batches import partition_of
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import group_lag
from tests.chaos.processes import Replica
from tests.chaos.schedule import Fault, Kind
from tests.chaos.stage import Stage, Wanted, stage
from tests.chaos.town import Note

AT_ONCE = 2_000
EVERY = 0.02
"""Seconds between two messages while it is measured."""
BETWEEN = 4.0
"""Seconds between a recovery and the next kill."""


async def measure(conversations: int, kills: int, folder: Path, say: Callable[[str], None]) -> list[float]:
    """Return the seconds from each SIGKILL to the next output of the number that readers see."""
    wanted = Wanted(messages=conversations, kills=kills, tenants=1, share=0.0, flush=False)
    async with stage(wanted, folder, say) as at:
        await _fill(at, conversations, say)
        watching = asyncio.create_task(at.recovery.watch())
        trickling = asyncio.create_task(_trickle(at, conversations))
        try:
            for kill in range(kills):
                await _lively(at)
                await at.nemesis.kill(Fault(0, Kind.KILL, "router"), _owner(at))
                await _back(at)
                say(f"kill {kill + 1} of {kills}: back after {at.recovery.clear[-1]:.2f} s")
        finally:
            for task in (watching, trickling):
                task.cancel()
            await asyncio.gather(watching, trickling, return_exceptions=True)
        return at.recovery.clear


async def _fill(at: Stage, conversations: int, say: Callable[[str], None]) -> None:
    notes = (Note(number, 0, f"316{number:08d}") for number in range(conversations))
    while portion := list(itertools.islice(notes, AT_ONCE)):
        await at.citizens.producer.publish([at.town.taken_in(note) for note in portion])
    while lag := sum((await group_lag(plain(at.bootstrap), "router", [INBOUND.name])).values()):
        say(f"{conversations - lag} of {conversations} conversations are open")
        await asyncio.sleep(2)


async def _trickle(at: Stage, first: int) -> None:
    for note in _later(first):
        await at.citizens.producer.publish([at.town.taken_in(note)])
        await asyncio.sleep(EVERY)


def _later(first: int) -> Iterator[Note]:
    return (Note(number, 0, f"316{number % first:08d}") for number in itertools.count(first))


async def _lively(at: Stage) -> None:
    """Return when outputs come, and some time has passed since the last kill."""
    await asyncio.sleep(BETWEEN)
    async with asyncio.timeout(60):
        before = at.recovery.outputs
        while at.recovery.outputs == before:
            await asyncio.sleep(0.05)


async def _back(at: Stage) -> None:
    async with asyncio.timeout(120):
        while at.recovery.open:
            await asyncio.sleep(0.02)


def _owner(at: Stage) -> Replica:
    number = partition_of(oin(0), NUMBERS)
    return next(replica for replica in at.fleet.of("router") if number in replica.numbers())
