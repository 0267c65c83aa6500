"""The end: everything that lies on the topics is read and judged, and held against what others know of it.

Others are the citizens (what was acknowledged to them) and the provider (what it took).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from demo.graph import Accepted
from schemas.cloudevents import Unreadable, decode
from schemas.events import (
    DeliveryStatus,
    EntryKind,
    EntryRecorded,
    FactDeliveryChanged,
    FactWorklisted,
    MessageReceived,
    ReplyRefused,
    ReplyUnknown,
)
from schemas.ids import read_our_id
from schemas.topics import DEAD_LETTERS, INBOUND, expand
from services.hub.invariants import Check, Finding
from services.runtime.bus.connection import Connection
from services.runtime.bus.reader import Start, reading
from services.runtime.bus.seat import Raw
from tests.chaos.town import DEPARTMENTS, Note, Town

REPEATS = {INBOUND.name, DEAD_LETTERS.name}
"""Where a record may come twice: what comes from outside is written at least once."""


@dataclass
class Verdict:
    """What was found. All but `doubles` and `unknown` must be nothing; doubles too, unless a transaction was torn."""

    findings: list[Finding] = field(default_factory=list)
    doubles: dict[str, int] = field(default_factory=dict)
    """Records whose id was there before, by topic: readers that drop what they know do not see them."""
    lost: int = 0
    """Acknowledged, and not taken in."""
    reordered: int = 0
    """Citizens whose messages were taken in in another order than they were acknowledged."""
    unsent: int = 0
    """Replies that count as sent, and that the provider does not know."""
    sent_again: int = 0
    """Replies that the provider has more often than once and once for each time that nobody knew."""
    unsettled: int = 0
    """Replies that were granted and have no end."""
    unknown: int = 0
    """Attempts of which nobody knew, at first, whether they went."""
    worklisted: int = 0
    records: int = 0
    messages: int = 0
    replies: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """Replies, by why."""
    examples: list[str] = field(default_factory=list)
    """Replies that were sent too often or not at all, some of them."""
    twice: int = 0
    """Parts that a citizen has twice."""

    def faults(self, *, torn: bool) -> list[str]:
        """Return what must not be, in words."""
        counted = {
            "acknowledged and not taken in": self.lost,
            "taken in out of order": self.reordered,
            "sent, and the provider does not know": self.unsent,
            "sent too often": self.sent_again,
            "granted, and without an end": self.unsettled,
            "doubled on a topic": 0 if torn else sum(self.doubles.values()),
        }
        found = [f"{count} {what}" for what, count in counted.items() if count]
        grouped = Counter((each.invariant, each.what) for each in self.findings)
        return found + [f"{invariant} {what}: {count}" for (invariant, what), count in sorted(grouped.items())]


async def judge(town: Town, connection: Connection, taken: Iterable[Note], ledger: Iterable[Accepted]) -> Verdict:
    """Read everything from its beginning and return what holds and what does not."""
    reading_all = _Reading(town)
    topics = [name for name, topic in expand((name, DEPARTMENTS) for name in town.names.values()) if topic.carries]
    async with reading(connection, topics, Start.BEGINNING, doubles=True) as reader:
        async for record in reader.to_the_end():
            reading_all.take(record)
    verdict = reading_all.verdict()
    _hold_against_citizens(verdict, town, reading_all.places, taken)
    _hold_against_provider(verdict, reading_all, ledger)
    return verdict


class _Reading:
    """One pass. The checker gets each event once, as a reader does who drops what is known; doubles are counted."""

    def __init__(self, town: Town) -> None:
        self.check = Check(town.names)
        self.status: dict[str, DeliveryStatus] = {}
        self.unknown: Counter[str] = Counter()
        self.worklisted: set[str] = set()
        self.granted: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.places: dict[str, tuple[int, int]] = {}
        """Where each message was taken in first."""
        self._doubles: Counter[str] = Counter()
        self._known: dict[str, set[tuple[bytes, bytes]]] = defaultdict(set)

    def take(self, record: Raw) -> None:
        if record.topic not in REPEATS and not self._fresh(record):
            self._doubles[record.topic] += 1
            return
        try:
            event = decode(record.headers, record.value)
        except Unreadable:
            if record.value is not None:
                self.check.feed_unreadable(record.topic, record.partition, record.offset)
            return
        self.check.feed(record.topic, record.partition, record.offset, event)
        match event.data:
            case MessageReceived() as data:
                self.places.setdefault(data.message, (record.partition, record.offset))
            case EntryRecorded(kind=EntryKind.REPLY, reply=str(reply)):
                self.granted.add(reply)
            case ReplyRefused() as data:
                self.refused[data.why] += 1
            case FactDeliveryChanged() as data:
                self.status[data.reply] = data.status
            case FactWorklisted() as data if data.reply:
                self.worklisted.add(data.reply)
            case ReplyUnknown() as data:
                self.unknown[data.reply] += 1
            case _:
                pass

    def _fresh(self, record: Raw) -> bool:
        attributes = dict(record.headers)
        identity = attributes.get("ce_source", b""), attributes.get("ce_id", b"")
        known = self._known[record.topic]
        if identity in known:
            return False
        known.add(identity)
        return True

    def verdict(self) -> Verdict:
        accounts = self.check.account()
        return Verdict(
            findings=self.check.findings(),
            doubles=dict(self._doubles),
            unknown=self.unknown.total(),
            worklisted=len(self.worklisted),
            refused=dict(self.refused),
            records=self.check.records,
            messages=sum(each.received for each in accounts),
            replies=dict(sum((Counter(each.replies) for each in accounts), Counter())),
        )


def _hold_against_citizens(
    verdict: Verdict, town: Town, places: Mapping[str, tuple[int, int]], taken: Iterable[Note]
) -> None:
    orders: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for note in taken:
        place = places.get(town.id_of(note))
        if place is None:
            verdict.lost += 1
        elif note.ordered:
            orders[f"{note.tenant}/{note.citizen}"].append(place)
    verdict.reordered = sum(order != sorted(order) for order in orders.values())


def _hold_against_provider(verdict: Verdict, seen: _Reading, ledger: Iterable[Accepted]) -> None:
    had: Counter[tuple[str, int]] = Counter()
    for each in ledger:
        ours = read_our_id(each.our_id or "")
        assert ours, "the provider took something that is not ours"
        had[ours.reply, ours.part] += 1
    verdict.twice = sum(count > 1 for count in had.values())
    too_often = [reply for (reply, _), count in had.items() if count > 1 + seen.unknown[reply]]
    verdict.sent_again = len(too_often)
    verdict.examples = too_often[:10]
    for reply in seen.granted:
        status = seen.status.get(reply, DeliveryStatus.QUEUED)
        settled = status not in {DeliveryStatus.QUEUED, DeliveryStatus.UNKNOWN} or reply in seen.worklisted
        verdict.unsettled += not settled
        gone = status not in {DeliveryStatus.QUEUED, DeliveryStatus.UNKNOWN, DeliveryStatus.FAILED}
        verdict.unsent += gone and not had[reply, 0]
