"""How long the router waits for what: a municipality's choices, with the hub's own as default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """Times and choices that rule every conversation."""

    unique_for: timedelta = timedelta(days=8)
    """A message received longer before it reached us cannot be proven unique (providers redeliver for 7 days)."""
    reopens_for: timedelta = timedelta(days=14)
    """A closed conversation opens again when its citizen writes within this time; then it is forgotten."""
    answer_within: timedelta = timedelta(hours=72)
    """An answer is not sent later than this, unless its author said otherwise."""
    doubt_for: timedelta = timedelta(minutes=2)
    """How long a receipt may settle a reply of which nobody knows whether it went."""
    resends: bool = True
    """A reply still in doubt is then sent again, once; else it is people's."""
    orphans_for: timedelta = timedelta(days=30)
    """How long a receipt waits for the reply it is about."""
    idle_for: timedelta | None = timedelta(days=30)
    """A conversation in which all is answered closes by itself after this silence; None: never."""
