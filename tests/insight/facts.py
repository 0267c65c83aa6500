"""Facts for insight's tests, each with its place in the log, and what becomes of them in a book."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from schemas import events as e
from schemas.cloudevents import CloudEvent, encode, source_of
from schemas.events import Fact
from schemas.ids import derived
from schemas.topics import FACTS
from services.insight.app import Read
from services.insight.book import Book
from services.insight.views import Seen
from services.runtime.bus.batches import partition_of

OIN, OTHER_OIN = "00000001823288444000", "00000001823288445000"
NINE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PARTITION = partition_of(OIN, FACTS.partitions)


def at(minutes: float) -> datetime:
    """So many minutes after nine."""
    return NINE + timedelta(minutes=minutes)


def _fact(kind: type[Fact], minutes: float, **more: Any) -> Fact:  # noqa: ANN401
    common: dict[str, Any] = {
        "tenant": OIN,
        "conversation": "c1",
        "department": "waste",
        "channel": "whatsapp",
        "inbox": "balie",
        "at": at(minutes),
    }
    return kind(**(common | more))


def opened(minutes: float = 0, **more: Any) -> Fact:  # noqa: ANN401
    return _fact(e.FactConversationOpened, minutes, **more)


def received(minutes: float = 0, **more: Any) -> Fact:  # noqa: ANN401
    return _fact(e.FactMessageReceived, minutes, **({"message": "m", "number": 1, "confidence": 0.9} | more))


def accepted(minutes: float, answered: int = 1, **more: Any) -> Fact:  # noqa: ANN401
    given = {"reply": "r", "number": 2, "first": True, "waited": 60.0, "answered": answered}
    return _fact(e.FactReplyAccepted, minutes, **(given | more))


def moved(minutes: float, to: str, messages: int = 1, **more: Any) -> Fact:  # noqa: ANN401
    given = {"department": to, "from_department": "waste", "move": e.Move.CORRECTION, "messages": messages}
    return _fact(e.FactMessageMoved, minutes, **(given | more))


def closed(minutes: float, unanswered: int = 0, **more: Any) -> Fact:  # noqa: ANN401
    given = {"reason": e.Closing.ANSWERED, "unanswered": unanswered}
    return _fact(e.FactConversationClosed, minutes, **(given | more))


def claimed(minutes: float, **more: Any) -> Fact:  # noqa: ANN401
    return _fact(e.FactConversationClaimed, minutes, **more)


def refused(minutes: float, **more: Any) -> Fact:  # noqa: ANN401
    return _fact(e.FactRefused, minutes, **({"why": e.Refusal.NOT_YOURS, "command_type": "x"} | more))


def worklisted(minutes: float, messages: int = 1, **more: Any) -> Fact:  # noqa: ANN401
    return _fact(e.FactWorklisted, minutes, **({"why": "failed", "messages": messages} | more))


def seen(facts: Iterable[Fact], first: int = 0) -> list[Seen]:
    """The facts, one after the other in one partition; offsets have holes, as transactions leave them."""
    return [Seen(PARTITION, offset, fact) for offset, fact in zip(count(first, 3), facts, strict=False)]


def raw(fact: Fact, offset: int, *, name: str | None = None) -> Read:
    """A fact as it lies in the log."""
    event = CloudEvent(derived(name or f"fact {offset}"), source_of(fact.tenant), fact.at, fact)
    headers, value = encode(event)
    return Read(FACTS.name, PARTITION, offset, int(fact.at.timestamp() * 1000), event.id.encode(), value, headers)


class Shelf:
    """A book and the rows in it."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.buckets: dict[bytes, bytes] = {}
        self.open: dict[bytes, bytes] = {}
        self.book = Book(self.buckets, self.open)
        self.book.rebuilt(frozenset(range(FACTS.partitions)))
        self.take(seen(facts))

    def take(self, batch: Sequence[Seen]) -> None:
        self.book.make(self.book.changes(batch))

    @property
    def rows(self) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        return self.buckets, self.open
