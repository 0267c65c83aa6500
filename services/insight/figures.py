"""What Prometheus sees: read off the rows at each scrape, so that it is the same after a restart or a rebuild."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from services.insight.book import Book, Conversation
from services.insight.counts import Counts, cumulated
from services.runtime.process import metrics
from services.runtime.process.clock import Clock

Where = tuple[str, str]
"""Tenant and department."""


class Figures(Collector):
    """The rows, as metrics. While the tables are rebuilt there are none: half of a figure is no figure."""

    def __init__(self, book: Book, names: Mapping[str, str], clock: Clock, unready: Callable[[], str | None]) -> None:
        self._book, self._names, self._clock, self._unready = book, names, clock, unready

    def describe(self) -> Iterable[Metric]:
        """Say nothing beforehand: the rows may not be there yet."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return all of them."""
        if self._unready() is None:
            yield from self._now()
            yield from self._ever()

    def _now(self) -> Iterator[Metric]:
        conversations = list(self._book.conversations())
        open_, oldest = metrics.open_conversations(), metrics.oldest_unanswered()
        numbers, since = open_by_department(conversations), oldest_by_department(conversations)
        for where in sorted(numbers.keys() | self._known()):
            labels = [self._name(where[0]), where[1]]
            open_.add_metric(labels, numbers[where])
            oldest.add_metric(labels, waited(since.get(where), self._clock.now()))
        yield from (open_, oldest)

    def _ever(self) -> Iterator[Metric]:
        families = {name: metrics.counted(name) for name in metrics.COUNTED}
        first = metrics.first_response()
        for stock, counts in sorted(self._book.totals.items()):
            labels = [self._name(stock.tenant), stock.department, stock.channel]
            for name, family in families.items():
                family.add_metric(labels, getattr(counts, name))
            first.add_metric(labels, _buckets(counts), counts.waited_ms / 1000)
        yield from (*families.values(), first)

    def _known(self) -> set[Where]:
        return {(stock.tenant, stock.department) for stock in self._book.totals}

    def _name(self, tenant: str) -> str:
        return self._names.get(tenant, tenant)


def open_by_department(conversations: Iterable[Conversation]) -> Counter[Where]:
    """Return how many conversations are open."""
    return Counter((each.tenant, each.row.department) for each in conversations)


def oldest_by_department(conversations: Iterable[Conversation]) -> dict[Where, datetime]:
    """Return since when the oldest unanswered message waits; a department in which none waits is left out."""
    found: dict[Where, datetime] = {}
    for each in conversations:
        since, where = each.row.oldest, (each.tenant, each.row.department)
        if since:
            found[where] = min(since, found.get(where, since))
    return found


def waited(since: datetime | None, now: datetime) -> float:
    """Return the seconds from a moment to now; 0 when there was none."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0


def _buckets(counts: Counts) -> list[tuple[str, float]]:
    below = cumulated(counts.waits, metrics.FIRST_RESPONSE)
    named = [(f"{bound:.1f}", float(n)) for bound, n in zip(metrics.FIRST_RESPONSE, below, strict=True)]
    return [*named, ("+Inf", float(counts.first_answers))]
