"""What the bus counts, once a batch or rarer: never once a record."""

from __future__ import annotations

from typing import Protocol

from services.runtime.process.metrics import Metrics


class BusMetrics(Protocol):
    """What a process may want to know of its bus. `topic` is an input's name."""

    def handled(self, topic: str, records: int) -> None:
        """So many records of an input were handled and committed."""
        ...

    def batch(self, seconds: float) -> None:
        """A batch took so long, from its first record to its commit."""
        ...

    def commit_failed(self) -> None:
        """A life of a number ended: its commit failed, or nobody knows."""
        ...

    def rebuilt(self, seconds: float) -> None:
        """The memory of a number was rebuilt in so long."""
        ...

    def owned(self, numbers: int) -> None:
        """So many numbers are ours."""
        ...

    def lag(self, topic: str, records: int, seconds: float) -> None:
        """So many records are unread, and the oldest is so old."""
        ...

    def set_aside(self, topic: str, records: int) -> None:
        """So many records of an input became dead letters."""
        ...

    def strayed(self, topic: str) -> None:
        """A record lay in another municipality's partition, and was written again in its own."""
        ...

    def torn(self, outcome: str) -> None:
        """A transaction that a broker left half done was `healed`, or `left`."""
        ...


class ServiceMetrics:
    """Counts into the process's own metrics, for one service."""

    def __init__(self, metrics: Metrics, service: str) -> None:
        self._metrics, self._service = metrics, service

    def handled(self, topic: str, records: int) -> None:
        """Count records."""
        self._metrics.records.labels(self._service, topic).inc(records)

    def batch(self, seconds: float) -> None:
        """Note how long a batch took."""
        self._metrics.batch_seconds.labels(self._service).observe(seconds)

    def commit_failed(self) -> None:
        """Count a failed commit."""
        self._metrics.commit_failures.labels(self._service).inc()

    def rebuilt(self, seconds: float) -> None:
        """Note how long a rebuild took."""
        self._metrics.rebuild_seconds.labels(self._service).observe(seconds)

    def owned(self, numbers: int) -> None:
        """Show how many numbers are ours."""
        self._metrics.numbers_owned.labels(self._service).set(numbers)

    def lag(self, topic: str, records: int, seconds: float) -> None:
        """Show what is unread."""
        self._metrics.lag_records.labels(self._service, topic).set(records)
        self._metrics.lag_seconds.labels(self._service, topic).set(seconds)

    def set_aside(self, topic: str, records: int) -> None:
        """Count dead letters."""
        self._metrics.dead_letters.labels(self._service, topic).inc(records)

    def strayed(self, topic: str) -> None:
        """Count a strayed record."""
        self._metrics.strayed.labels(self._service, topic).inc()

    def torn(self, outcome: str) -> None:
        """Count a torn transaction."""
        self._metrics.torn_transactions.labels(self._service, outcome).inc()
