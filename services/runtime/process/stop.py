"""How a process ends: on a signal, also while it is still starting, and never later than it may."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from services.runtime.process.log import get_logger

T = TypeVar("T")
log = get_logger()

STEP = 10.0
"""Seconds that one step of stopping may take."""


class Stopped(Exception):
    """The signal came while something was awaited."""


class Stop:
    """The wish to end. Set by SIGTERM or SIGINT, or by whoever finds that going on is wrong."""

    def __init__(self) -> None:
        self._wanted = asyncio.Event()
        self.failure: str | None = None

    def on_signals(self) -> None:
        """Let SIGTERM and SIGINT set it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._wanted.set)

    def now(self) -> None:
        """Ask to end."""
        self._wanted.set()

    def fail(self, why: str) -> None:
        """Ask to end because going on would be wrong; the process exits with 1. `why` holds nothing of a citizen."""
        self.failure = self.failure or why
        log.error("process_gave_up", why=why)
        self._wanted.set()

    @property
    def wanted(self) -> bool:
        """Whether the end was asked for."""
        return self._wanted.is_set()

    @property
    def exit_code(self) -> int:
        """0 after a clean stop, 1 after a failure."""
        return 1 if self.failure else 0

    async def wait(self) -> None:
        """Return when the end was asked for."""
        await self._wanted.wait()

    async def unless(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what `work` returns; when the stop comes first, cancel it and raise Stopped."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._wanted.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Stopped
        finally:
            stop.cancel()
            await _cancelled(task)


async def bounded(what: str, work: Awaitable[object], seconds: float = STEP) -> bool:
    """Wait for one step of stopping, and say so when it takes too long or fails. Returns whether it ended well."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        log.warning("stop_step_timed_out", step=what, seconds=seconds)
        return False
    except Exception as error:  # noqa: BLE001 - the next step of stopping comes all the same
        log.warning("stop_step_failed", step=what, error=type(error).__name__)
        return False
    return True


async def _cancelled(task: asyncio.Future[Any]) -> None:
    if task.done():
        return
    task.cancel()
    await asyncio.wait({task}, timeout=STEP)
