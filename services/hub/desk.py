"""What every verb works with: the settings, the broker, the clock, chance, and where to write."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.cloudevents import CloudEvent, Unreadable, decode
from services.hub.errors import Unreachable, WrongUse
from services.hub.settings import HubSettings
from services.runtime.bus.connection import BROKER_ERRORS, Connection
from services.runtime.bus.reader import Reader
from services.runtime.bus.seat import GiveUp, NotDurable, Raw
from services.runtime.process.clock import Clock

T = TypeVar("T")
WIDE = 200
"""Columns where there is no terminal to ask."""


@dataclass(frozen=True)
class Desk:
    """Where an operator sits. `chance` gives a new id for a command that was given none."""

    settings: HubSettings
    connection: Connection
    clock: Clock
    chance: Callable[[], str]
    console: Console = field(default_factory=lambda: _console(stderr=False))
    errors: Console = field(default_factory=lambda: _console(stderr=True))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what has to be done; raises HubError."""
        with _reaching():
            return asyncio.run(work)

    def say(self, *words: str | Text) -> None:
        """Write a line as it is: it may hold what citizens wrote."""
        self.console.print(*map(_text, words), soft_wrap=True)

    def warn(self, words: str) -> None:
        """Write a line for people beside the output of a script."""
        self.errors.print(_text(words), soft_wrap=True)

    def say_json(self, data: object) -> None:
        """Write one line of JSON."""
        typer.echo(json.dumps(data, ensure_ascii=False, default=str))

    def show(self, columns: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None) -> None:
        """Draw a table; numbers stand to the right."""
        listed = [list(row) for row in rows]
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for index, column in enumerate(columns):
            numbers = all(isinstance(row[index], int | float) for row in listed)
            table.add_column(column, justify="right" if numbers and listed else "left", overflow="fold")
        for row in listed:
            table.add_row(*(_text(_cell(each)) for each in row))
        self.console.print(table)


def desk_of(context: typer.Context) -> Desk:
    """Return the desk of a verb."""
    desk = context.find_object(Desk)
    assert desk is not None  # noqa: S101 - main.py puts it there before any verb runs
    return desk


def harmless(text: str) -> str:
    """Return text without what a terminal would obey: a citizen's words must not move its cursor or write to it."""
    return "".join(each if each in "\n\t" or unicodedata.category(each) not in _OBEYED else "�" for each in text)


_OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def logged(raw: Raw) -> datetime:
    """Return when a record was written to its topic."""
    return datetime.fromtimestamp(raw.timestamp / 1000, UTC)


def read(raw: Raw) -> CloudEvent | None:
    """Return a record as an event; None when it is none of ours, or a tombstone."""
    try:
        return decode(raw.headers, raw.value)
    except Unreadable:
        return None


async def events(reader: Reader) -> AsyncIterator[tuple[Raw, CloudEvent]]:
    """Return all events up to where the topics end now."""
    async for raw in reader.to_the_end():
        event = read(raw)
        if event:
            yield raw, event


def age(seconds: float | None) -> str:
    """Return how long that is, for people."""
    if seconds is None:
        return "-"
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"


_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


@contextmanager
def _reaching() -> Iterator[None]:
    try:
        yield
    except GiveUp as error:
        raise WrongUse(str(error)) from error
    except (NotDurable, *BROKER_ERRORS) as error:
        raise Unreachable(f"the broker does not answer ({type(error).__name__}): look at KAFKA_BOOTSTRAP") from error


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    return console if console.is_terminal else Console(stderr=stderr, markup=False, emoji=False, width=WIDE)


def _text(words: str | Text) -> Text:
    return words if isinstance(words, Text) else Text(harmless(words))


def _cell(value: object) -> str | Text:
    return value if isinstance(value, str | Text) else "-" if value is None else f"{value}"
