"""The memory of one number: tables, ids seen, timers. What a record changed is kept or undone as a whole.

Its changes go to changelogs, the last value of each key once per batch, as `<table>/<key>`; timers and the bus's own
marks lie in tables of their own. Rows of a table that this version does not know are left as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import takewhile
from typing import Any, TypeVar, cast

from schemas.parts import Frozen
from services.runtime.bus.handler import Table, Tables
from services.runtime.bus.rows import Rows
from services.runtime.bus.seat import Line, Raw

M = TypeVar("M", bound=Frozen)

TIMERS = "timers"
MARKS = "hub"
"""What the bus itself remembers: offsets, the day of the last sign of life."""


class KeyedState:
    """The state of handler.State, for partition `number`."""

    def __init__(self, tables: Tables, number: int) -> None:
        self._declared, self._number = tables, number
        models = {TIMERS: datetime, MARKS: Any} | {table.name: table.model for table in tables.tables}
        self._rows = {name: Rows(name, model) for name, model in models.items()}
        self._seen: dict[str, int] = {}
        self._due: list[tuple[datetime, str]] = []
        self._undo: list[tuple[str, str, Any]] = []
        self._undo_seen: list[str] = []
        self._dirty: dict[tuple[str, str], None] = {}
        self._dirty_seen: list[str] = []

    # --- tables ---

    def get(self, table: Table[M], key: str) -> M | None:
        """Return a row; None when there is none."""
        return cast("M | None", self._rows[table.name].get(key))

    def put(self, table: Table[M], key: str, row: M) -> None:
        """Write a row."""
        self._write(table.name, key, row)

    def drop(self, table: Table[M], key: str) -> None:
        """Remove a row."""
        self._write(table.name, key, None)

    def rows(self, table: Table[M], holding: Collection[str] = ()) -> Iterator[tuple[str, M]]:
        """Return all rows, for rare sweeps only; see handler.State."""
        return self._rows[table.name].items(holding)

    # --- ids seen ---

    def seen(self, name: str) -> bool:
        """Say whether this id was handled within the window of dedupe."""
        return name in self._seen

    def see(self, name: str, at: datetime) -> None:
        """Remember that this id was handled."""
        if name not in self._seen:
            self._seen[name] = _milliseconds(at)
            self._undo_seen.append(name)

    def forget_seen(self, before: datetime) -> None:
        """Let go of ids older than this, the oldest first; one that lies behind a younger one waits for it."""
        limit = _milliseconds(before)
        old = list(takewhile(lambda name: self._seen[name] < limit, self._seen))
        for name in old:
            del self._seen[name]

    # --- timers ---

    def set_timer(self, name: str, at: datetime) -> None:
        """Have `tick` find this name when `at` has come; a later call moves it."""
        self._write(TIMERS, name, at)
        heappush(self._due, (at, name))

    def clear_timer(self, name: str) -> None:
        """Forget it."""
        self._write(TIMERS, name, None)

    def due(self, now: datetime) -> list[tuple[str, datetime]]:
        """Return the names whose time has come, the oldest first, with that time; they stay until cleared or moved."""
        found = dict.fromkeys(self._pop_due(now))
        for timer in found:
            heappush(self._due, timer)
        return [(name, at) for at, name in found]

    def _pop_due(self, now: datetime) -> Iterator[tuple[datetime, str]]:
        timers = self._rows[TIMERS]
        while self._due and self._due[0][0] <= now:
            at, name = heappop(self._due)
            if timers.get(name) == at:
                yield at, name

    # --- the bus's own marks ---

    def mark(self, name: str) -> Any:  # noqa: ANN401 - whatever JSON it was
        """Return what the bus remembered under this name; None when nothing."""
        return self._rows[MARKS].get(name)

    def set_mark(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Remember it."""
        self._write(MARKS, name, value)

    # --- one record: kept or undone ---

    @property
    def changed(self) -> bool:
        """Whether anything changed since the last `changes`, kept or not."""
        return bool(self._dirty or self._dirty_seen or self._undo or self._undo_seen)

    def keep(self) -> None:
        """Keep what was changed since the last `keep` or `undo`."""
        for table, key, _was in self._undo:
            self._dirty[table, key] = None
        self._dirty_seen += self._undo_seen
        self._undo, self._undo_seen = [], []

    def undo(self) -> None:
        """Put back what was changed since the last `keep` or `undo`."""
        for table, key, was in reversed(self._undo):
            self._restore(table, key, was)
        for name in self._undo_seen:
            del self._seen[name]
        self._undo, self._undo_seen = [], []

    def largest_change(self) -> int:
        """Return the bytes of the largest row that is neither kept nor undone."""
        values = (self._rows[table].packed(key) for table, key, _was in self._undo)
        return max((len(value) for value in values if value is not None), default=0)

    def _write(self, table: str, key: str, row: object) -> None:
        rows = self._rows[table]
        was = rows.was(key)
        if was is None and row is None:
            return  # there is nothing to drop, and nothing to tell the changelog
        self._undo.append((table, key, was))
        rows.put(key, row)

    def _restore(self, table: str, key: str, was: Any) -> None:  # noqa: ANN401
        self._rows[table].put_back(key, was)
        at = self._rows[TIMERS].get(key) if table == TIMERS else None
        if at is not None:
            heappush(self._due, (at, key))

    # --- changelog ---

    def changes(self) -> list[Line]:
        """Return what was kept since the last call, for the changelogs: the last value of each key."""
        lines = [self._line(table, key) for table, key in self._dirty]
        lines += [self._seen_line(name) for name in self._dirty_seen if self._declared.seen]
        self._dirty, self._dirty_seen = {}, []
        if not self._undo:
            self._lay_down()
        return lines

    def _lay_down(self) -> None:
        for rows in self._rows.values():
            rows.lay_down()

    def load(self, records: Sequence[Raw]) -> None:
        """Take in records of a changelog, in their order."""
        for record in records:
            if record.key is None:
                continue
            if record.topic == self._declared.seen:
                self._load_seen(record.key.decode(), record.value)
            else:
                self._load_row(record.key.decode(), record.value)

    def loaded(self) -> None:
        """Order what was loaded: to be called after the last `load`."""
        self._due = [(at, name) for name, at in self._rows[TIMERS].items()]
        heapify(self._due)

    def _line(self, table: str, key: str) -> Line:
        return Line(self._topics[table], self._number, f"{table}/{key}".encode(), self._rows[table].pack(key), [])

    def _seen_line(self, name: str) -> Line:
        return Line(cast("str", self._declared.seen), self._number, name.encode(), b"%d" % self._seen[name], [])

    def _load_row(self, path: str, value: bytes | None) -> None:
        table, _, key = path.partition("/")
        if table in self._rows:
            self._rows[table].load(key, value)

    def _load_seen(self, name: str, value: bytes | None) -> None:
        if value is not None:
            self._seen[name] = int(value)

    @cached_property
    def _topics(self) -> Mapping[str, str]:
        own = {TIMERS: self._declared.state, MARKS: self._declared.state}
        return own | {table.name: table.changelog for table in self._declared.tables}


def changelogs(tables: Tables) -> list[str]:
    """Return the topics a state is rebuilt from."""
    named = [table.changelog for table in tables.tables] + [tables.state] + ([tables.seen] if tables.seen else [])
    return list(dict.fromkeys(named))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
