"""The calls of this process for one number, from being prepared until what became of them is written.

They outlive the ledger: when its memory is thrown away after a failed commit, the next one finds here what its
predecessor had begun, and what it had prepared and then not begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from services.channels.base import SendError, Sent
from services.responder.gate import Gates
from services.responder.moves import Found, NotBegun, Start
from services.responder.rows import Content, Ticket
from services.runtime.process import crash
from services.runtime.process.clock import Clock
from services.runtime.process.metrics import Metrics

HELD = 1.0
"""Seconds; a call whose moment is further off than this goes back to waiting, since its inbox was told to slow down."""


@dataclass(slots=True, eq=False)
class Call:
    """One call: `found` when it is over, `began` when it was made."""

    start: Start
    found: Found | None = None
    began: float | None = None


Deliver = Callable[[Start], Awaitable[Sent | SendError]]


class Calls:
    """`late` is T/2: after so many seconds since before its commit, a call is not made any more."""

    def __init__(self, deliver: Deliver, gates: Gates, clock: Clock, metrics: Metrics, late: float) -> None:
        self._deliver, self._gates, self._clock, self._metrics, self._late = deliver, gates, clock, metrics, late
        self._calls: dict[Ticket, Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: Callable[[], None] = lambda: None

    def when_over(self, tell: Callable[[], None]) -> None:
        """Have `tell` called when a call is over."""
        self._over = tell

    # --- before and after the commit ---

    def prepare(self, starts: Iterable[Start]) -> None:
        """Note calls that are about to be written as started."""
        self._calls |= {start.ticket: Call(start) for start in starts}

    def begin(self, starts: Iterable[Start], since: float) -> None:
        """Make them, now that it is written; `since` is the boot-time clock from before that."""
        for start in starts:
            task = asyncio.create_task(self._make(self._calls[start.ticket], since))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def drop(self, starts: Iterable[Start]) -> None:
        """Do not make them: nobody knows whether it was written."""
        for start in starts:
            self._not_begun(self._calls[start.ticket])

    # --- what became of them ---

    def over(self) -> list[Call]:
        """Return the calls whose end is not written yet."""
        return [call for call in self._calls.values() if call.found is not None]

    def forget(self, calls: Iterable[Call]) -> None:
        """Let go of calls whose end is written."""
        for call in calls:
            # One that was never made may have been prepared again under the same ticket.
            if self._calls.get(call.start.ticket) is call:
                del self._calls[call.start.ticket]

    def __len__(self) -> int:
        return len(self._calls)

    # --- a new memory ---

    def content(self, ticket: Ticket) -> Content | None:
        """Return the content of a call of ours; None when it is not ours, or not known any more."""
        call = self._calls.get(ticket)
        return call.start.content if call else None

    # --- one call ---

    async def _make(self, call: Call, since: float) -> None:
        if await self._moment(call.start) and self._clock.boottime() - since <= self._late:
            call.began = self._clock.monotonic()
            crash.here("responder.before_call")
            call.found = await self._deliver(call.start)
            crash.here("responder.after_call")
            self._count(call, self._clock.monotonic() - call.began)
        else:
            call.found = NotBegun()
        self._over()

    async def _moment(self, start: Start) -> bool:
        """Wait for the call's moment; says whether it comes soon enough."""
        pace, now = self._gates.of(start.send.inbox).pace, self._clock.monotonic()
        if pace.wait(now) > HELD:
            pace.give_up()
            return False
        wait = pace.moment(now) - now
        if wait > 0:
            await asyncio.sleep(wait)
        return True

    def _not_begun(self, call: Call) -> None:
        self._gates.of(call.start.send.inbox).pace.give_up()
        call.found = NotBegun()

    def _count(self, call: Call, seconds: float) -> None:
        channel = call.start.send.channel
        outcome = call.found.reason.value if isinstance(call.found, SendError) else "sent"
        self._metrics.sends.labels(channel, outcome).inc()
        self._metrics.send_seconds.labels(channel).observe(seconds)
