"""The way of a spool's lines to Kafka: as patient as the spool, with a dead letter for what the broker never takes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

from schemas.cloudevents import CloudEvent, source_of
from schemas.events import Origin, RecordSetAside
from schemas.ids import derived
from schemas.topics import DEAD_LETTERS
from services.runtime.bus.batches import Encoder
from services.runtime.bus.deadletters import MOST_COPIED
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.producer import Producer
from services.runtime.bus.seat import Line, Refused
from services.runtime.process.clock import Clock

_ID = "ce_id"


class Carrier:
    """Carries lines by a producer (services/runtime/spool/forwarder.py, Carries)."""

    def __init__(self, producer: Producer, clock: Clock, encoder: Encoder | None = None) -> None:
        self._producer, self._clock, self._encoder = producer, clock, encoder or Encoder()

    async def carry(self, lines: Sequence[Line]) -> None:
        """Return when all are written; raises NotDurable, Refused."""
        await self._producer.connected()
        await self._producer.write(lines)

    async def set_aside(self, line: Line, reason: str) -> None:
        """Write the dead letter of a line; raises NotDurable, Refused."""
        if len(line.value or b"") > MOST_COPIED:
            raise Refused("too large for a dead letter")
        await self.carry([self._encoder.line(letter(line, reason, self._clock.now()))])


def letter(line: Line, reason: str, at: datetime) -> Outgoing:
    """Return the dead letter of a line that the broker refuses. Its id is that of the event, so it is one for ever."""
    headers = {name: value.decode("utf-8", "replace") for name, value in line.headers}
    identity = derived("refused", line.topic, headers.get(_ID, ""))
    key = f"{line.topic}/{line.partition}/{identity}"
    data = RecordSetAside(
        origin=Origin(topic=line.topic, partition=line.partition),
        reason=f"the broker refuses it: {reason}",
        raw=b64encode(line.value or b"").decode(),
        raw_headers=headers,
    )
    return Outgoing(DEAD_LETTERS.name, key, key, CloudEvent(identity, source_of(None), at, data))
