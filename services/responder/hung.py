"""Calls of which a torn transaction speaks: it is void, and yet somebody may have acted on it.

A broker that was killed can forget the end of a transaction whose commit it had confirmed. What was written in it as
started may have been called then. So such a send is not called again as if nothing had been: it ends as unknown, and
what follows is the router's to decide.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from services.responder.rows import SENDS, Row, Standing
from services.runtime.bus.seat import Raw

_PREFIX = f"{SENDS.name}/"


def started_in(records: Iterable[Raw]) -> Mapping[str, Row]:
    """Return the sends that these records of the changelog say were started, the last word on each."""
    return {key: row for key, row in _rows(records) if row.standing is Standing.STARTED}


def same_call(one: Row, other: Row) -> bool:
    """Say whether two rows are about the same call: the same part, after as many vain tries."""
    return (one.part, one.tries) == (other.part, other.tries)


def _rows(records: Iterable[Raw]) -> Iterable[tuple[str, Row]]:
    for record in records:
        name = (record.key or b"").decode()
        if name.startswith(_PREFIX) and record.value is not None:
            yield name.removeprefix(_PREFIX), Row.model_validate_json(record.value)
