"""The committer of one partition number: all that moved since the last round goes into one transaction.

Taken in, to be started, over: each is first done in the ledger, then written, and only then followed by anything. A
call is made when the round that says "started" is written, and not when T/2 has passed since before that: a process
that was stopped in between must not call after another has taken over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.channels.base import Http, SendError, Sent
from services.responder.calls import Call, Calls
from services.responder.deliver import deliver
from services.responder.gate import Gates
from services.responder.hung import started_in
from services.responder.inboxes import Inboxes, Outlet
from services.responder.intake import NO_INBOX, Intake, Taken
from services.responder.ledger import Ledger
from services.responder.moves import Now, Start
from services.responder.outcomes import event_of
from services.responder.pacing import NEVER, Chance
from services.responder.rows import SENDS
from services.responder.watch import Watch
from services.runtime.bus.deadletters import Brake
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.metrics import BusMetrics
from services.runtime.bus.number import Number
from services.runtime.bus.seat import Line
from services.runtime.bus.ticks import signs_of_life
from services.runtime.process import crash
from services.runtime.process.clock import Clock
from services.runtime.process.metrics import Metrics

LINGER = 0.005
"""Seconds that a round waits for company: a commit costs the same for one move as for a hundred."""
HOLD = 1.0
"""Seconds that a change of owner waits for calls; the fence, not this wait, keeps two owners apart."""
LONGEST_WAIT = 60.0

Places = Callable[[int], list[tuple[str, int]]]
"""Where a number gives its daily sign of life: (topic, partition)."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the rounds of all numbers share. `token` is this process's own: no other life ever signed with it."""

    inboxes: Inboxes
    http: Http
    clock: Clock
    chance: Chance
    metrics: Metrics
    bus: BusMetrics
    watch: Watch
    brake: Brake
    places: Places
    token: str
    bulk_room: int = 1_000
    linger: float = LINGER


class Rounds:
    """services.runtime.bus.work.Work."""

    def __init__(self, index: int, around: Surroundings) -> None:
        self._index, self._around = index, around
        self._gates = Gates(around.inboxes.policy, around.chance)
        self._intake = Intake(around.inboxes, around.brake, around.bulk_room)
        self._calls = Calls(self._deliver, self._gates, around.clock, around.metrics, around.inboxes.doubt() / 2)
        self._calls.when_over(self._stir)
        self._stirred, self._moved = asyncio.Event(), asyncio.Event()
        self._working = self._finishing = self._committing = False

    # --- services.runtime.bus.work.Work ---

    async def run(self, number: Number) -> None:
        """Work one life of the number."""
        ledger = self._rebuilt(number)
        listening = asyncio.create_task(self._listen(number))
        self._working = True
        try:
            while True:
                await self._round(number, ledger)
                await self._until_something(number, ledger)
        finally:
            self._working = False
            self._moved.set()
            listening.cancel()
            self._around.watch.gone(self._index)

    async def hold(self) -> None:
        """Wait a moment for calls, and for the commit in hand."""
        try:
            async with asyncio.timeout(HOLD):
                await self._until(lambda: not self._calls)
        except TimeoutError:
            await self._until(lambda: not self._committing)

    async def finish(self) -> None:
        """Begin nothing more; return when all calls are over and written."""
        self._finishing = True
        await self._until(lambda: not self._calls or not self._working)

    # --- a round ---

    async def _round(self, number: Number, ledger: Ledger) -> None:
        since, now = self._around.clock.boottime(), self._now()
        over = self._finish(ledger, now)
        taken = Taken() if self._resting(number) else self._intake.take(number, ledger, now)
        ledger.expire(now)
        starts = [] if self._resting(number) else list(ledger.starts(now))
        lines: list[Line | Outgoing] = [*self._signs(number, now), *taken.letters, *self._written(number, ledger, now)]
        if lines or taken.records or number.state.changed:
            _passed("responder.before_outcome", over)
            await self._commit(number, starts, lines)
            _passed("responder.after_started", starts)
        self._calls.forget(over)
        self._calls.begin(starts, since)
        self._show(ledger, taken, self._around.clock.boottime() - since)

    def _finish(self, ledger: Ledger, now: Now) -> list[Call]:
        over = self._calls.over()
        for call in over:
            if call.found is not None:
                ledger.finish(call.start.ticket, call.found, call.began, now)
        return over

    def _written(self, number: Number, ledger: Ledger, now: Now) -> list[Outgoing]:
        """Put what changed into the state; returns the outcomes."""
        settled = ledger.settle(now)
        for key, row in settled.rows.items():
            if row is None:
                number.state.drop(SENDS, key)
            else:
                number.state.put(SENDS, key, row)
        return [event_of(end, now.wall) for end in settled.ends]

    async def _commit(self, number: Number, starts: list[Start], lines: list[Line | Outgoing]) -> None:
        self._calls.prepare(starts)
        self._committing = True
        try:
            await number.commit_lines(await number.filled(lines), number.taken)
        except BaseException:
            self._calls.drop(starts)
            raise
        finally:
            self._committing = False

    def _signs(self, number: Number, now: Now) -> list[Line]:
        return signs_of_life(number.state, self._around.places(number.index), now.wall) if number.beat() else []

    def _show(self, ledger: Ledger, taken: Taken, seconds: float) -> None:
        for topic, records in taken.records.items():
            self._around.bus.handled(topic, records)
        for topic, records in taken.aside.items():
            self._around.bus.set_aside(topic, records)
        self._around.bus.batch(seconds)
        self._around.watch.look(self._index, ledger.open, self._gates)
        self._moved.set()

    # --- waiting ---

    async def _until_something(self, number: Number, ledger: Ledger) -> None:
        wait = NEVER if self._resting(number) else ledger.next_look(self._now())
        alarm = asyncio.get_running_loop().call_later(min(wait, LONGEST_WAIT), self._stirred.set)
        await self._stirred.wait()
        alarm.cancel()
        await asyncio.sleep(self._around.linger)
        self._stirred.clear()

    async def _listen(self, number: Number) -> None:
        while True:
            await number.stirred()
            self._stirred.set()

    async def _until(self, so: Callable[[], bool]) -> None:
        while not so():
            self._moved.clear()
            await self._moved.wait()

    def _stir(self) -> None:
        self._stirred.set()
        self._moved.set()

    def _resting(self, number: Number) -> bool:
        return number.held or self._finishing

    # --- memory and calls ---

    def _rebuilt(self, number: Number) -> Ledger:
        ledger = Ledger(self._gates, self._around.token)
        ledger.load(number.state.rows(SENDS), self._calls.content, self._now(), started_in(number.hung))
        ledger.abandon(lambda inbox: self._around.inboxes.get(inbox) is None, NO_INBOX)
        return ledger

    async def _deliver(self, start: Start) -> Sent | SendError:
        return await deliver(start, self._outlet(start), self._around.http)

    def _outlet(self, start: Start) -> Outlet:
        outlet = self._around.inboxes.get(start.send.inbox)
        if outlet is None:
            raise LookupError("nothing is started from an inbox that is not configured")
        return outlet

    def _now(self) -> Now:
        return Now(self._around.clock.now(), self._around.clock.monotonic())


def _passed(point: str, moved: Sequence[object]) -> None:
    """Say that a point of crash.py is passed by something."""
    if moved:
        crash.here(point)
