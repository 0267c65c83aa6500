"""What goes into the ledger and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from services.channels.base import SendError, Sent
from services.responder.outcomes import End
from services.responder.rows import Content, Row, Send, Ticket


class Now(NamedTuple):
    """The time, by the wall (for what others say) and by a clock that never goes back (for what we wait)."""

    wall: datetime
    mono: float


@dataclass(frozen=True, slots=True)
class NotBegun:
    """A call that was prepared and then not made."""


Found = Sent | SendError | NotBegun
"""What became of a call."""


@dataclass(frozen=True, slots=True)
class Start:
    """A call that may be made once it is written that it was started."""

    ticket: Ticket
    send: Send
    content: Content


@dataclass(frozen=True, slots=True)
class Settled:
    """What changed since the last time: rows by key (None: remove it), and how sends ended."""

    rows: Mapping[str, Row | None]
    ends: tuple[End, ...]
