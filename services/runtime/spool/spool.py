"""A spool, for many who write at once: one thread writes for all, and one sync keeps what all of them brought."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from services.runtime.bus.seat import Line
from services.runtime.process import crash
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.spool.claim import Claim
from services.runtime.spool.store import PROBE, Broken, Full, Row, SpoolError, Store, Taken, Totals, sizes

P = ParamSpec("P")
T = TypeVar("T")
log = get_logger()

_AGAIN = 0.2


@dataclass(frozen=True, slots=True)
class _Brought:
    """What one caller wants kept."""

    at: float
    lines: Sequence[Line]
    size: int
    kept: asyncio.Future[None]


class Spool:
    """What waits for the broker, in order of acceptance. `limit`: bytes that it may hold.

    `records` counts what the broker has not acknowledged yet, from the moment that it is handed in: while it is not
    zero, whatever is newer must wait behind it.
    """

    def __init__(self, folder: Path, limit: int, clock: Clock) -> None:
        self._folder, self._limit, self._clock = folder, limit, clock
        self._claim, self._store = Claim(folder), Store(folder)
        self._thread = ThreadPoolExecutor(1, "spool")
        self._brought: list[_Brought] = []
        self._writing: asyncio.Task[None] | None = None
        self._filled, self._empty = asyncio.Event(), asyncio.Event()
        self._oldest: float | None = None
        self.records, self.bytes, self.refused = 0, 0, 0
        self.failing: str | None = None
        """Why the last thing that was to be written was not; None when it was."""

    async def open(self, patience: float) -> None:
        """Take it, waiting some seconds for a former owner to end; raises Taken, Broken."""
        deadline = self._clock.monotonic() + patience
        while True:
            try:
                return await self._open()
            except Taken:
                if self._clock.monotonic() >= deadline:
                    raise
                await asyncio.sleep(_AGAIN)

    async def _open(self) -> None:
        await self._run(self._taken)
        found = await self._run(self._counted)
        self.records, self.bytes, self._oldest, self.refused = found
        self._note()
        if self.records:
            self._filled.set()
            log.warning("spool_found_filled", records=self.records, size=self.bytes)

    def _taken(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Broken(f"the folder cannot be made: {error.strerror}") from error
        self._claim.take()

    def _counted(self) -> Totals:
        try:
            return self._store.totals()
        except SpoolError:
            self._claim.release()
            raise

    @property
    def age(self) -> float:
        """Seconds since the oldest that waits came in; 0 when nothing waits."""
        if not self.records or self._oldest is None:
            return 0.0
        return max(0.0, self._clock.now().timestamp() - self._oldest)

    @property
    def room(self) -> int:
        """Bytes that still fit."""
        return self._limit - self.bytes

    def append(self, lines: Sequence[Line]) -> asyncio.Future[None]:
        """Take the next place for these lines at once; the future is done when they would survive a power cut.

        It raises Full or Broken: then none of them is kept.
        """
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        kept.add_done_callback(_heard)
        size = sizes(lines)
        if size > self.room:
            self._failed("it holds as much as it may")
            kept.set_exception(Full(self.failing))
            return kept
        at = self._clock.now().timestamp()
        self._oldest = self._oldest if self.records else at
        self.records, self.bytes = self.records + len(lines), self.bytes + size
        self._note()
        self._brought.append(_Brought(at, lines, size, kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="spool-writer")
        return kept

    async def _write(self) -> None:
        while self._brought:
            group, self._brought = self._brought, []
            crash.here("spool.before_append")
            try:
                await self._run(self._store.append, [(one.at, line) for one in group for line in one.lines])
            except SpoolError as error:
                self._not_kept(group, error)
            else:
                crash.here("spool.after_append")
                self._kept(group)

    def _kept(self, group: Sequence[_Brought]) -> None:
        self.failing = None
        self._filled.set()
        for one in group:
            if not one.kept.done():
                one.kept.set_result(None)

    def _not_kept(self, group: Sequence[_Brought], error: SpoolError) -> None:
        self._failed(str(error))
        self.records -= sum(len(one.lines) for one in group)
        self.bytes -= sum(one.size for one in group)
        self._note()
        for one in group:
            if not one.kept.done():
                one.kept.set_exception(type(error)(str(error)))

    def _failed(self, why: str) -> None:
        if self.failing is None:
            log.error("spool_keeps_nothing", why=why, records=self.records, size=self.bytes)
        self.failing = why

    async def probe(self) -> None:
        """Find out whether it would keep something again."""
        if self.room < PROBE:
            return
        try:
            await self._run(self._store.probe)
        except SpoolError as error:
            self._failed(str(error))
        else:
            self.failing = None

    # --- forwarding ---

    async def filled(self) -> None:
        """Return when something was written since `head` looked last."""
        await self._filled.wait()

    async def emptied(self) -> None:
        """Return when nothing waits."""
        await self._empty.wait()

    def _note(self) -> None:
        if self.records:
            self._empty.clear()
        else:
            self._empty.set()

    async def head(self, after: int, most: int) -> list[Row]:
        """Return the first lines after a number; raises SpoolError."""
        self._filled.clear()
        rows = await self._run(self._store.head, after, most)
        if rows:
            self._oldest = rows[0].at
        return rows

    def acknowledged(self, records: int) -> None:
        """Note that the broker has so many of the first; they need not be removed yet."""
        self.records -= records
        self._note()

    async def remove(self, last: int, size: int) -> None:
        """Remove all lines up to a number, which take `size` bytes; raises SpoolError."""
        await self._run(self._store.remove, last)
        self.bytes -= size
        if not self.records:
            await self._tidy()

    async def hold(self, row: Row, reason: str) -> None:
        """Keep a line aside for people; raises SpoolError."""
        await self._run(self._store.hold, row.number, reason)
        self.refused += 1

    async def release(self) -> None:
        """Let what was kept aside wait again; raises SpoolError."""
        await self._run(self._store.release)
        self.records, self.refused = self.records + self.refused, 0
        self._note()
        self._filled.set()

    async def close(self) -> None:
        """Let what is being written be written, and give it back."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        await self._run(self._store.close)
        await self._run(self._claim.release)
        self._thread.shutdown(wait=False)

    async def _tidy(self) -> None:
        try:
            await self._run(self._store.tidy)
        except SpoolError as error:
            log.warning("spool_not_tidied", why=str(error))

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run in the thread of the spool, and wait for it even when nobody wants the result any more."""
        running = asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args, **kwargs))
        return await asyncio.shield(running)


def _heard(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()
