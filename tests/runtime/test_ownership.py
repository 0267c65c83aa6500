"""Where a number begins, when it gives up, and what it knows of the time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from aiokafka import TopicPartition

from services.runtime.bus.batches import Encoder
from services.runtime.bus.deadletters import MOST_IN_A_ROW, WINDOW, Brake
from services.runtime.bus.faults import Faults, FaultySeat
from services.runtime.bus.memory_broker import MemoryBroker, MemorySeat
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.number import Number, Pulse
from services.runtime.bus.ownership import Patience, Surroundings, starting_offsets
from services.runtime.bus.seat import GiveUp, Headers
from services.runtime.bus.state import KeyedState
from services.runtime.bus.ticks import signs_of_life
from services.runtime.bus.watch import Watch
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics
from tests.runtime.sample import THEN, Counting, Names

LOG = {"inbound": (3, 9), "outcomes": (0, 4)}
TABLES = Counting(Names()).tables


@pytest.mark.parametrize(
    ("committed", "held", "start"),
    [
        pytest.param({}, {}, {"inbound": 3, "outcomes": 0}, id="at the logs' start when nothing was ever committed"),
        pytest.param({"inbound": 5}, {"inbound": 5}, {"inbound": 5, "outcomes": 0}, id="where one input was committed"),
        pytest.param(
            {"inbound": 9, "outcomes": 4}, {"inbound": 9, "outcomes": 4}, {"inbound": 9, "outcomes": 4}, id="at the end"
        ),
    ],
)
def test_reading_begins(committed: Mapping[str, int], held: Mapping[str, int], start: Mapping[str, int]) -> None:
    assert starting_offsets(committed, held, LOG) == start


@pytest.mark.parametrize(
    ("committed", "held", "why"),
    [
        pytest.param({"inbound": 5}, {"inbound": 6}, "not those of the memory", id="the group is behind its memory"),
        pytest.param({"inbound": 6}, {"inbound": 5}, "not those of the memory", id="the memory is behind its group"),
        pytest.param({"inbound": 5}, {}, "not those of the memory", id="the memory is gone"),
        pytest.param({}, {"inbound": 5}, "not those of the memory", id="the group is gone"),
        pytest.param({"inbound": 2}, {"inbound": 2}, "the log holds 3 to 9", id="what is next was deleted"),
        pytest.param({"inbound": 10}, {"inbound": 10}, "the log holds 3 to 9", id="the log ends before it"),
    ],
)
def test_it_gives_up_and_says_why_when(committed: Mapping[str, int], held: Mapping[str, int], why: str) -> None:
    with pytest.raises(GiveUp, match=why):
        starting_offsets(committed, held, LOG)


# --- patience ---


def around(clock: ManualClock, slept: list[float]) -> Surroundings:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Surroundings(TABLES, clock, ServiceMetrics(Metrics(), "router"), lambda _why: None, sleep=sleep)


async def test_it_waits_longer_each_time_and_never_less_than_a_heartbeat() -> None:
    clock, slept = ManualClock(THEN), list[float]()
    patience = Patience(around(clock, slept))
    for _ in range(5):
        assert patience.lost(None) is None
        await patience.pause()
    assert slept == [3.5, 5.25, 7.875, 10.0, 10.0]


def test_a_minute_of_lives_that_come_to_nothing_ends_the_process() -> None:
    clock = ManualClock(THEN)
    patience = Patience(around(clock, []))
    verdicts = []
    for _ in range(8):
        verdicts.append(patience.lost(None))
        clock.advance(10)
    assert verdicts[:7] == [None] * 7
    assert verdicts[7] == "8 lives in 70 s came to nothing"


def test_failures_far_apart_are_each_the_first() -> None:
    clock = ManualClock(THEN)
    patience = Patience(around(clock, []))
    for _ in range(10):
        assert patience.lost(None) is None
        patience.began()
        clock.advance(61)


# --- time ---


@dataclass(frozen=True)
class Read:
    """A record as far as time is concerned."""

    offset: int
    timestamp: int
    topic: str = "inbound"
    partition: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = field(default_factory=list)


def at(seconds: float) -> datetime:
    return THEN + timedelta(seconds=seconds)


def read(offset: int, seconds: float) -> Read:
    return Read(offset, int(at(seconds).timestamp() * 1000))


def number() -> Number:
    seat = FaultySeat(MemorySeat(MemoryBroker(ManualClock(THEN)), "g", ("inbound", "outcomes"), 0), Faults())
    return Number(0, seat, KeyedState(TABLES, 0), {"inbound": 0, "outcomes": 0}, Encoder())


BOTH = {"inbound": True, "outcomes": True}


@pytest.mark.parametrize(
    ("unread", "taken", "at_end", "time"),
    [
        pytest.param([], [], BOTH, 10, id="the clock's when both inputs are read to the end"),
        pytest.param([4, 5], [], BOTH, 4, id="the oldest unread record's, whatever the pulse said"),
        pytest.param([20], [], BOTH, 10, id="the pulse's when what is unread is younger"),
        pytest.param([], [], {"inbound": True}, None, id="unknown while an input was never read"),
        pytest.param([], [3], {"outcomes": True}, 3, id="the last record's while more is on its way"),
        pytest.param([], [3], {}, None, id="unknown when nobody could say where the inputs end"),
    ],
)
def test_up_to_when_nothing_is_unread(
    unread: list[float], taken: list[float], at_end: dict[str, bool], time: float | None
) -> None:
    subject = number()
    subject.hand("inbound", [read(n, seconds) for n, seconds in enumerate(taken)])
    subject.inputs["inbound"].take(100)
    subject.hand("inbound", [read(n, seconds) for n, seconds in enumerate(unread, len(taken))])
    subject.pulse(Pulse(at(10), at_end))
    assert subject.time() == (None if time is None else at(time))


def test_what_was_read_ahead_is_read_again_after_the_group_was_dealt_anew() -> None:
    subject = number()
    subject.hand("inbound", [read(0, 1), read(1, 2)])
    subject.inputs["inbound"].take(1)
    subject.hold()
    subject.pulse(Pulse(at(10), BOTH))
    assert subject.resume() == {"inbound": 1, "outcomes": 0}
    assert not subject.unread
    assert not subject.beat(), "the old pulse would overtake what is to be read again"


# --- the daily sign of life ---


def test_a_sign_of_life_is_given_once_a_day_at_every_place() -> None:
    state, places = KeyedState(TABLES, 0), [("router.state", 0), ("entries", 0)]
    given = [signs_of_life(state, places, at(hours * 3600)) for hours in range(0, 49, 6)]
    assert [len(lines) for lines in given] == [2, 0, 2, 0, 0, 0, 2, 0, 0]  # from noon: midnight passes twice


# --- the brake ---


def test_the_brake_lets_through_what_is_not_in_a_row() -> None:
    brake = Brake()
    for _ in range(10 * MOST_IN_A_ROW):
        brake.aside("r")
        brake.good()


def test_the_brake_stops_at_the_hundredth_in_a_row() -> None:
    brake = Brake()
    for _ in range(MOST_IN_A_ROW - 1):
        brake.aside("r")
    with pytest.raises(GiveUp, match="100 records in a row cannot be handled, the last: r"):
        brake.aside("r")


def test_the_brake_stops_when_more_than_half_of_a_thousand_fail() -> None:
    brake = Brake()
    for n in range(WINDOW):
        (brake.aside, lambda _: brake.good())[n % 2]("r")
    brake.aside("r")
    with pytest.raises(GiveUp, match="501 of the last 1000"):
        brake.aside("r")


# --- the watchdog ---


def test_the_watchdog_knows_how_long_the_reader_has_not_come_back() -> None:
    watch = Watch(90, 0)
    watch.turned(10)
    assert watch.silence(100) == 0
    assert watch.silence(101) == 91


@pytest.mark.parametrize(
    ("positions", "paused", "at_end", "stands"),
    [
        pytest.param([5, 5, 5], False, False, True, id="that holds more and is not read"),
        pytest.param([5, 6, 7], False, False, False, id="that is read, be it slowly"),
        pytest.param([5, 5, 5], True, False, False, id="that is paused"),
        pytest.param([5, 5, 5], False, True, False, id="that is read to its end"),
    ],
)
def test_the_watchdog_looks_at_a_partition(positions: list[int], *, paused: bool, at_end: bool, stands: bool) -> None:
    place = TopicPartition("inbound", 0)
    watch = Watch(90, 0)
    for n, position in enumerate(positions):
        watch.looked({place: position}, {place: at_end}, {place} if paused else set(), n * 60)
    assert watch.standing(120) == ([place] if stands else [])
    assert watch.standing(120) == [], "told once"
