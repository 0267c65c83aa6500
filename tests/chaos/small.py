"""The whole hub, small, for tests that break it at one place and then count everything."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.runtime.bus.connection import plain
from tests.chaos.citizens import Citizens, Portions
from tests.chaos.judge import Verdict, judge
from tests.chaos.processes import Replica
from tests.chaos.stage import Stage, Wanted, stage
from tests.chaos.town import Note, post

SETTLED_WITHIN = 60.0
AWAY = 5.0
"""Seconds that the broker is silent: longer than ingest waits for it."""
SMALL = Wanted(messages=0, kills=0, tenants=3, share=0.4, replicas=1, doubt=2.0, flush=False)


@dataclass
class Small:
    """One replica of each service, and a few citizens."""

    at: Stage
    taken: list[Note] = field(default_factory=list)
    written: int = 0

    def replica(self, service: str) -> Replica:
        return self.at.fleet.of(service)[0]

    async def next_life(self, replica: Replica, crash_at: str) -> None:
        """Have a replica begin a life that ends at a point; returns when it began."""
        lives, replica.crash_at = replica.lives, crash_at
        replica.signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            while replica.lives == lives:
                await asyncio.sleep(0.02)

    async def until_died(self, replica: Replica) -> None:
        """Return when a life of it was ended by SIGKILL, and not by us."""
        async with asyncio.timeout(30):
            while not replica.exits[-signal.SIGKILL]:
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def broker_away(self) -> AsyncIterator[None]:
        """Have the broker be silent for some seconds, from now on."""
        await self.ready()
        self.at.nemesis.broker.pause()
        back = asyncio.get_running_loop().call_later(AWAY, self.at.nemesis.broker.resume)
        try:
            yield
        finally:
            await asyncio.sleep(max(0.0, back.when() - asyncio.get_running_loop().time()))

    async def ready(self) -> None:
        """Return when every replica is."""
        await self.at.fleet.ready()

    async def write(self, messages: int) -> None:
        """Have citizens write, most by webhook; returns when all was taken in."""
        plan = Portions(self.at.wanted.seed, messages, 1.0, by_webhook=0.6, most_copies=3, first=self.written)
        citizens = replace(self.at.citizens, plan=plan, taken=[], _late=set())
        await asyncio.gather(citizens.write(), self._write_at_length(citizens, self.written + messages))
        self.taken += citizens.taken
        self.written += messages + 1

    async def _write_at_length(self, citizens: Citizens, number: int) -> None:
        note = Note(number, 0, f"318{number:08d}", long=True)
        await citizens.doors.deliver(*post(note))
        citizens.taken.append(note)

    async def settled(self) -> Verdict:
        """Return what is found when all has come to rest, or when that takes too long."""
        until, quiet = time.monotonic() + SETTLED_WITHIN, 0
        verdict = await self._judge()
        while time.monotonic() < until and quiet < 2:
            await asyncio.sleep(0.3)
            busy = self.at.departments.busy or self.at.provider.unreported
            verdict = await self._judge()
            quiet = 0 if busy or verdict.faults(torn=False) or verdict.messages < self.written else quiet + 1
        return verdict

    async def _judge(self) -> Verdict:
        return await judge(self.at.town, plain(self.at.bootstrap), self.taken, self.at.provider.taken)


@asynccontextmanager
async def small(folder: Path) -> AsyncIterator[Small]:
    """Build it; leaves nothing running."""
    async with stage(SMALL, folder, lambda _line: None) as at:
        reading = asyncio.create_task(at.departments.work())
        try:
            yield Small(at)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
