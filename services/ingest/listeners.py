"""Channels that listen by a protocol of their own (LMTP, SMPP): started here, and judged by the same door."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from services.channels.base import Listener, Listens, Request, Verdict
from services.ingest.answers import Outcome
from services.ingest.counts import Counts
from services.ingest.intake import Intake
from services.ingest.receive import Reception
from services.runtime.process.log import get_logger
from services.runtime.process.stop import bounded

log = get_logger()

_VERDICTS: Mapping[Outcome, Verdict] = {
    Outcome.ACCEPTED: Verdict.ACCEPTED,
    Outcome.NOT_NOW: Verdict.NOT_NOW,
    Outcome.FAILED: Verdict.NOT_NOW,
    Outcome.REFUSED: Verdict.REFUSED,
}
"""What the peer is told: after a fault of ours it comes again."""


@dataclass(frozen=True, slots=True)
class Ear:
    """What one listener calls with each request."""

    reception: Reception
    intake: Intake
    counts: Counts

    async def __call__(self, request: Request) -> Verdict:
        """Return what became of it; never raises."""
        outcome = await self.intake.take(self.reception, request, by_name=True)
        self.counts.ended(self.reception.endpoint.channel, outcome)
        return _VERDICTS[outcome]


class Listeners:
    """All that listens besides the webhooks."""

    def __init__(self) -> None:
        self._open: list[tuple[str, Listener]] = []

    async def start(
        self,
        receptions: Sequence[Reception],
        settings: Mapping[str, Mapping[str, str]],
        ear: Callable[[Reception], Ear],
    ) -> None:
        """Start a listener for every endpoint whose channel has one; `settings` are by endpoint (channel/name)."""
        for one in receptions:
            if isinstance(one.channel, Listens):
                listener = await one.channel.listen(one.endpoint, settings[one.origin], ear(one))
                self._open.append((one.origin, listener))
                host, port = listener.address
                log.info("listening", endpoint=one.origin, host=host, port=port)

    @property
    def addresses(self) -> dict[str, tuple[str, int]]:
        """Host and port of each, by endpoint."""
        return {origin: listener.address for origin, listener in self._open}

    async def close(self) -> None:
        """Take nothing new, and return when what was begun is done, or has had its time."""
        while self._open:
            origin, listener = self._open.pop()
            await bounded(f"close {origin}", listener.close())
