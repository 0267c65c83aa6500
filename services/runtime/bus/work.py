"""What a service does with a partition number that this process owns: the agreement between bus and service.

The bus takes a number (fences the former owner, rebuilds the memory, seeks) and calls `run` with it. Each life of a
number is a new `Number`: when a commit failed, its memory is thrown away, and after a pause `run` is called with the
next one. A `Work` itself is made once for each number and outlives that: the responder keeps in it what its calls
found.

The router's work is `transactional.Transactional` (a handler's batches); the responder brings its own (its rounds).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from services.runtime.bus.number import Number


class Work(Protocol):
    """What is done with one number."""

    async def run(self, number: Number) -> None:
        """Work with `number` until cancelled; it is never to return.

        Cancelled means that the number is another's now, or that the process ends after `finish`. Any exception means
        that this life is over: its memory is discarded, and `run` is called again with a new one. So let what
        `number.commit` raises go out. GiveUp, and only that, ends the process.
        """
        ...

    async def hold(self) -> None:
        """Return when nothing is in hand that a change of owner must wait for; called when the group is dealt anew.

        Until `number.held` is false again nothing new may begin. The caller waits no longer than `Timing.hold`.
        """
        ...

    async def finish(self) -> None:
        """Bring what was begun to its end; called once, when the process stops. Waited for `Timing.finish`."""
        ...


MakeWork = Callable[[int], Work]
"""Make the work for a number."""
