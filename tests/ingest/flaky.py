"""A broker that falls silent and comes back, loses what it was given, or refuses a record; its log is what counts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from services.runtime.bus.seat import Line, NotDurable, Refused

REFUSED = b"refused"
"""The key of a record that this broker never takes."""
STEPS = 20
"""Steps of the event loop that it takes to connect anew: more than a failure needs to be noticed."""


def line(key: str, value: bytes | None = b"{}") -> Line:
    return Line("inbound", 3, key.encode(), value, [("ce_id", key.encode()), ("ce_type", b"x")])


class Broker:
    """Takes lines in order. While silent it keeps them waiting, as an idempotent producer does."""

    def __init__(self) -> None:
        self.log: list[bytes] = []
        self.set_asides: list[bytes] = []
        self.silent, self.connected = False, True
        self.refuses_dead_letters = False
        self._waiting: list[tuple[Sequence[Line], asyncio.Future[None]]] = []

    async def write(self, lines: Sequence[Line]) -> None:
        if not self.connected:
            raise NotDurable("no connection to the broker yet")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((lines, done))
        if not self.silent:
            self.resume()
        await asyncio.shield(done)

    async def carry(self, lines: Sequence[Line]) -> None:
        while not self.connected:  # noqa: ASYNC110 - steps are what is counted here
            await asyncio.sleep(0)
        await self.write(lines)

    async def answers(self) -> bool:
        return not self.silent

    async def set_aside(self, line: Line, reason: str) -> None:
        if self.refuses_dead_letters:
            raise Refused(reason)
        if self.silent:
            raise NotDurable("silent")
        self.set_asides.append(line.key)

    def pause(self) -> None:
        self.silent = True

    def resume(self) -> None:
        """Take all that waited, late copies too."""
        self.silent = False
        waiting, self._waiting = self._waiting, []
        for lines, done in waiting:
            self._take(lines, done)

    def lose(self, written: int) -> None:
        """Lose what waits, but for its first lines: they were written, and nobody heard of it."""
        waiting, self._waiting = self._waiting, []
        self.log += [line.key for lines, _ in waiting for line in lines if line.key != REFUSED][:written]
        for _, done in waiting:
            _fail(done, NotDurable("its producer was replaced"))
        self.connected = False

    def connect(self, loop: asyncio.AbstractEventLoop, steps: int = STEPS) -> None:
        """Have a new producer, a while after the old one was lost."""
        if steps:
            loop.call_soon(self.connect, loop, steps - 1)
        else:
            self.connected = True

    def _take(self, lines: Sequence[Line], done: asyncio.Future[None]) -> None:
        keys = [line.key for line in lines]
        good = keys[: keys.index(REFUSED)] if REFUSED in keys else keys
        self.log += good
        if len(good) < len(keys):
            _fail(done, Refused("not to my liking"))
        elif not done.done():
            done.set_result(None)


def _fail(done: asyncio.Future[None], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
        done.exception()


def first_copies(log: Sequence[bytes]) -> list[bytes]:
    return list(dict.fromkeys(log))
