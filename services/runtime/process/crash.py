"""Named points at which a process can be made to die, as by SIGKILL: where, and what happens then.

Off unless HUB_CRASH_AT=name or name:n (the nth time that the point is passed) stands in the environment of the
process; then a point costs the call of an empty function. The list here is the one in docs/delivery-guarantees.md.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping

VARIABLE = "HUB_CRASH_AT"

POINTS: Mapping[str, str] = {
    "ingest.before_files": "nothing is kept and nothing was answered: whoever sent it comes again",
    "ingest.after_files": "files lie on disk that nothing names yet; it comes again and finds them there",
    "ingest.before_publish": "nothing is kept and nothing was answered: whoever sent it comes again",
    "ingest.after_publish": "it is kept, and nobody was told: it comes again under the same id, which the router drops",
    "ingest.after_answer": "it is kept, and its sender knows",
    "spool.before_append": "the broker is away, nothing is on disk and nothing was answered: it comes again",
    "spool.after_append": "it is on disk, and nobody was told: it is carried to the broker by the next life, and comes "
    "again under the same id",
    "spool.before_carry": "it is on disk: the next life carries it",
    "spool.after_carry": "the broker has it, and it is still on disk: it is carried again, with the same ids",
    "spool.after_remove": "the broker has it",
    "bus.before_fence": "the former owner's batch, if it was committed, holds; nothing was begun",
    "bus.after_fence": "what the former owner had open is void; the next life fences this one",
    "bus.after_whole": "no torn transaction is left in the changelog; the next life looks again",
    "bus.after_rebuild": "memory is thrown away with the process and read again",
    "bus.after_find": "content was read back and nothing written: the batch is worked again",
    "bus.before_commit": "a batch was worked in memory only: it is worked again, with the same ids",
    "bus.after_lines": "outputs and memory are written without offsets, and hidden from who reads committed: the "
    "fence of the next life voids them",
    "bus.after_offsets": "all is written and not committed: void, as before",
    "bus.after_commit": "it happened: the next life begins after it",
    "responder.after_started": "the send is written as started and was not called: it ends as unknown, and is sent "
    "again after the waiting time",
    "responder.before_call": "the same: nobody can tell it from a call that was made",
    "responder.after_call": "the provider has it, and nothing of that is written: unknown, until its receipt comes",
    "responder.before_outcome": "the same: the outcome was not committed",
}  # fmt: skip
"""What happens when the process dies there."""


def killing(wanted: str, kill: Callable[[], None]) -> Callable[[str], None]:
    """Return what ends the process at the point that `wanted` names; raises ValueError when there is no such point."""
    name, _, nth = wanted.partition(":")
    if name not in POINTS or not (nth or "1").isdigit():
        raise ValueError(f"{VARIABLE}={wanted}: no such point; there are {', '.join(POINTS)}")
    left = int(nth or "1")

    def here(point: str) -> None:
        nonlocal left
        if point == name:
            left -= 1
            if left == 0:
                kill()

    return here


def _nowhere(_point: str) -> None:
    """Nothing: no crash is wanted."""


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


_WANTED = os.environ.get(VARIABLE)

here: Callable[[str], None] = killing(_WANTED, _kill) if _WANTED else _nowhere
"""Say that this point is passed."""
