"""Takes records of the outbox into the ledger: requests fitted to their channel, once; the unreadable set aside."""

from __future__ import annotations

from dataclasses import dataclass, field

from schemas.events import Event, Reason, SendCancelled, SendRequested
from schemas.parts import Part
from schemas.topics import OUTBOX, OUTBOX_BULK
from services.responder.fit import fit
from services.responder.inboxes import Inboxes, Outlet
from services.responder.ledger import Ledger
from services.responder.moves import Now
from services.responder.rows import content_of, send_of
from services.runtime.bus.deadletters import Brake, read, set_aside
from services.runtime.bus.handler import Outgoing, Poison
from services.runtime.bus.number import Number
from services.runtime.bus.seat import Raw
from services.runtime.process.log import get_logger

log = get_logger()

INPUTS = (OUTBOX.name, OUTBOX_BULK.name)
MOST_A_ROUND = 1_000
"""Records of each input."""
LARGEST = 400_000
"""Bytes of a request: what the ledger keeps of it has to fit a record too. Events have less than 64 kB."""

NO_INBOX = "inbox-not-configured"
NO_PART = "first-part-out-of-range"
NO_FIT = "cannot-be-fitted"


@dataclass(slots=True)
class Taken:
    """What was taken in: how many records, and how many of them set aside, by topic; and the dead letters."""

    records: dict[str, int] = field(default_factory=dict)
    aside: dict[str, int] = field(default_factory=dict)
    letters: list[Outgoing] = field(default_factory=list)

    def add(self, topic: str, records: int, letters: list[Outgoing]) -> None:
        """Count what came from one topic."""
        self.records |= {topic: records} if records else {}
        self.aside |= {topic: len(letters)} if letters else {}
        self.letters += letters


class Intake:
    """`bulk_room` is how many bulk sends the ledger may hold: more wait in their topic."""

    def __init__(self, inboxes: Inboxes, brake: Brake, bulk_room: int) -> None:
        self._inboxes, self._brake, self._bulk_room = inboxes, brake, bulk_room

    def take(self, number: Number, ledger: Ledger, now: Now) -> Taken:
        """Take in what was read and there is room for."""
        taken = Taken()
        for topic in INPUTS:
            records = number.inputs[topic].take(self._room(topic, ledger))
            letters = [letter for record in records if (letter := self._take_one(record, ledger, now))]
            taken.add(topic, len(records), letters)
        return taken

    def _room(self, topic: str, ledger: Ledger) -> int:
        if topic == OUTBOX_BULK.name:
            return min(MOST_A_ROUND, max(0, self._bulk_room - ledger.bulk))
        return MOST_A_ROUND

    def _take_one(self, raw: Raw, ledger: Ledger, now: Now) -> Outgoing | None:
        try:
            event = _event(raw)
        except Poison as poison:
            self._brake.aside(str(poison))
            return set_aside(raw, str(poison))
        self._brake.good()
        self._into(ledger, event, raw, now)
        return None

    def _into(self, ledger: Ledger, event: Event, raw: Raw, now: Now) -> None:
        if isinstance(event, SendRequested):
            self._request(ledger, event, raw, now)
        elif isinstance(event, SendCancelled):
            ledger.cancel(event.reply, event.reason)

    def _request(self, ledger: Ledger, request: SendRequested, raw: Raw, now: Now) -> None:
        outlet, bulk = self._inboxes.get(request.via.inbox), raw.topic == OUTBOX_BULK.name
        parts = _fitted(request, outlet) if outlet else ()
        send = send_of(request, len(parts) or len(request.parts), bulk=bulk)
        if outlet is None:
            ledger.refuse(send, Reason.ACCOUNT, NO_INBOX)
        elif not parts:
            ledger.refuse(send, Reason.CONTENT, NO_FIT)
        elif request.first_part >= len(parts):
            ledger.refuse(send, Reason.CONTENT, NO_PART)
        else:
            ledger.take(send, content_of(request, parts), raw.offset, now)


def _fitted(request: SendRequested, outlet: Outlet) -> tuple[Part, ...]:
    """Return the parts as the channel carries them; none when that fails: one odd reply must not stop the others."""
    try:
        return fit(request.parts, outlet.channel.limits)
    except Exception:
        log.exception("reply_not_fitted", reply_id=request.reply, channel=request.via.channel)
        return ()


def _event(raw: Raw) -> Event:
    if raw.value is not None and len(raw.value) > LARGEST:
        raise Poison(f"a request of {len(raw.value)} bytes is too large to keep")
    return read(raw).event.data
