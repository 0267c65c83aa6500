"""Shows operators what waits and which inboxes rest, over all numbers of a process; says so when one is stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from prometheus_client import Gauge

from schemas.events import Reason
from services.responder.gate import Gates
from services.responder.inboxes import Inboxes
from services.runtime.process.log import get_logger
from services.runtime.process.metrics import Metrics

log = get_logger()


class Watch:
    """Each number shows its own counts, by channel; the gauges hold the sums."""

    def __init__(self, metrics: Metrics, inboxes: Inboxes) -> None:
        self._inboxes = inboxes
        self._waiting, self._resting = _Sum(metrics.waiting), _Sum(metrics.breakers_open)
        self._stopped: dict[int, set[str]] = {}

    def look(self, number: int, waiting: Mapping[str, int], gates: Gates) -> None:
        """Take in how a number stands."""
        self._waiting.show(number, waiting)
        self._resting.show(number, Counter(map(self._channel, gates.resting())))
        self._tell(number, set(gates.stopped()))

    def gone(self, number: int) -> None:
        """A number is not ours now."""
        self._waiting.show(number, {})
        self._resting.show(number, {})

    def _tell(self, number: int, stopped: set[str]) -> None:
        before = self._stopped.get(number, set())
        for inbox in stopped - before:
            log.error("inbox_stopped", inbox=inbox, channel=self._channel(inbox), reason=Reason.ACCOUNT.value)
        for inbox in before - stopped:
            log.info("inbox_resumed", inbox=inbox, channel=self._channel(inbox))
        self._stopped[number] = stopped

    def _channel(self, inbox: str) -> str:
        outlet = self._inboxes.get(inbox)
        return outlet.channel.name if outlet else "none"


class _Sum:
    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._shown: dict[int, Mapping[str, int]] = {}

    def show(self, number: int, counts: Mapping[str, int]) -> None:
        before = self._shown.get(number, {})
        for channel in before.keys() | counts.keys():
            change = counts.get(channel, 0) - before.get(channel, 0)
            if change:
                self._gauge.labels(channel).inc(change)
        self._shown[number] = dict(counts)
