"""The file of a spool: lines that wait for the broker, in the order in which they were accepted.

SpoolError    nothing was kept
  Full        it holds as much as it may, or the disk does
  Broken      the disk or the file does not do what it should; it may pass by itself
  Taken       another process has it

SQLite in WAL mode with synchronous=FULL: a commit that returned survives a power cut. secure_delete writes zeros over
what was removed, and `tidy` gives the room back: the words of citizens do not stay behind on the disk.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from services.runtime.bus.seat import Line

FILE = "spool.db"
PROBE = 65_536
"""Bytes that are written to see whether a record would go."""
_AROUND = 60
"""Bytes that a row takes besides its content, about."""
_SETTINGS = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
PRAGMA temp_store = MEMORY;
CREATE TABLE IF NOT EXISTS lines (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    size INTEGER NOT NULL,
    refused TEXT,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    key BLOB NOT NULL,
    headers TEXT NOT NULL,
    value BLOB
);
CREATE TABLE IF NOT EXISTS probe (one INTEGER PRIMARY KEY, filler BLOB NOT NULL);
"""
_ADD = (
    "INSERT INTO lines (at, size, topic, partition, key, headers, value)"
    " VALUES (:at, :size, :topic, :partition, :key, :headers, :value)"
)
_HEAD = (
    "SELECT number, at, size, topic, partition, key, headers, value FROM lines"
    " WHERE number > ? AND refused IS NULL ORDER BY number LIMIT ?"
)
_TOTALS = (
    "SELECT count(*) FILTER (WHERE refused IS NULL), coalesce(sum(size), 0),"
    " min(at) FILTER (WHERE refused IS NULL), count(*) FILTER (WHERE refused IS NOT NULL) FROM lines"
)


class SpoolError(Exception):
    """Something between us and the spool. Its text never holds a citizen's words, name or address."""


class Full(SpoolError):
    """There is no room for more."""


class Broken(SpoolError):
    """The disk or the file fails."""


class Taken(SpoolError):
    """Another process has this spool."""


class Row(NamedTuple):
    """A line that waits: `number` goes up in order of acceptance, `at` is seconds since 1970, `size` bytes."""

    number: int
    at: float
    size: int
    line: Line


class Totals(NamedTuple):
    """What a spool holds: lines that wait, bytes of everything, the oldest that waits, lines that nobody would have."""

    records: int = 0
    bytes: int = 0
    oldest: float | None = None
    refused: int = 0


def size_of(line: Line) -> int:
    """Return the bytes that a line takes in a spool, about."""
    headers = sum(len(name) + len(value) + 8 for name, value in line.headers)
    return _AROUND + len(line.topic) + len(line.key) + headers + len(line.value or b"")


class Store:
    """The file. Each call is whole or not at all, and blocks; used by one thread at a time. All raise SpoolError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection: sqlite3.Connection | None = None

    def totals(self) -> Totals:
        """Return what it holds; reads all of it, so for starts and for people."""
        with self._working() as db:
            return Totals(*db.execute(_TOTALS).fetchone())

    def append(self, lines: Iterable[tuple[float, Line]]) -> None:
        """Write lines with the time at which each came; returns when they would survive a power cut."""
        rows = [_as_values(at, line) for at, line in lines]
        with self._working() as db, _transaction(db):
            db.executemany(_ADD, rows)

    def head(self, after: int, most: int) -> list[Row]:
        """Return the first lines after a number."""
        with self._working() as db:
            return [_as_row(*found) for found in db.execute(_HEAD, (after, most))]

    def remove(self, last: int) -> None:
        """Remove all lines up to a number, but those that were refused."""
        with self._working() as db, _transaction(db):
            db.execute("DELETE FROM lines WHERE number <= ? AND refused IS NULL", (last,))

    def hold(self, number: int, reason: str) -> None:
        """Keep a line aside that nobody would have: it waits for people."""
        with self._working() as db, _transaction(db):
            db.execute("UPDATE lines SET refused = ? WHERE number = ?", (reason, number))

    def release(self) -> None:
        """Let what was kept aside wait again like the others."""
        with self._working() as db, _transaction(db):
            db.execute("UPDATE lines SET refused = NULL")

    def probe(self) -> None:
        """Write and sync something that means nothing, to see whether it would go."""
        with self._working() as db, _transaction(db):
            db.execute("INSERT OR REPLACE INTO probe VALUES (1, zeroblob(?))", (PROBE,))

    def tidy(self) -> None:
        """Give the room of removed lines back to the disk."""
        with self._working() as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def _working(self) -> Iterator[sqlite3.Connection]:
        """After an error of the disk nothing that was opened before is trusted."""
        try:
            if self._connection is None:
                self._connection = _opened(self._folder)
            yield self._connection
        except sqlite3.Error as error:
            self.close()
            raise _what_follows(error) from error
        except OSError as error:
            self.close()
            raise Broken(f"the folder cannot be used: {error.strerror}") from error


def _opened(folder: Path) -> sqlite3.Connection:
    (folder / FILE).touch(0o600)
    connection = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        connection.executescript(_SETTINGS)
        _sync_folder(folder)
    except BaseException:
        connection.close()
        raise
    return connection


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _what_follows(error: sqlite3.Error) -> SpoolError:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return Full("the disk is full") if name == "SQLITE_FULL" else Broken(f"the spool fails: {name}")


def _as_values(at: float, line: Line) -> dict[str, object]:
    headers = json.dumps([[name, value.decode("latin-1")] for name, value in line.headers])
    return {**line._asdict(), "headers": headers, "at": at, "size": size_of(line)}


def _as_row(  # noqa: PLR0913, PLR0917 - the columns, in their order
    number: int, at: float, size: int, topic: str, partition: int, key: bytes, headers: str, value: bytes | None
) -> Row:
    named = [(name, text.encode("latin-1")) for name, text in json.loads(headers)]
    return Row(number, at, size, Line(topic, partition, key, value, named))


def sizes(lines: Sequence[Line]) -> int:
    """Return the bytes that lines take in a spool, about."""
    return sum(map(size_of, lines))
