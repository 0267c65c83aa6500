"""Dead letters: what was set aside, why, and what of it was put back."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.cloudevents import CloudEvent, Unreadable, decode, source_of
from schemas.events import Event, RecordReplayed, RecordSetAside
from schemas.ids import derived
from schemas.topics import DEAD_LETTERS, INBOUND, OUTCOMES, topic_of
from services.hub.desk import Desk, events, logged
from services.hub.errors import WrongUse
from services.runtime.bus.batches import partition_of
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Line

REPLAYABLE = frozenset({INBOUND.name, OUTCOMES.name})
"""Topics whose records the router handles once, however often they come."""


class NotReplayable(Exception):
    """Putting this one back would not help, or was done already; the message says why."""


@dataclass(frozen=True)
class Letter:
    """One dead letter. `replayed`: when it was put back."""

    id: str
    at: datetime
    data: RecordSetAside
    replayed: datetime | None = None

    @property
    def origin(self) -> str:
        """Where it came from: topic, partition and offset, or the door that it came in by."""
        origin = self.data.origin
        places = (origin.topic, origin.partition, origin.offset)
        return "/".join(str(each) for each in places if each is not None)

    @property
    def raw(self) -> bytes:
        """The bytes; none when they are too many for a record."""
        return b64decode(self.data.raw)

    def event(self) -> CloudEvent:
        """Return what it holds as an event; raises Unreadable."""
        return decode([(name, value.encode()) for name, value in self.data.raw_headers.items()], self.raw)


async def letters(desk: Desk) -> list[Letter]:
    """Return all that are kept, the oldest first."""
    found: dict[str, Letter] = {}
    replayed: dict[str, datetime] = {}
    async with reading(desk.connection, [DEAD_LETTERS.name]) as reader:
        async for raw, event in events(reader):
            _note(found, replayed, logged(raw), event.id, event.data)
    return sorted((_marked(each, replayed) for each in found.values()), key=lambda each: (each.at, each.id))


def _note(found: dict[str, Letter], replayed: dict[str, datetime], at: datetime, name: str, data: Event) -> None:
    match data:
        case RecordSetAside():
            found.setdefault(name, Letter(name, at, data))
        case RecordReplayed():
            replayed.setdefault(data.dead_letter, at)
        case _:
            pass


def _marked(letter: Letter, replayed: dict[str, datetime]) -> Letter:
    return replace(letter, replayed=replayed.get(letter.id))


def pick(found: list[Letter], name: str) -> Letter:
    """Return the letter with this id, or whose id begins so; raises WrongUse."""
    fitting = [letter for letter in found if letter.id.startswith(name)]
    if len(fitting) != 1:
        how_many = f"{len(fitting)} dead letters begin with" if fitting else "no dead letter is called"
        raise WrongUse(f"{how_many} {name}; `hub dead-letters list` shows them")
    return fitting[0]


def line_of(letter: Letter) -> Line:
    """Return the record as it was, for its own topic; raises NotReplayable."""
    topic = letter.data.origin.topic
    if letter.replayed:
        raise NotReplayable(f"put back already, on {letter.replayed:%d-%m %H:%M} UTC: it happens once")
    if topic not in REPLAYABLE or letter.data.origin.offset is None:
        raise NotReplayable(f"it was no record of the router's: it came by {topic}, and has to come in there again")
    if not letter.data.raw:
        raise NotReplayable("it was too large to be copied: only its origin has it")
    event = _readable(letter)
    headers = [(name, value.encode()) for name, value in letter.data.raw_headers.items()]
    partition = partition_of(event.data.tenant, topic_of(topic).partitions)
    return Line(topic, partition, event.id.encode(), letter.raw, headers)


def _readable(letter: Letter) -> CloudEvent:
    try:
        return letter.event()
    except Unreadable as error:
        raise NotReplayable(f"this version cannot read it ({error}): it would come back") from None


def mark_of(letter: Letter, now: datetime) -> Outgoing:
    """Return the mark that a letter was put back; the same letter has the same mark."""
    data = RecordReplayed(tenant=letter.data.tenant, origin=letter.data.origin, dead_letter=letter.id)
    event = CloudEvent(derived("replayed", letter.id), source_of(letter.data.tenant), now, data)
    return Outgoing(DEAD_LETTERS.name, letter.origin, letter.origin, event)
