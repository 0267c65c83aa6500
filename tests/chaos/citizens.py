"""The load: most messages go straight onto `inbound`, a share by webhooks that come up to ten times at once."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.runtime.bus.producer import Producer
from services.runtime.bus.seat import NotDurable
from tests.chaos.doors import Doors
from tests.chaos.town import Note, Town, post

EVERY = 0.1
"""Seconds between two portions."""
WRITERS = 96
"""Citizens who write by webhook, one message after the other."""


@dataclass(frozen=True)
class Portions:
    """How much, for how long, by whom: the plan of the load."""

    seed: int
    messages: int
    seconds: float
    by_webhook: float = 0.05
    most_copies: int = 10
    first: int = 0
    """The number of the first message."""
    each: int = 4
    """Messages of one citizen, on average."""

    @property
    def webhooks(self) -> int:
        return int(self.messages * self.by_webhook)

    @property
    def straight(self) -> int:
        return self.messages - self.webhooks


@dataclass
class Citizens:
    """They write, and remember what was taken in of it."""

    town: Town
    doors: Doors
    producer: Producer
    plan: Portions
    taken: list[Note] = field(default_factory=list)
    """What was acknowledged, those of a citizen in their order."""
    copies: int = 0
    _late: set[asyncio.Task[None]] = field(default_factory=set)

    async def write(self) -> None:
        """Return when all of it was taken in."""
        await asyncio.gather(self._straight(), *(self._by_webhook(writer) for writer in range(WRITERS)))
        await asyncio.gather(*self._late)

    # --- straight onto the topic ---

    async def _straight(self) -> None:
        rate = self.plan.straight / self.plan.seconds
        notes, done = self._notes(), 0
        async for due in _Ticks(EVERY):
            wanted = min(self.plan.straight, int(due * rate) + 1)
            portion = list(itertools.islice(notes, wanted - done))
            await _until_kept(self.producer, self.town, portion)
            self.taken += portion
            done = wanted
            if done == self.plan.straight:
                return

    def _notes(self) -> Iterator[Note]:
        people = max(1, self.plan.straight // (self.town.tenants * self.plan.each))
        chance = random.Random(f"{self.plan.seed} straight")
        for number in range(self.plan.straight):
            yield Note(
                self.plan.first + number, chance.randrange(self.town.tenants), f"316{chance.randrange(people):08d}"
            )

    # --- by webhook ---

    async def _by_webhook(self, writer: int) -> None:
        """Write one message after the other; each only when the one before was taken in."""
        chance = random.Random(f"{self.plan.seed} {writer}")
        mine = range(writer, self.plan.webhooks, WRITERS)
        ticks = _Ticks(self.plan.seconds / max(1, len(mine)))
        tenant, door = writer % self.town.tenants, _door(writer)
        for number in mine:
            await anext(ticks)
            name = self.plan.first + self.plan.straight + number
            note = Note(name, tenant, f"317{writer:08d}", ordered=door is not None)
            await self._at_once(note, chance.randint(1, self.plan.most_copies), door)
            self.taken.append(note)

    async def _at_once(self, note: Note, copies: int, door: int | None) -> None:
        """Bring it so many times at once; returns when the first was taken in."""
        self.copies += copies
        tasks = {asyncio.create_task(self.doors.deliver(*post(note), only=door)) for _ in range(copies)}
        self._late |= tasks
        for task in tasks:
            task.add_done_callback(self._late.discard)
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def _door(writer: int) -> int | None:
    """A third of them writes by one replica of ingest, a third by the other, a third by both: order is each one's."""
    return (0, 1, None)[writer % 3]


async def _until_kept(producer: Producer, town: Town, notes: list[Note]) -> None:
    outgoing = [town.taken_in(note) for note in notes]
    while True:
        try:
            await producer.publish(outgoing)
        except NotDurable:
            await asyncio.sleep(1)
        else:
            return


class _Ticks:
    def __init__(self, every: float) -> None:
        self._every, self._began, self._next = every, asyncio.get_running_loop().time(), 0.0

    def __aiter__(self) -> _Ticks:
        return self

    async def __anext__(self) -> float:
        """Wait for the next moment; returns the seconds since the first."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._began + self._next - loop.time()))
        self._next += self._every
        return loop.time() - self._began
