"""What ingest counts, with the labels of the hot path looked up once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from prometheus_client import Counter, Histogram

from schemas.events import PREFIX, RecordSetAside
from services.ingest.answers import Outcome
from services.runtime.bus.handler import Outgoing
from services.runtime.process.metrics import Metrics


class Counts:
    """Metrics of requests and of what was kept of them."""

    def __init__(self, metrics: Metrics) -> None:
        self._requests = cache(metrics.requests.labels)
        self._seconds = cache(metrics.request_seconds.labels)
        self._taken_in = cache(metrics.taken_in.labels)
        self._dead_letters = cache(metrics.dead_letters.labels)
        self._rejected = cache(metrics.rejected.labels)

    def ended(self, channel: str, outcome: Outcome) -> None:
        """Count a request by how it ended."""
        _counter(self._requests(channel, outcome.value)).inc()

    def took(self, channel: str, seconds: float) -> None:
        """Note how long a request took from its last byte to its answer."""
        found: Histogram = self._seconds(channel)
        found.observe(seconds)

    def kept(self, channel: str, outgoing: Iterable[Outgoing]) -> None:
        """Count what was durably taken in."""
        for one in outgoing:
            if one.event is None:
                continue
            if isinstance(one.event.data, RecordSetAside):
                _counter(self._dead_letters("ingest", one.event.data.origin.topic)).inc()
            else:
                _counter(self._taken_in(channel, one.event.type.removeprefix(PREFIX))).inc()

    def rejected(self, reason: str) -> None:
        """Count an event of a publisher that was refused; `reason` is one of few words."""
        _counter(self._rejected(reason)).inc()


def _counter(found: Counter) -> Counter:
    return found
