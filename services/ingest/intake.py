"""One request, from wherever it came: received, kept, counted. What is answered is for who asked."""

from __future__ import annotations

from services.channels.base import ReadApart, Request, VerificationError
from services.ingest.accept import Door, NotKept
from services.ingest.answers import Outcome
from services.ingest.counts import Counts
from services.ingest.readers import Busy, Readers
from services.ingest.receive import Received, Reception
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger

log = get_logger()


class Intake:
    """Takes requests in."""

    def __init__(self, door: Door, clock: Clock, counts: Counts, readers: Readers) -> None:
        self._door, self._clock, self._counts, self._readers = door, clock, counts, readers

    async def take(self, reception: Reception, request: Request, *, by_name: bool = False) -> Outcome:
        """Return what became of a request; never raises.

        `by_name`: the peer asks for each inbox by name and passes on to its sender that there is none. Without it,
        what is for nobody's inbox is set aside, since nobody would hear of it.
        """
        began = self._clock.monotonic()
        outcome = await self._judge(reception, request, by_name=by_name)
        self._counts.took(reception.endpoint.channel, self._clock.monotonic() - began)
        return outcome

    async def _judge(self, reception: Reception, request: Request, *, by_name: bool) -> Outcome:
        try:
            return await self._keep(reception, request, by_name=by_name)
        except VerificationError as error:
            refused(reception, error)
            return Outcome.REFUSED
        except (NotKept, Busy):
            return Outcome.NOT_NOW
        except Exception:
            log.exception("request_failed", channel=reception.endpoint.channel, endpoint=reception.endpoint.name)
            return Outcome.FAILED

    async def _keep(self, reception: Reception, request: Request, *, by_name: bool) -> Outcome:
        received = await self._received(reception, request)
        if by_name and received.nobodys:
            return Outcome.REFUSED
        await self._door.accept(received.outgoing, received.files)
        self._counts.kept(reception.endpoint.channel, received.outgoing)
        return Outcome.ACCEPTED

    async def _received(self, reception: Reception, request: Request) -> Received:
        at = self._clock.now()
        if not isinstance(reception.channel, ReadApart):
            return reception.receive(request, at)
        reception.channel.verify(request, reception.endpoint)
        return reception.taken(await self._readers.read(reception.channel, reception.endpoint, request), request, at)


def refused(reception: Reception, error: VerificationError) -> None:
    """Log why a request was refused: whoever sent it is not told."""
    log.warning("request_refused", channel=reception.endpoint.channel, endpoint=reception.endpoint.name, why=str(error))
