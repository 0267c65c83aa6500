"""The live table: every hop of every message with its time, read from the topics and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.table import Table

from demo.watch import Seen
from schemas.events import (
    DeliveryChanged,
    Event,
    FactConversationClosed,
    MessageReceived,
    MessageRouted,
    Outcome,
    ReplyRefused,
    ReplyRequested,
    SendRequested,
)
from schemas.parts import text_of

COLUMNS = ("bericht", "via", "op de wachtrij van", "gevraagd", "naar buiten", "uitkomst", "stand")
WIDTH = 34
SHOWN = 24


@dataclass
class Row:
    """One message of a citizen and what came of it."""

    words: str
    channel: str
    at: float
    routed: list[str] = field(default_factory=list)
    asked: str = ""
    sent: str = ""
    outcome: str = ""
    status: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the row as text."""
        return (self.words, self.channel, " → ".join(self.routed), self.asked, self.sent, self.outcome, self.status)


@dataclass
class Board:
    """All rows, by message, and which row a conversation is at."""

    rows: dict[str, Row] = field(default_factory=dict)
    at: dict[str, Row] = field(default_factory=dict)

    def take(self, seen: Seen) -> None:
        """Take in one event."""
        data, logged = seen.event.data, seen.at
        if isinstance(data, MessageReceived):
            self.rows.setdefault(data.message, Row(_words(data), data.via.channel, logged))
        elif isinstance(data, MessageRouted):
            self._routed(data, logged)
        elif (row := self.at.get(getattr(data, "conversation", ""))) is not None:
            _advance(row, data, logged)

    def table(self) -> Table:
        """Return the latest rows, drawn."""
        table = Table(title="Berichtenhub: wat er over de topics gaat (ms na binnenkomst)", expand=True)
        for column in COLUMNS:
            table.add_column(column, overflow="ellipsis", no_wrap=True)
        for row in list(self.rows.values())[-SHOWN:]:
            table.add_row(*row.cells())
        return table

    def _routed(self, data: MessageRouted, logged: float) -> None:
        if data.message is None or data.message.message not in self.rows:
            return
        row = self.rows[data.message.message]
        row.routed.append(f"{data.department} {_since(row, logged)}")
        self.at[data.conversation] = row


def drawn(seen: Iterable[Seen]) -> Table:
    """Return the table of all that was seen."""
    board = Board()
    for each in seen:
        board.take(each)
    return board.table()


def _advance(row: Row, data: Event, logged: float) -> None:
    match data:
        case ReplyRequested():
            row.asked = row.asked or _since(row, logged)
        case SendRequested():
            row.sent = row.sent or _since(row, logged)
        case Outcome():
            row.outcome = row.outcome or f"{data.TYPE.split('.')[-2]} {_since(row, logged)}"
        case DeliveryChanged():
            row.status = f"{data.status} {_since(row, logged)}"
        case ReplyRefused():
            row.status = f"{row.status} · tweede antwoord geweigerd".strip(" ·")
        case FactConversationClosed():
            row.status = f"{row.status} · gesloten ({data.reason})".strip(" ·")
        case _:
            pass


def _words(data: MessageReceived) -> str:
    words = " ".join(text_of(data.parts).split()) or f"[{data.parts[0].kind if data.parts else 'leeg'}]"
    return words if len(words) <= WIDTH else words[: WIDTH - 1] + "…"


def _since(row: Row, moment: float) -> str:
    return f"{(moment - row.at) * 1000:.0f}"
