"""What a batch goes through: first durable, then shown; nothing is lost that cannot be read; a double counts once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from schemas.cloudevents import CloudEvent, encode, source_of
from schemas.events import HubTicked, RecordSetAside
from services.insight.app import Read
from services.insight.book import Change
from services.insight.doubles import Doubles
from services.insight.feed import Feed
from services.runtime.bus.deadletters import Brake
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.seat import GiveUp, NotDurable
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics
from tests.insight.facts import NINE, OIN, Shelf, opened, raw, received


@dataclass
class Bench:
    """A feed, and what came out of it at either side."""

    shelf: Shelf = field(default_factory=Shelf)
    written: list[Change] = field(default_factory=list)
    letters: list[Outgoing] = field(default_factory=list)
    fails: Exception | None = None
    shown_when_written: int = -1

    def __post_init__(self) -> None:
        self.metrics, self.clock = Metrics(), ManualClock(NINE)
        self.feed = Feed(self.shelf.book, self._write, self, self.metrics, self.clock, Brake(3), Doubles(100))

    async def take(self, *raws: Read, more: bool = False) -> None:
        await self.feed.take(raws, more=more)

    async def _write(self, changes: Sequence[Change]) -> None:
        self.shown_when_written = self.received
        if self.fails:
            raise self.fails
        self.written += changes

    async def publish(self, outgoings: Sequence[Outgoing]) -> None:
        if self.fails:
            raise self.fails
        self.letters += outgoings

    @property
    def received(self) -> int:
        return sum(counts.received for counts in self.shelf.book.totals.values())


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_fact_is_shown_when_it_is_durable_and_not_before(bench: Bench) -> None:
    await bench.take(raw(opened(), 1), raw(received(), 3))
    assert (bench.shown_when_written, bench.received) == (0, 1)
    assert {change.topic for change in bench.written} == {"insight.counts", "insight.open"}
    assert len({change.partition for change in bench.written}) == 1


async def test_what_could_not_be_written_is_not_shown(bench: Bench) -> None:
    bench.fails = RuntimeError("refused")
    with pytest.raises(RuntimeError):
        await bench.take(raw(received(), 1))
    assert bench.received == 0
    bench.fails = None
    await bench.take(raw(received(), 1))
    assert bench.received == 1


UNREADABLE = [
    pytest.param(replace(raw(received(), 2), value=b"Mijn naam is Anna"), "fact.message-received.v1", id="no JSON"),
    pytest.param(replace(raw(received(), 2), headers=[]), "ce_type", id="no event"),
    pytest.param(replace(raw(received(), 2), value=None), "no value", id="a tombstone"),
]


@pytest.mark.parametrize(("bad", "why"), UNREADABLE)
async def test_what_cannot_be_read_is_set_aside_whole_and_the_rest_counts(bench: Bench, bad: Read, why: str) -> None:
    await bench.take(raw(opened(), 1), bad, raw(received(), 3))
    (letter,) = bench.letters
    assert letter.event
    assert isinstance(letter.event.data, RecordSetAside)
    assert why in letter.event.data.reason
    assert "Anna" not in letter.event.data.reason
    assert (letter.event.data.origin.offset, bench.received) == (2, 1)


async def test_what_is_no_fact_is_set_aside(bench: Bench) -> None:
    letter = RecordSetAside(origin={"topic": "x"}, reason="x", raw="")  # type: ignore[arg-type]
    headers, value = encode(CloudEvent("1", source_of(OIN), NINE, letter))
    await bench.take(replace(raw(received(), 1), headers=headers, value=value))
    assert len(bench.letters) == 1


async def test_while_a_dead_letter_cannot_be_kept_nothing_goes_on(bench: Bench) -> None:
    bench.fails = NotDurable("not confirmed")
    with pytest.raises(NotDurable):
        await bench.take(raw(received(), 1), replace(raw(received(), 2), value=b"x"))
    assert bench.received == 0


async def test_too_much_that_cannot_be_read_stops_it(bench: Bench) -> None:
    with pytest.raises(GiveUp):
        await bench.take(*(replace(raw(received(), n), value=b"x") for n in range(3)))


async def test_a_sign_of_life_is_passed_over(bench: Bench) -> None:
    headers, value = encode(CloudEvent("tick", source_of(None), NINE, HubTicked(at=datetime.now(UTC))))
    await bench.take(replace(raw(received(), 1), headers=headers, value=value))
    assert (bench.letters, bench.written) == ([], [])


async def test_the_same_fact_at_two_offsets_counts_once_and_so_does_the_same_record_twice(bench: Bench) -> None:
    first, copy = raw(received(), 1, name="fact"), raw(received(), 9, name="fact")
    await bench.take(first, copy)
    await bench.take(copy)
    await bench.take(first, copy)
    assert bench.received == 1


def test_only_so_many_facts_are_remembered() -> None:
    doubles = Doubles(limit=2)
    assert [doubles.knows(raw(received(), n, name=str(n))) for n in (1, 2, 3)] == [False] * 3
    assert [doubles.knows(raw(received(), 9, name=str(n))) for n in (3, 1)] == [True, False]


@pytest.mark.parametrize(
    ("more", "age"),
    [pytest.param(True, 90.0, id="others wait"), pytest.param(False, 0.0, id="all is read")],
)
async def test_how_far_behind_it_is(bench: Bench, *, more: bool, age: float) -> None:
    bench.clock.advance(600)
    await bench.take(raw(received(8.5), 1), more=more)
    lag = bench.metrics.registry.get_sample_value("hub_consumer_lag_seconds", {"service": "insight", "topic": "facts"})
    assert lag == age
