"""Who has a spool: one process at a time, by a lock that the kernel lets go of when the process dies.

A paused process still has it. The lock is on a file of its own, since SQLite locks its files in its own ways.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.runtime.spool.store import Broken, Taken

_NAME = "owner.lock"


class Claim:
    """The right to write to a spool and to forward from it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._descriptor = folder, -1

    def take(self) -> None:
        """Take it; raises Taken when somebody has it, Broken when the folder cannot be written."""
        self._descriptor = _locked(self._folder, fcntl.LOCK_EX)

    def release(self) -> None:
        """Give it back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@contextmanager
def nobodys(folder: Path) -> Iterator[None]:
    """Keep a spool from being taken for a moment, to look into it; raises Taken when its owner lives."""
    descriptor = _locked(folder, fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(folder: Path, kind: int) -> int:
    try:
        descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Broken(f"the folder cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Taken("another process has it") from error
    return descriptor
