"""How soon after a SIGKILL a number's next output is there for readers."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiokafka.errors import KafkaError

from schemas.topics import FACTS, RESPONDER_STATE
from services.runtime.bus.connection import Connection
from services.runtime.bus.reader import Start, reading
from services.runtime.bus.seat import BusError, Raw

SERVICE_OF = {FACTS.name: "router", RESPONDER_STATE.name: "responder"}
"""A topic of each service in which a partition is a number, and every batch leaves something."""
LIVELY = 5.0
"""A number counts that had an output in so many seconds before the kill: another may just have nothing to do."""
Who = tuple[str, int]


@dataclass
class Recovery:
    """Watches the outputs. Times are those of time.time, as in the records."""

    connection: Connection
    clear: list[float] = field(default_factory=list)
    """Seconds to recover, where nothing else was broken meanwhile."""
    beside: list[float] = field(default_factory=list)
    """Where something was: the broker, the wire."""
    outputs: int = 0
    _last: dict[Who, float] = field(default_factory=dict)
    _waiting: dict[Who, float] = field(default_factory=dict)
    _cloudy: set[Who] = field(default_factory=set)
    _clouds: int = 0
    _offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    def killed(self, service: str, numbers: list[int], at: float) -> None:
        """Note that these numbers lost their owner."""
        for number in numbers:
            who = service, number
            if at - self._last.get(who, 0.0) < LIVELY:
                self._waiting.setdefault(who, at)
                if self._clouds:
                    self._cloudy.add(who)

    @contextmanager
    def clouded(self) -> Iterator[None]:
        """Note that something else is broken too, meanwhile."""
        self._clouds += 1
        self._cloudy |= self._waiting.keys()
        try:
            yield
        finally:
            self._clouds -= 1
            self._cloudy |= self._waiting.keys()

    async def watch(self) -> None:
        """Read for ever."""
        while True:
            try:
                await self._read()
            except (KafkaError, BusError, TimeoutError, OSError):
                await asyncio.sleep(0.5)

    async def _read(self) -> None:
        async with reading(self.connection, list(SERVICE_OF), Start.NOW, doubles=True) as reader:
            await reader.seek(self._offsets)
            async for record in reader.follow():
                self._see(record)

    def _see(self, record: Raw) -> None:
        self.outputs += 1
        self._offsets[record.topic, record.partition] = record.offset + 1
        who, written = (SERVICE_OF[record.topic], record.partition), record.timestamp / 1000
        self._last[who] = written
        if who in self._waiting and written > self._waiting[who]:
            seconds = time.time() - self._waiting.pop(who)
            (self.beside if who in self._cloudy else self.clear).append(seconds)
            self._cloudy.discard(who)

    @property
    def open(self) -> list[Who]:
        """The numbers that have not come back."""
        return sorted(self._waiting)


def spread(seconds: list[float]) -> dict[str, float]:
    """Return p50, p99 and the longest."""
    if not seconds:
        return {"count": 0}
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    figures = {"p50": statistics.median(ordered), "p99": p99, "max": ordered[-1]}
    return {"count": len(ordered), **{name: round(value, 2) for name, value in figures.items()}}
