"""What one partition number needs of a broker. Kafka gives it in kafka.py, a broker in memory in memory.py.

BusError            what follows
  BeginAnew         what we remember may not be what was written: forget it all, and begin again from what is committed
  GiveUp            going on would be wrong: the process ends and says why
  NotDurable        it may still be written, or not: keep it elsewhere, with the same id
    Refused         and it never will be, whoever tries: this one record is not to the broker's liking
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple, Protocol

Headers = list[tuple[str, bytes]]


class BusError(Exception):
    """Something between us and the broker. Its text never holds a citizen's words, name or address."""


class BeginAnew(BusError):
    """What we remember of a number may not be what was written."""


class GiveUp(BusError):
    """Going on would be wrong; only people can say what is right."""


class NotDurable(BusError):
    """Nobody confirmed it in time: it may still be written."""


class Refused(NotDurable):
    """The broker will not have a record of these, now or ever."""


class Raw(Protocol):
    """A record as it lies in a log. `timestamp` is in milliseconds since 1970, UTC."""

    @property
    def topic(self) -> str: ...  # noqa: D102 - the name says it
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...  # noqa: D102


class Line(NamedTuple):
    """A record to be written, ready: no value means a tombstone."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Headers


class Seat(Protocol):
    """One number's place at the broker. Whoever fences last has it; all calls are bounded in time.

    Any exception but GiveUp means: discard what you remember, and begin again with a new `fence`.
    """

    async def fence(self) -> None:
        """Take the seat: whoever had it can write no more, and what they had begun is void."""
        ...

    async def committed(self) -> dict[str, int]:
        """Return, by input, the offset after the last one committed; an input that never was is left out."""
        ...

    async def ranges(self) -> dict[str, tuple[int, int]]:
        """Return, by input, the first offset that still exists and the one after the last."""
        ...

    async def torn(self, changelog: str) -> bool:
        """Say whether a transaction hangs in this changelog: a broker died and forgot to end it."""
        ...

    def hanging(self, changelog: str) -> AsyncIterator[Sequence[Raw]]:
        """Return what hangs there; after `heal` nobody can tell it from what was never committed."""
        ...

    async def heal(self, offsets: Mapping[str, int]) -> None:
        """Void what hangs, wherever it may lie; `offsets` are those that are committed."""
        ...

    def changelog(self, topic: str) -> AsyncIterator[Sequence[Raw]]:
        """Return all that is committed in our partition of a changelog, in order."""
        ...

    async def commit(self, lines: Sequence[Line], offsets: Mapping[str, int]) -> None:
        """Write all of it, lines and offsets, or nothing."""
        ...

    async def find(self, topic: str, offset: int) -> Raw | None:
        """Return the record at an offset of our partition of an input; None when it is gone."""
        ...

    def seek(self, offsets: Mapping[str, int]) -> None:
        """Have reading go on from here, and begin it."""
        ...

    def leave(self) -> None:
        """Let the seat go; returns at once, and ends what there is to end in the background."""
        ...
