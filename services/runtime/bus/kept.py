"""Content that is not in memory is read back from the number's own input before the transaction begins."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from schemas.cloudevents import Unreadable, decode
from schemas.events import MessageReceived
from services.runtime.bus.handler import Kept, Outgoing
from services.runtime.bus.seat import Seat

CACHED = 256
"""Messages kept at hand: a correction moves several at once, and a batch may hold several corrections."""


class Keeper:
    """Finds messages again in the first input of a number."""

    def __init__(self, seat: Seat, topic: str) -> None:
        self._seat, self._topic = seat, topic
        self._found: OrderedDict[Kept, MessageReceived | None] = OrderedDict()

    async def fill(self, outgoing: Outgoing) -> Outgoing:
        """Return an outgoing with its content; without, when that is too old to be found."""
        if outgoing.content is None or outgoing.event is None:
            return outgoing
        found = await self._find(outgoing.content)
        data = outgoing.event.data.model_copy(update={"message": found})
        return replace(outgoing, event=replace(outgoing.event, data=data), content=None)

    async def _find(self, kept: Kept) -> MessageReceived | None:
        if kept not in self._found:
            self._found[kept] = await self._read(kept)
            if len(self._found) > CACHED:
                self._found.popitem(last=False)
        return self._found[kept]

    async def _read(self, kept: Kept) -> MessageReceived | None:
        record = await self._seat.find(self._topic, kept.offset)
        try:
            data = decode(record.headers, record.value).data if record else None
        except Unreadable:
            return None
        return data if isinstance(data, MessageReceived) and data.message == kept.message else None
