"""What comes in is kept: by the broker, or, when that is away longer than a moment, on disk until it is back.

While anything waits in the spool, or the broker was silent at last, everything goes behind it in the spool: so what is
forwarded has the order in which it was accepted, and the first that goes directly again follows an empty spool. Who
was waiting for the broker when it fell silent goes to the spool at once, in order, and before all that is newer.

What was diverted may still reach the broker by the first way too, earlier: it is the same event then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from services.runtime.bus.batches import Encoder
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.seat import Line, NotDurable
from services.runtime.process.log import get_logger
from services.runtime.spool.spool import Spool
from services.runtime.spool.store import SpoolError

log = get_logger()

PAUSE = 1.0
"""Seconds between two looks whether what was out of order works again."""


class Writes(Protocol):
    """The direct way: a producer."""

    async def write(self, lines: Sequence[Line]) -> None:
        """Return when all are durably written, in the order of the calls, however long that takes.

        Raises NotDurable when that is not certain. Cancelled, they may still be written.
        """
        ...

    async def answers(self) -> bool:
        """Say whether the broker answers now."""
        ...


class _Flight:
    """Lines on their way to the broker, and their place in the spool when they were diverted."""

    __slots__ = ("lines", "patience", "place")

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.patience: asyncio.Timeout | None = None
        self.place: asyncio.Future[None] | None = None

    def land(self, place: asyncio.Future[None]) -> None:
        """Wait for the broker no longer: it has a place in the spool."""
        self.place = place
        if self.patience and not self.patience.expired():
            self.patience.reschedule(asyncio.get_running_loop().time())


class Spooled:
    """Publishes, by the broker or by the spool.

    `wait`: seconds that the broker may take. `spooled` hears how many records were kept on disk.
    """

    def __init__(
        self,
        bus: Writes,
        spool: Spool,
        wait: float,
        encoder: Encoder | None = None,
        spooled: Callable[[int], None] = lambda _records: None,
    ) -> None:
        self._bus, self._spool, self._wait, self._encoder = bus, spool, wait, encoder or Encoder()
        self._spooled = spooled
        self._flights: dict[_Flight, None] = {}
        self.silent = False
        """Whether the broker did not confirm what it was last given."""

    async def publish(self, outgoings: Sequence[Outgoing]) -> None:
        """Return when all are kept, in this order; raises NotDurable when neither keeps them, and Poison."""
        lines = [self._encoder.line(outgoing) for outgoing in outgoings]
        place = self._spool.append(lines) if self.silent or self._spool.records else await self._sent(lines)
        if place is None:
            return
        try:
            await place
        except SpoolError as error:
            raise NotDurable(f"neither the broker nor the spool keeps it: {error}") from error
        self._spooled(len(lines))

    async def _sent(self, lines: Sequence[Line]) -> asyncio.Future[None] | None:
        """Return None when the broker has them, else their place in the spool."""
        flight = _Flight(lines)
        self._flights[flight] = None
        try:
            async with asyncio.timeout(self._wait) as flight.patience:
                await self._bus.write(lines)
        except (TimeoutError, NotDurable) as error:
            if flight.place is None:
                self._divert(flight, type(error).__name__)
            return flight.place
        finally:
            self._flights.pop(flight, None)
        return None

    def _divert(self, first: _Flight, why: str) -> None:
        if not self.silent:
            log.warning("broker_silent", why=why, count=len(self._flights))
        self.silent = True
        first.patience = None
        for flight in self._flights:
            flight.land(self._spool.append(flight.lines))
        self._flights.clear()

    def delivered(self) -> None:
        """Note that the broker confirms again."""
        if self.silent:
            log.info("broker_confirms_again", records=self._spool.records)
        self.silent = False

    def why_not(self) -> str | None:
        """Say why nothing can be kept now; None when something can."""
        if self.silent and self._spool.failing:
            return f"neither the broker nor the spool keeps anything: {self._spool.failing}"
        return None

    async def watch(self) -> None:
        """Look for ever whether what was out of order works again, where nothing that is forwarded tells it."""
        while True:
            await asyncio.sleep(PAUSE)
            if self._spool.failing:
                await self._spool.probe()
            if self.silent and not self._spool.records and await self._bus.answers():
                self.delivered()
