"""Carries what waits in a spool to the broker: in order, each line until it is acknowledged, and only then removed.

A line that the broker will never have becomes a dead letter; when even that is refused it stays in the spool, aside,
and whatever is behind it goes on. After a crash between acknowledgement and removal lines are carried again, with the
same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.runtime.bus.seat import Line, NotDurable, Refused
from services.runtime.process import crash
from services.runtime.process.log import get_logger
from services.runtime.spool.spool import Spool
from services.runtime.spool.store import Row, SpoolError

log = get_logger()

PAUSE = 1.0
CHUNK = 500


class Carries(Protocol):
    """The way to the broker."""

    async def carry(self, lines: Sequence[Line]) -> None:
        """Return when all are durably written, however long that takes.

        Raises NotDurable when that is not certain, and Refused when the broker will have one of them never.
        """
        ...

    async def set_aside(self, line: Line, reason: str) -> None:
        """Write the dead letter of a line; raises as `carry`."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of what is forwarded."""

    forwarded: Callable[[int], None] = lambda _records: None
    refused: Callable[[str], None] = lambda _topic: None


class Forwarder:
    """Empties one spool. `pause`: seconds before what failed is tried again; `most`: lines that go together."""

    def __init__(
        self, spool: Spool, carrier: Carries, told: Told | None = None, pause: float = PAUSE, most: int = CHUNK
    ) -> None:
        self._spool, self._carrier, self._told = spool, carrier, told or Told()
        self._pause, self._most = pause, most
        self._acknowledged, self._bytes = 0, 0
        """The last line that the broker has, and the bytes of those that are not removed yet."""

    async def run(self) -> None:
        """Forward for ever; ends only when cancelled."""
        while True:
            try:
                await self.drain()
                await self._spool.filled()
            except NotDurable as error:
                log.info("spool_waits", why=str(error), records=self._spool.records)
                await asyncio.sleep(self._pause)
            except SpoolError as error:
                log.warning("spool_not_read", why=str(error), records=self._spool.records)
                await asyncio.sleep(self._pause)

    async def drain(self) -> None:
        """Return when nothing waits that is on disk; raises NotDurable, SpoolError: then call it again."""
        await self._remove()
        while rows := await self._spool.head(self._acknowledged, self._most):
            crash.here("spool.before_carry")
            await self._forward(rows)
            crash.here("spool.after_carry")
            await self._remove()
            crash.here("spool.after_remove")

    async def _forward(self, rows: Sequence[Row]) -> None:
        try:
            await self._carrier.carry([row.line for row in rows])
        except Refused:
            await self._one_by_one(rows)
        else:
            self._has(rows)

    async def _one_by_one(self, rows: Sequence[Row]) -> None:
        """Find out which one it is; each of the others goes all the same, in its place."""
        for row in rows:
            try:
                await self._carrier.carry([row.line])
            except Refused as refusal:
                await self._refused(row, str(refusal))
            else:
                self._has([row])

    async def _refused(self, row: Row, reason: str) -> None:
        self._told.refused(row.line.topic)
        try:
            await self._carrier.set_aside(row.line, reason)
        except Refused:
            log.warning("spool_line_kept_aside", topic=row.line.topic, why=reason)
            await self._spool.hold(row, reason)
            self._has([row], removable=False)
        else:
            log.warning("spool_line_set_aside", topic=row.line.topic, why=reason)
            self._has([row])

    def _has(self, rows: Sequence[Row], *, removable: bool = True) -> None:
        self._acknowledged = rows[-1].number
        self._bytes += sum(row.size for row in rows) if removable else 0
        self._spool.acknowledged(len(rows))
        self._told.forwarded(len(rows))

    async def _remove(self) -> None:
        """What is acknowledged and cannot be removed now keeps nobody from sending directly."""
        if self._bytes:
            await self._spool.remove(self._acknowledged, self._bytes)
            self._bytes = 0
