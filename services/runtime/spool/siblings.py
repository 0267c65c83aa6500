"""Spools, seen from outside: one that holds something and has no owner is somebody's words that nobody forwards."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from services.runtime.spool.claim import nobodys
from services.runtime.spool.store import FILE, SpoolError, Store, Taken, Totals


class Abandoned(NamedTuple):
    """A spool that nobody has. `totals` is None when it cannot be read."""

    name: str
    totals: Totals | None


def abandoned(own: Path) -> list[Abandoned]:
    """Return the spools in the same folder as `own` that hold something and have no owner. Reads them; blocks."""
    return [found for folder in spools(own.parent) if folder != own and (found := _abandoned(folder)) is not None]


def spools(folder: Path) -> list[Path]:
    """Return the folder itself when it is a spool, else the spools in it; raises OSError."""
    return [folder] if _is_spool(folder) else [each for each in sorted(folder.iterdir()) if _is_spool(each)]


def has_owner(folder: Path) -> bool:
    """Say whether a process has this spool now; raises Broken."""
    try:
        with nobodys(folder):
            return False
    except Taken:
        return True


def _is_spool(folder: Path) -> bool:
    return (folder / FILE).is_file()


def _abandoned(folder: Path) -> Abandoned | None:
    try:
        with nobodys(folder), closing(Store(folder)) as store:
            totals = store.totals()
    except Taken:
        return None
    except SpoolError:
        return Abandoned(folder.name, None)
    return Abandoned(folder.name, totals) if totals.records or totals.refused else None
