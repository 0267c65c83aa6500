"""A number's lives: fenced, rebuilt, checked, worked; and begun anew after whatever went wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from services.runtime.bus.batches import Encoder
from services.runtime.bus.handler import Tables
from services.runtime.bus.metrics import BusMetrics
from services.runtime.bus.number import OFFSETS, Lag, Number, Pulse
from services.runtime.bus.seat import GiveUp, Raw, Seat
from services.runtime.bus.state import KeyedState, changelogs
from services.runtime.bus.work import Work
from services.runtime.process import crash
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger, places
from services.runtime.process.stop import bounded

log = get_logger()

ASKED_AGAIN = 150
"""Times that we look, for half a minute, whether an abort has taken effect."""

LEFT = "left"
"""Why a number's lives end without a word: it is another's, or the process ends."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take, seconds. The defaults were measured together, on Kafka 4.3.1."""

    session: float = 15.0
    """A replica that is silent for so long loses its numbers."""
    heartbeat: float = 3.0
    transaction: float = 10.0
    """An open transaction of the dead blocks every reader this long."""
    commit: float = 8.0
    """Below `transaction`: whoever waits longer must not believe its commit any more."""
    ask: float = 2.0
    """A question to the broker that may go unanswered."""
    begin: float = 30.0
    """A step of beginning: fencing, reading offsets; the broker may be away for a while."""
    pause: float = 3.5
    """Before a number begins again: more than a heartbeat, or two lives fence each other for ever."""
    longest_pause: float = 10.0
    patience: float = 60.0
    """Of failing without one commit, before the process ends."""
    hold: float = 9.0
    """That a change of owner waits for the batch in hand."""
    finish: float = 30.0
    """That stopping waits for what was begun."""
    watchdog: float = 90.0
    """Without a sign of the reader, before the process ends."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all numbers of a process share."""

    tables: Tables
    clock: Clock
    metrics: BusMetrics
    give_up: Callable[[str], None]
    """Ends the process, with a reason."""
    timing: Timing = field(default_factory=Timing)
    encoder: Encoder = field(default_factory=Encoder)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Ownership:
    """One partition number, as long as it is ours. Its callbacks are synchronous but for `hold`."""

    def __init__(self, index: int, seat: Seat, work: Work, around: Surroundings) -> None:
        self.index, self._seat, self._work, self._around = index, seat, work, around
        self.number: Number | None = None
        """The life at hand; None while there is none."""
        self._ours = asyncio.Event()
        self._leaving = False
        self._hung: list[Raw] = []
        self._patience = Patience(around)
        self._task = asyncio.create_task(self._lives(), name=f"number-{index}")

    # --- what the group says ---

    async def hold(self) -> None:
        """The group is dealt anew: begin nothing, and return when nothing is in hand."""
        self._ours.clear()
        if self.number:
            self.number.hold()
        await bounded("hold", self._work.hold(), self._around.timing.hold)

    def own(self) -> None:
        """It is ours, or still is: read on."""
        if self.number:
            self._seat.seek(self.number.resume())
        self._ours.set()

    def leave(self) -> None:
        """It is another's."""
        self._leaving = True
        self._task.cancel()

    async def finish(self) -> None:
        """The process stops: end what was begun, then leave."""
        await self.hold()
        await bounded("finish", self._work.finish(), self._around.timing.finish)
        self.leave()
        await asyncio.wait({self._task}, timeout=self._around.timing.hold)

    # --- what the reader brings ---

    def hand(self, topic: str, records: Sequence[Raw]) -> int:
        """Take in what was read; returns how many are unread. Between two lives nothing is taken: it is read again."""
        return self.number.hand(topic, records) if self.number else 0

    def unread(self, topic: str) -> int:
        """Return how many records of an input are unread."""
        return len(self.number.inputs[topic].unread) if self.number else 0

    def lag(self, topic: str, end: int, now: datetime) -> Lag:
        """Return what is not done yet of an input whose log ends at `end`."""
        return self.number.lag(topic, end, now) if self.number else Lag(0, 0.0)

    def pulse(self, pulse: Pulse) -> None:
        """A second passed."""
        if self.number:
            self.number.pulse(pulse)

    # --- lives ---

    async def _lives(self) -> None:
        while (why := await self._one_life()) is None:
            await self._patience.pause()
        if why != LEFT:
            self._around.give_up(f"number {self.index}: {why}")

    async def _one_life(self) -> str | None:
        """Live until something goes wrong; returns why there is to be no next life."""
        try:
            await self._life()
        except GiveUp as failure:
            return str(failure)
        except BaseException as error:  # noqa: BLE001 - a library's cancelled future too: no number dies in silence
            return LEFT if self._leaving or self._task.cancelling() else self._lost(error)
        finally:
            self._discard()
        return "its work came to an end by itself"

    async def _life(self) -> None:
        await self._until_ours()
        began = self._around.clock.monotonic()
        await self._seat.fence()
        state, start = await self._rebuilt()
        crash.here("bus.after_rebuild")
        self._around.metrics.rebuilt(self._around.clock.monotonic() - began)
        await self._until_ours()
        self.number = Number(self.index, self._seat, state, start, self._around.encoder, self._hung)
        self._seat.seek(self.number.resume())
        log.info("number_began", number=self.index, seconds=round(self._around.clock.monotonic() - began, 3))
        self._patience.began()
        await self._work.run(self.number)

    async def _until_ours(self) -> None:
        while not self._ours.is_set():  # it may be taken back before we wake
            await self._ours.wait()

    def _lost(self, error: BaseException) -> str | None:
        self._around.metrics.commit_failed()
        log.warning("number_begins_anew", number=self.index, error=type(error).__name__, frames=places(error))
        return self._patience.lost(self.number)

    def _discard(self) -> None:
        if self.number:
            self.number.end()
        self.number = None
        self._seat.leave()

    # --- memory ---

    async def _rebuilt(self) -> tuple[KeyedState, dict[str, int]]:
        await self._whole()
        crash.here("bus.after_whole")
        state = KeyedState(self._around.tables, self.index)
        for topic in changelogs(self._around.tables):
            async for records in self._seat.changelog(topic):
                state.load(records)
        state.loaded()
        return state, await self._start(state)

    async def _whole(self) -> None:
        """See to it that no transaction hangs in our changelogs; see KafkaSeat.heal."""
        topics = changelogs(self._around.tables)
        if not await self._torn(topics):
            return
        log.warning("torn_transaction_found", number=self.index)
        await self._note_what_hangs(topics)
        await self._seat.heal(await self._seat.committed())
        left = not await self._healed(topics)
        self._around.metrics.torn("left" if left else "healed")
        if left:
            raise GiveUp("a transaction that a broker left half done hangs in the changelog: end it by hand")

    async def _note_what_hangs(self, topics: Sequence[str]) -> None:
        """Keep what will be void: for all lives of ours, since this one may end before it told anybody."""
        for topic in topics:
            async for records in self._seat.hanging(topic):
                self._hung += records

    async def _healed(self, topics: Sequence[str]) -> bool:
        """Say whether it worked; an abort is answered before its markers are written, and a broker may be busy."""
        for _ in range(ASKED_AGAIN):
            if not await self._torn(topics):
                return True
            await self._around.sleep(0.2)
        return False

    async def _torn(self, topics: Sequence[str]) -> bool:
        return any([await self._seat.torn(topic) for topic in topics])

    async def _start(self, state: KeyedState) -> dict[str, int]:
        """Return where reading begins. A commit may show in the group's offsets a moment later: so ask again."""
        held, committed = state.mark(OFFSETS) or {}, await self._seat.committed()
        for _ in range(10):
            if committed == held:
                break
            await self._around.sleep(0.2)
            committed = await self._seat.committed()
        return starting_offsets(committed, held, await self._seat.ranges())


def starting_offsets(
    committed: Mapping[str, int], held: Mapping[str, int], ranges: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    """Return, by input, the first offset to read; raises GiveUp when memory, group and log contradict each other."""
    if committed != held:
        raise GiveUp(f"the group's offsets {dict(committed)} are not those of the memory {dict(held)}")
    for topic, offset in committed.items():
        first, end = ranges[topic]
        if not first <= offset <= end:
            raise GiveUp(f"{topic}: offset {offset} is to be read next, and the log holds {first} to {end}")
    return {topic: committed.get(topic, first) for topic, (first, _end) in ranges.items()}


class Patience:
    """How long to wait after a failure, and when it was too many."""

    def __init__(self, around: Surroundings) -> None:
        self._around, self._since, self._failures = around, 0.0, 0
        self._began: float | None = None

    def began(self) -> None:
        """A life is at work."""
        self._began = self._around.clock.monotonic()

    def lost(self, number: Number | None) -> str | None:
        """A life ended; returns why to give up, when a minute of lives brought nothing."""
        now = self._around.clock.monotonic()
        if self._failures == 0 or self._was_well(number, now):
            self._since, self._failures = now, 0
        self._failures, self._began = self._failures + 1, None
        lasted = now - self._since
        return f"{self._failures} lives in {lasted:.0f} s came to nothing" if self._spent(lasted) else None

    async def pause(self) -> None:
        """Wait, longer each time."""
        timing = self._around.timing
        await self._around.sleep(min(timing.longest_pause, timing.pause * 1.5 ** (self._failures - 1)))

    def _was_well(self, number: Number | None, now: float) -> bool:
        return bool(number and number.proven) or (self._began is not None and self._spent(now - self._began))

    def _spent(self, seconds: float) -> bool:
        return seconds > self._around.timing.patience
