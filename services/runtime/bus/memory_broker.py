"""A broker in memory, and a number's seat on it: logs, offsets, and who was fenced."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass

from services.runtime.bus.plan import Place
from services.runtime.bus.seat import BeginAnew, Headers, Line, Raw
from services.runtime.process.clock import ManualClock


@dataclass(frozen=True, slots=True)
class Written:
    """A record in the memory broker."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class MemoryBroker:
    """Logs, offsets of groups, and who may write for which transactional id."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self._logs: dict[Place, list[Written]] = defaultdict(list)
        self._offsets: dict[str, dict[Place, int]] = defaultdict(dict)
        self._owners: dict[str, object] = {}
        self.readers: list[Callable[[], None]] = []
        """Called when something was written."""

    def log(self, place: Place) -> list[Written]:
        """Return all of a partition."""
        return self._logs[place]

    def topic(self, name: str) -> list[Written]:
        """Return all of a topic, partition by partition."""
        return [record for place, log in sorted(self._logs.items()) if place[0] == name for record in log]

    def append(self, lines: Sequence[Line]) -> None:
        """Write, and tell the readers."""
        now = int(self._clock.now().timestamp() * 1000)
        for line in lines:
            log = self._logs[line.topic, line.partition]
            log.append(Written(line.topic, line.partition, len(log), now, line.key, line.value, line.headers))
        for read in list(self.readers):
            read()

    def fence(self, transactional_id: str, owner: object) -> None:
        """Make `owner` the only one who may write under this id."""
        self._owners[transactional_id] = owner

    def owns(self, transactional_id: str, owner: object) -> bool:
        """Say whether it still is."""
        return self._owners.get(transactional_id) is owner

    def offsets(self, group: str) -> dict[Place, int]:
        """Return what a group committed."""
        return self._offsets[group]


class MemorySeat:
    """seat.Seat on a memory broker."""

    def __init__(self, broker: MemoryBroker, group: str, inputs: Sequence[str], number: int) -> None:
        self._broker, self._group, self._inputs, self._number = broker, group, inputs, number
        self._owner: object = None
        self._positions: dict[str, int] = {}
        self.hand: Callable[[str, Sequence[Raw]], int] = lambda _topic, _records: 0
        broker.readers.append(self.read)

    async def fence(self) -> None:
        """Take the seat."""
        self._owner = object()
        self._broker.fence(self._id, self._owner)

    async def committed(self) -> dict[str, int]:
        """Return the committed offsets."""
        committed = self._broker.offsets(self._group)
        return {topic: committed[topic, self._number] for topic in self._inputs if (topic, self._number) in committed}

    async def ranges(self) -> dict[str, tuple[int, int]]:
        """Return what the inputs hold."""
        return {topic: (0, len(self._broker.log((topic, self._number)))) for topic in self._inputs}

    async def torn(self, changelog: str) -> bool:  # noqa: ARG002 - nothing tears in memory
        """Say that nothing hangs."""
        return False

    async def hanging(self, changelog: str) -> AsyncIterator[Sequence[Raw]]:  # noqa: ARG002
        """Return nothing."""
        for _ in range(0):
            yield []

    async def heal(self, offsets: Mapping[str, int]) -> None:
        """Do nothing: nothing hangs."""

    async def changelog(self, topic: str) -> AsyncIterator[Sequence[Raw]]:
        """Return all of it at once."""
        yield list(self._broker.log((topic, self._number)))

    async def commit(self, lines: Sequence[Line], offsets: Mapping[str, int]) -> None:
        """Write all at once, if the seat is still ours."""
        await asyncio.sleep(0)
        if not self._broker.owns(self._id, self._owner):
            raise BeginAnew("another has the seat")
        self._broker.offsets(self._group).update({(topic, self._number): at for topic, at in offsets.items()})
        self._broker.append(lines)

    async def find(self, topic: str, offset: int) -> Raw | None:
        """Return a record of our partition."""
        log = self._broker.log((topic, self._number))
        return log[offset] if offset < len(log) else None

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Read from here on."""
        self._positions = dict(offsets)
        self.read()

    def leave(self) -> None:
        """Read no more."""
        self._positions = {}

    def read(self) -> None:
        """Hand over what is there and was not handed over."""
        for topic, position in self._positions.items():
            new = self._broker.log((topic, self._number))[position:]
            if new:
                self._positions[topic] = position + len(new)
                self.hand(topic, new)

    @property
    def _id(self) -> str:
        return f"{self._group}.{self._number}"
