"""One life of one partition number: its memory, its inputs, and the one way in which anything is written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from services.runtime.bus.batches import MAX_LINE, Encoder, size
from services.runtime.bus.handler import Outgoing, Poison
from services.runtime.bus.kept import Keeper
from services.runtime.bus.seat import BeginAnew, Line, Raw, Seat
from services.runtime.bus.state import KeyedState

OFFSETS = "offsets"
"""Mark in the state: the offsets that belong to it, by input."""


class RowTooLarge(BeginAnew):
    """A row of the state is too large to be written: this life is over, and the next has to find out whose it is."""


@dataclass(slots=True)
class Input:
    """One input of a number: what was read and not yet taken."""

    topic: str
    taken: int
    """The offset after the last record that was taken (or the first to read)."""
    unread: deque[Raw] = field(default_factory=deque)
    last_logged: datetime | None = None
    """Log time of the last record that was taken in this life."""

    def take(self, limit: int) -> list[Raw]:
        """Take up to `limit` records, the oldest first."""
        records = [self.unread.popleft() for _ in range(min(limit, len(self.unread)))]
        if records:
            self.taken, self.last_logged = records[-1].offset + 1, logged(records[-1])
        return records


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the loop asked once a second: the time, and then whether an input was read to its end."""

    noted: datetime
    at_end: Mapping[str, bool]


UNTOLD = Pulse(datetime.min.replace(tzinfo=UTC), {})
"""Before the first pulse; and after the group was dealt anew, since an old one speaks of what was read ahead then."""


@dataclass(frozen=True, slots=True)
class Lag:
    """What is not done yet of an input: records, and the age of the oldest in seconds."""

    records: int
    seconds: float


class Number:
    """What a `Work` works with, for one life. Everything here is in one event loop: nothing is shared."""

    def __init__(
        self,
        index: int,
        seat: Seat,
        state: KeyedState,
        start: Mapping[str, int],
        encoder: Encoder,
        hung: Sequence[Raw] = (),
    ) -> None:
        self.index = index
        """The partition number."""
        self.state = state
        self.inputs = {topic: Input(topic, offset) for topic, offset in start.items()}
        """By topic, in the order of the service's inputs."""
        self.held = False
        """Whether the group is being dealt anew: take nothing, begin nothing."""
        self.encoder = encoder
        self.hung = hung
        """What lay in our changelogs of transactions that a broker left half done; it is void, and not in the state.

        Whoever wrote it may have been told that it was committed, and may have acted on it.
        """
        self.proven = False
        """Whether this life has committed anything."""
        self._seat, self._committed, self._over = seat, dict(start), False
        self._kept = Keeper(seat, next(iter(start)))
        self._stirred, self._pulse = asyncio.Event(), UNTOLD
        self.due = False
        """Whether a second passed that the work was not told of."""

    # --- what a work does ---

    async def stirred(self) -> None:
        """Return when something changed since the last time: records, a second passed, held or no longer held."""
        await self._stirred.wait()
        self._stirred.clear()

    def beat(self) -> bool:
        """Say whether a second passed since the last time; see `time`."""
        due, self.due = self.due, False
        return due

    @property
    def unread(self) -> bool:
        """Whether any input holds a record that was not taken."""
        return any(one.unread for one in self.inputs.values())

    @property
    def taken(self) -> dict[str, int]:
        """The offset after the last record that was taken, by input."""
        return {topic: one.taken for topic, one in self.inputs.items()}

    @property
    def committed(self) -> Mapping[str, int]:
        """The offset after the last committed record, by input."""
        return self._committed

    async def commit(self, outgoings: Sequence[Outgoing], offsets: Mapping[str, int]) -> None:
        """Write `outgoings`, what changed in the state, and `offsets` (after the last done, by input), or nothing.

        What changes in the state while this waits belongs to the next commit. After any exception this life is over.
        Raises Poison when an outgoing is too large for a record (nothing was written then), BeginAnew otherwise.
        """
        await self.commit_lines(await self.filled(outgoings), offsets)

    async def commit_lines(self, lines: Sequence[Line], offsets: Mapping[str, int]) -> None:
        """Do the same with what was encoded before."""
        if self._over:
            raise BeginAnew("this life of the number is over")
        following = self._committed | dict(offsets)
        if following != self.state.mark(OFFSETS):
            self.state.set_mark(OFFSETS, following)
        self.state.keep()
        try:
            await self._seat.commit([*lines, *self._changes()], following)
        except BaseException:
            self._over = True
            raise
        self._committed, self.proven = following, True

    def _changes(self) -> list[Line]:
        changes = self.state.changes()
        if any(size(line) > MAX_LINE for line in changes):
            raise RowTooLarge(f"a row has more than {MAX_LINE} bytes")
        return changes

    async def filled(self, outgoings: Sequence[Line | Outgoing]) -> list[Line]:
        """Return the lines of `outgoings`, with content that is not in memory read back. Raises Poison."""
        return [out if isinstance(out, Line) else await self._filled(out) for out in outgoings]

    async def _filled(self, outgoing: Outgoing) -> Line:
        if outgoing.content is None:
            return self.encoder.line(outgoing)
        try:
            return self.encoder.line(await self._kept.fill(outgoing))
        except Poison:  # too large only with its content: it goes out with a pointer to the history instead
            return self.encoder.line(replace(outgoing, content=None))

    def time(self) -> datetime | None:
        """Return up to when nothing is unread: the log time of the oldest unread record, or of the last pulse.

        None when that is not known yet. After an outage no watchdog may overtake the receipts that wait, so what
        is told as the time follows the input, not the clock.
        """
        bounds = [self._bound(each) for each in self.inputs.values()]
        known = [bound for bound in bounds if bound is not None]
        return min([self._pulse.noted, *known]) if len(known) == len(bounds) else None

    def _bound(self, one: Input) -> datetime | None:
        if one.unread:
            return logged(one.unread[0])
        return self._pulse.noted if self._pulse.at_end.get(one.topic) else one.last_logged

    # --- what the bus does with it ---

    def lag(self, topic: str, end: int, now: datetime) -> Lag:
        """Return what is not done yet of an input whose log ends at `end`."""
        one = self.inputs[topic]
        if one.unread:
            return Lag(end - self._committed[topic], max(0.0, (now - logged(one.unread[0])).total_seconds()))
        done = self._pulse.at_end.get(topic) and one.taken == self._committed[topic]
        return Lag(0 if done else max(0, end - self._committed[topic]), 0.0)

    def hand(self, topic: str, records: Sequence[Raw]) -> int:
        """Take in what was read; returns how many are unread."""
        unread = self.inputs[topic].unread
        unread.extend(records)
        self._stirred.set()
        return len(unread)

    def pulse(self, pulse: Pulse) -> None:
        """Note that a second passed."""
        self._pulse, self.due = pulse, True
        self._stirred.set()

    def hold(self) -> None:
        """The group is being dealt anew."""
        self.held = True
        self._stirred.set()

    def resume(self) -> dict[str, int]:
        """The number is ours (still): forget what was read ahead, and return from where to read."""
        self.held, self._pulse, self.due = False, UNTOLD, False
        for one in self.inputs.values():
            one.unread.clear()
        self._stirred.set()
        return self.taken

    def end(self) -> None:
        """This life is over: nothing can be committed any more."""
        self._over = True


def logged(record: Raw) -> datetime:
    """Return when a record was logged, UTC."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)
