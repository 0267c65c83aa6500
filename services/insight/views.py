"""From facts to rows, as functions: a row follows from its former self and one fact, and from nothing else.

A row holds the offset that last changed it, and takes no fact twice. So it does not matter from where facts are read
again, nor that one row was written before a crash and another was not: read on, and all are what they would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from schemas import events as e
from schemas.events import Fact
from schemas.parts import Frozen
from services.insight.counts import Counts, first_answer, plus

ZONE = ZoneInfo("Europe/Amsterdam")
"""Whose days are counted: the citizens'."""

MOST_WAITING = 1_000
"""Unanswered messages of one conversation whose times are kept; of more, only the number is."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A fact, and where it lies."""

    partition: int
    offset: int
    fact: Fact


# --- buckets -------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """What one bucket counts."""

    partition: int
    tenant: str
    day: date
    department: str
    channel: str

    @property
    def key(self) -> str:
        """The key of its row."""
        return f"{self.partition}/{self.tenant}/{self.day}/{self.department}/{self.channel}"

    @classmethod
    def of(cls, key: str) -> Self:
        """Read a key."""
        partition, tenant, day, department, channel = key.split("/")
        return cls(int(partition), tenant, date.fromisoformat(day), department, channel)


class Bucket(Frozen):
    """What was counted in a place, up to an offset."""

    offset: int
    counts: Counts


def increments(seen: Seen) -> Mapping[Place, Counts]:
    """Return what a fact adds, and where."""
    found: dict[Place, Counts] = {}
    for department, counts in _counted(seen.fact):
        place = Place(seen.partition, seen.fact.tenant, day_of(seen.fact.at), department, seen.fact.channel)
        found[place] = plus(found.get(place, Counts()), counts)
    return found


def counted(row: Bucket | None, more: Counts, offset: int) -> Bucket:
    """Return a bucket after a fact at this offset; as it was, when it knows that fact."""
    if row is None:
        return Bucket(offset=offset, counts=more)
    return row if row.offset >= offset else Bucket(offset=offset, counts=plus(row.counts, more))


def day_of(moment: datetime) -> date:
    """Return the day on which it was, for the citizens."""
    return moment.astimezone(ZONE).date()


def _counted(fact: Fact) -> Iterator[tuple[str, Counts]]:
    if isinstance(fact, e.FactMessageMoved):
        yield fact.from_department, Counts(moved_out=fact.messages)
    count = _COUNTS.get(type(fact))
    if count:
        yield fact.department, count(fact)


def _received(fact: e.FactMessageReceived) -> Counts:
    return Counts(received=1, automatic=int(fact.automatic), needing_none=int(not fact.needs_answer))


def _opened(fact: e.FactConversationOpened) -> Counts:
    return Counts(opened=int(not fact.reopened), reopened=int(fact.reopened))


def _accepted(fact: e.FactReplyAccepted) -> Counts:
    """An answer before anybody asked is no first response."""
    reply = Counts(replies=1, answered=fact.answered)
    return plus(reply, first_answer(fact.waited)) if fact.first and fact.answered else reply


_COUNTS: Mapping[type[Fact], Callable[[Any], Counts]] = MappingProxyType(
    {
        e.FactMessageReceived: _received,
        e.FactConversationOpened: _opened,
        e.FactReplyAccepted: _accepted,
        e.FactMessageMoved: lambda fact: Counts(moved_in=fact.messages),
        e.FactConversationClosed: lambda fact: Counts(closed=1, unanswered=fact.unanswered),
        e.FactRefused: lambda _fact: Counts(refused=1),
        e.FactWorklisted: lambda fact: Counts(worklisted=fact.messages),
    }
)


# --- open conversations --------------------------------------------------------------------------------------


class Open(Frozen):
    """An open conversation, up to an offset. It has a row only while it is open."""

    offset: int
    department: str
    channel: str
    inbox: str
    opened: datetime
    waiting: tuple[datetime, ...] = ()
    """When the unanswered messages were received, in their order; at most `MOST_WAITING`."""
    unanswered: int = 0
    claimed: bool = False

    @property
    def oldest(self) -> datetime | None:
        """Since when its oldest unanswered message waits."""
        return min(self.waiting, default=None)


def conversation_key(seen: Seen) -> str:
    """Return the key of the row of the conversation that a fact is about."""
    return f"{seen.partition}/{seen.fact.tenant}/{seen.fact.conversation}"


def followed(row: Open | None, seen: Seen) -> Open | None:
    """Return a conversation after a fact; None when it is not open."""
    fact, offset = seen.fact, seen.offset
    if row is not None and row.offset >= offset:
        return row
    if isinstance(fact, e.FactConversationOpened):
        return Open(offset=offset, department=fact.department, channel=fact.channel, inbox=fact.inbox, opened=fact.at)
    if row is None or isinstance(fact, e.FactConversationClosed):
        return None
    change = _CHANGES.get(type(fact))
    return row.model_copy(update={"offset": offset} | change(row, fact)) if change else row


def _asked(row: Open, fact: e.FactMessageReceived) -> dict[str, object]:
    """Where nobody waits, a message may bring its conversation to another department without a move."""
    waiting = _waiting(row, [fact.at]) if fact.needs_answer else {}
    return waiting | {"department": fact.department}


def _answered(row: Open, fact: e.FactReplyAccepted) -> dict[str, object]:
    """The oldest are answered first; when their times are no longer known, what is left waits as long as the last."""
    left = max(0, row.unanswered - fact.answered)
    waiting = row.waiting[fact.answered :] or row.waiting[-1:]
    return {"unanswered": left, "waiting": waiting[:left]}


def _moved(row: Open, fact: e.FactMessageMoved) -> dict[str, object]:
    """What came from another conversation waits here too; its own messages only go along."""
    came = _waiting(row, [fact.oldest or fact.at] * fact.messages) if fact.from_conversation else {}
    return came | {"department": fact.department, "claimed": row.claimed and bool(fact.from_conversation)}


def _claimed(_row: Open, fact: e.FactConversationClaimed) -> dict[str, object]:
    return {"claimed": not fact.released}


def _waiting(row: Open, more: list[datetime]) -> dict[str, object]:
    return {"unanswered": row.unanswered + len(more), "waiting": (*row.waiting, *more)[:MOST_WAITING]}


_CHANGES: Mapping[type[Fact], Callable[[Any, Any], dict[str, object]]] = MappingProxyType(
    {
        e.FactMessageReceived: _asked,
        e.FactReplyAccepted: _answered,
        e.FactMessageMoved: _moved,
        e.FactConversationClaimed: _claimed,
    }
)
