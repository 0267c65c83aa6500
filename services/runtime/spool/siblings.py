"""The spools beside ours: one that holds something and has no owner is somebody's words that nobody forwards."""

from __future__ import annotations

from collections.abc import Iterator
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
    return [found for folder in _siblings(own) if (found := _abandoned(folder)) is not None]


def _siblings(own: Path) -> Iterator[Path]:
    return (folder for folder in sorted(own.parent.iterdir()) if folder != own and (folder / FILE).is_file())


def _abandoned(folder: Path) -> Abandoned | None:
    try:
        with nobodys(folder), closing(Store(folder)) as store:
            totals = store.totals()
    except Taken:
        return None
    except SpoolError:
        return Abandoned(folder.name, None)
    return Abandoned(folder.name, totals) if totals.records or totals.refused else None
