"""What the checker says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Finding:
    """Something that does not hold: which invariant, what, and the ids of what it is about."""

    invariant: str
    what: str
    ids: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.invariant} {self.what}: {' '.join(self.ids)}".removesuffix(": ")


def ids_of(*ids: str | int) -> tuple[str, ...]:
    """Return the ids of a finding."""
    return tuple(map(str, ids))
