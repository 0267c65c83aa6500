"""Time as an event: when a handler is told what time it is, and the daily sign of life."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime

from schemas.cloudevents import CloudEvent, encode, source_of
from schemas.events import HubTicked
from schemas.ids import derived
from services.runtime.bus.seat import Line
from services.runtime.bus.state import KeyedState

LAST_SIGN = "last-sign"
"""Mark in the state: the day of the last sign of life."""


def signs_of_life(state: KeyedState, places: Iterable[tuple[str, int]], now: datetime) -> list[Line]:
    """Return a `hub.ticked` for each place (topic, partition), once a day; and note that it was done.

    So producer ids do not expire for want of use, and compaction reaches partitions in which nothing happens.
    """
    today = now.date()
    if state.mark(LAST_SIGN) == today.isoformat():
        return []
    state.set_mark(LAST_SIGN, today.isoformat())
    return list(_signs(places, now, today))


def _signs(places: Iterable[tuple[str, int]], now: datetime, today: date) -> Iterator[Line]:
    for topic, partition in places:
        identity = derived("hub.ticked", topic, partition, today.isoformat())
        headers, value = encode(CloudEvent(identity, source_of(None), now, HubTicked(at=now)))
        yield Line(topic, partition, f"hub.ticked/{partition}".encode(), value, headers)
