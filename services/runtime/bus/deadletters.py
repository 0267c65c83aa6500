"""What cannot be handled is set aside with its reason, raw, so that it can be replayed. Too much of it stops us.

A bad deploy must not empty a topic into the dead letters (getsentry/arroyo has the same brake): after `most` in a row,
or more than half of the last thousand, the process ends and says so, and nothing of that batch was consumed.
"""

from __future__ import annotations

from base64 import b64encode
from collections import deque

from schemas.cloudevents import CloudEvent, Unreadable, decode, source_of
from schemas.events import Origin, RecordSetAside
from schemas.ids import derived
from schemas.topics import DEAD_LETTERS
from services.runtime.bus.handler import Outgoing, Poison, Record
from services.runtime.bus.number import logged
from services.runtime.bus.seat import GiveUp, Raw

MOST_IN_A_ROW = 100
WINDOW = 1000
MOST_OF_WINDOW = 0.5
MOST_COPIED = 600_000
"""Bytes of a record that still fit in a dead letter, in base64."""


def read(raw: Raw) -> Record:
    """Return a record as an event; raises Poison when it is none of ours."""
    try:
        event = decode(raw.headers, raw.value)
        key = raw.key.decode() if raw.key is not None else None
    except (Unreadable, UnicodeDecodeError) as fault:
        raise Poison(str(fault) if isinstance(fault, Unreadable) else "the key is not UTF-8") from None
    return Record(raw.topic, raw.partition, raw.offset, key, logged(raw), event)


def set_aside(raw: Raw, reason: str, *, tenant: str | None = None) -> Outgoing:
    """Return the dead letter of a record. Its id follows from where the record was, so it is one whatever happens.

    One too large to be copied is named by its origin only: it is kept there just as long.
    """
    key = f"{raw.topic}/{raw.partition}/{raw.offset}"
    event = CloudEvent(derived("set-aside", key), source_of(tenant), logged(raw), _letter(raw, reason, tenant))
    return Outgoing(DEAD_LETTERS.name, key, key, event)


def _letter(raw: Raw, reason: str, tenant: str | None) -> RecordSetAside:
    copied = len(raw.value or b"") <= MOST_COPIED
    return RecordSetAside(
        tenant=tenant,
        origin=Origin(topic=raw.topic, partition=raw.partition, offset=raw.offset),
        reason=reason if copied else f"{reason} (too large to be copied: read it at its origin)",
        raw=b64encode(raw.value or b"").decode() if copied else "",
        raw_headers={name: value.decode("utf-8", "replace") for name, value in raw.headers},
    )


class Brake:
    """Counts what was set aside, and stops us when it is too much."""

    def __init__(self, most_in_a_row: int = MOST_IN_A_ROW) -> None:
        self._most, self._in_a_row = most_in_a_row, 0
        self._last: deque[bool] = deque(maxlen=WINDOW)
        self._aside = 0

    def good(self) -> None:
        """Count a record that was handled."""
        self._in_a_row = 0
        self._count(aside=False)

    def aside(self, reason: str) -> None:
        """Count one that was set aside; raises GiveUp when they are too many."""
        self._in_a_row += 1
        self._count(aside=True)
        if self._in_a_row >= self._most:
            raise GiveUp(f"{self._in_a_row} records in a row cannot be handled, the last: {reason}")
        if len(self._last) == WINDOW and self._aside > MOST_OF_WINDOW * WINDOW:
            raise GiveUp(f"{self._aside} of the last {WINDOW} records cannot be handled, the last: {reason}")

    def _count(self, *, aside: bool) -> None:
        if len(self._last) == WINDOW:
            self._aside -= self._last[0]
        self._last.append(aside)
        self._aside += aside
