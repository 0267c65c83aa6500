"""The memory of a number: what a record changed is kept or undone as a whole, and rebuilt as it was."""

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas.parts import Frozen
from services.responder.rows import TABLES as RESPONDER
from services.router.tables import TABLES as ROUTER
from services.runtime.bus.handler import Table, Tables
from services.runtime.bus.seat import Headers, Line
from services.runtime.bus.state import KeyedState, changelogs

THEN = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Row(Frozen):
    count: int
    word: str | None = None


ROWS = Table("rows", Row, "router.state")
OTHERS = Table("others", Row, "router.state")
TABLES = Tables((ROWS, OTHERS), "router.state", "router.seen")


@dataclass(frozen=True)
class Logged:
    """A line as it lies in a changelog."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    offset: int = 0
    timestamp: int = 0


def logged(lines: list[Line]) -> list[Logged]:
    return [Logged(*line) for line in lines]


def rebuilt(lines: list[Line], tables: Tables = TABLES) -> KeyedState:
    state = KeyedState(tables, 0)
    state.load(logged(lines))
    state.loaded()
    return state


def kept(state: KeyedState) -> list[Line]:
    state.keep()
    return state.changes()


KEYS = st.sampled_from(["a", "b", "c/d", "é"])
TABLE = st.sampled_from([ROWS, OTHERS])
TIMES = st.integers(0, 20).map(lambda seconds: THEN + timedelta(seconds=seconds))


@dataclass
class Model:
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    timers: dict[str, datetime] = field(default_factory=dict)
    seen: dict[str, datetime] = field(default_factory=dict)


class AgainstAModel(RuleBasedStateMachine):
    """Whatever is done in whatever order, it is what plain dictionaries would hold; and so is what is rebuilt."""

    def __init__(self) -> None:
        super().__init__()
        self.state = KeyedState(TABLES, 0)
        self.model = Model()
        self.kept = Model()
        self.log: list[Line] = []

    @rule(table=TABLE, key=KEYS, count=st.integers(0, 3))
    def put(self, table: Table[Row], key: str, count: int) -> None:
        self.state.put(table, key, Row(count=count))
        self.model.rows[table.name, key] = Row(count=count)

    @rule(table=TABLE, key=KEYS)
    def drop(self, table: Table[Row], key: str) -> None:
        self.state.drop(table, key)
        self.model.rows.pop((table.name, key), None)

    @rule(name=KEYS, at=TIMES)
    def set_timer(self, name: str, at: datetime) -> None:
        self.state.set_timer(name, at)
        self.model.timers[name] = at

    @rule(name=KEYS)
    def clear_timer(self, name: str) -> None:
        self.state.clear_timer(name)
        self.model.timers.pop(name, None)

    @rule(name=KEYS, at=TIMES)
    def see(self, name: str, at: datetime) -> None:
        self.state.see(name, at)
        self.model.seen.setdefault(name, at)

    @rule()
    def keep(self) -> None:
        self.state.keep()
        self.kept = deepcopy(self.model)

    @rule()
    def undo(self) -> None:
        self.state.undo()
        self.model = deepcopy(self.kept)

    @rule(now=TIMES)
    def ask_what_is_due(self, now: datetime) -> None:
        due = sorted((at, name) for name, at in self.model.timers.items() if at <= now)
        assert self.state.due(now) == [(name, at) for at, name in due]

    @rule()
    def log_changes(self) -> None:
        self.keep()
        lines = self.state.changes()
        assert len({(line.topic, line.key) for line in lines}) == len(lines), "one value of each key"
        self.log += lines

    @rule()
    @precondition(lambda self: self.log)
    def take_over(self) -> None:
        self.log_changes()
        self.state = rebuilt(self.log)

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        found = {(table.name, key): row for table in (ROWS, OTHERS) for key, row in self.state.rows(table)}
        assert found == self.model.rows
        assert all(self.state.get(ROWS, key) == self.model.rows.get(("rows", key)) for key in "ab")
        assert {name for name in ["a", "b", "c/d", "é"] if self.state.seen(name)} == self.model.seen.keys()


TestAgainstAModel = AgainstAModel.TestCase


def test_due_timers_stay_until_they_are_cleared_or_moved() -> None:
    state = KeyedState(TABLES, 0)
    state.set_timer("late", THEN + timedelta(seconds=2))
    state.set_timer("early", THEN)
    assert state.due(THEN) == state.due(THEN) == [("early", THEN)]
    state.set_timer("early", THEN + timedelta(seconds=5))
    assert state.due(THEN + timedelta(seconds=3)) == [("late", THEN + timedelta(seconds=2))]


def test_a_dropped_row_leaves_a_tombstone() -> None:
    state = KeyedState(TABLES, 7)
    state.put(ROWS, "a", Row(count=1))
    state.drop(ROWS, "a")
    state.keep()
    assert state.changes() == [Line("router.state", 7, b"rows/a", None, [])]


def test_dropping_what_is_not_there_is_no_change() -> None:
    state = KeyedState(TABLES, 7)
    state.drop(ROWS, "a")
    state.clear_timer("t")
    state.keep()
    assert state.changes() == []


def test_a_row_in_hand_is_kept_or_undone_as_a_whole_also_after_its_batch_was_written() -> None:
    state = rebuilt([Line("router.state", 0, b"rows/a", b'{"count":1}', [])])
    state.put(ROWS, "a", Row(count=2))
    state.put(ROWS, "b", Row(count=3))
    state.undo()
    assert (state.get(ROWS, "a"), state.get(ROWS, "b"), state.changes()) == (Row(count=1), None, [])


def test_what_is_changed_between_two_batches_belongs_to_the_next() -> None:
    state = KeyedState(TABLES, 0)
    state.put(ROWS, "a", Row(count=1))
    assert state.changes() == []
    state.keep()
    assert (state.get(ROWS, "a"), [line.value for line in state.changes()]) == (Row(count=1), [b'{"count":1}'])


@pytest.mark.parametrize("table", [*ROUTER.tables, *RESPONDER.tables], ids=lambda table: table.name)
def test_a_field_that_is_left_out_of_a_packed_row_comes_back_as_it_was(table: Table[Frozen]) -> None:
    """Rows are packed without what is None: so wherever None may stand, it must also be what absence means."""
    for name, field_ in table.model.model_fields.items():
        may_be_none = type(None) in get_args(field_.annotation)
        assert not may_be_none or (field_.default is None and not field_.is_required()), name


def test_rows_of_a_table_that_this_version_does_not_know_are_left_alone() -> None:
    newer = Line("router.state", 0, b"newer/a", b'{"what":"ever"}', [])
    state = rebuilt([newer, Line("router.state", 0, b"rows/a", b'{"count":1}', [])])
    state.put(ROWS, "a", Row(count=2))
    state.keep()
    assert [line.key for line in state.changes()] == [b"rows/a"]


def test_a_field_that_a_newer_version_added_does_not_hinder_an_older_one() -> None:
    state = rebuilt([Line("router.state", 0, b"rows/a", b'{"count":1,"newer":2}', [])])
    assert state.get(ROWS, "a") == Row(count=1)


def test_ids_older_than_the_window_are_forgotten() -> None:
    state = KeyedState(TABLES, 0)
    for day in range(4):
        state.see(f"{day}", THEN + timedelta(days=day))
    state.forget_seen(THEN + timedelta(days=2))
    assert [state.seen(f"{day}") for day in range(4)] == [False, False, True, True]


@given(at=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_timer_comes_back_to_the_microsecond(at: datetime) -> None:
    state = KeyedState(TABLES, 0)
    state.set_timer("t", at)
    state.keep()
    assert rebuilt(state.changes()).due(at) == [("t", at)]


def test_the_largest_change_is_known_before_it_is_kept() -> None:
    state = KeyedState(TABLES, 0)
    state.put(ROWS, "a", Row(count=1, word="x" * 1000))
    assert state.largest_change() > 1000
    state.keep()
    assert state.largest_change() == 0


@given(word=st.text(), others=st.lists(st.text(), max_size=3))
def test_rows_that_hold_a_string_are_found_in_hand_and_packed(word: str, others: list[str]) -> None:
    state = KeyedState(TABLES, 0)
    for number, each in enumerate([word, *others]):
        state.put(ROWS, f"{number}", Row(count=number, word=each))
    for found in (dict(state.rows(ROWS, {word})), dict(rebuilt(kept(state)).rows(ROWS, {word}))):
        assert found["0"] == Row(count=0, word=word)


def test_rows_without_it_need_not_be_read() -> None:
    unreadable = Line("router.state", 0, b"rows/b", b'{"count":"many"}', [])
    state = rebuilt([unreadable, Line("router.state", 0, b"rows/a", b'{"count":1,"word":"w"}', [])])
    assert list(state.rows(ROWS, {"w", "v"})) == [("a", Row(count=1, word="w"))]


@pytest.mark.parametrize(
    ("tables", "topics"),
    [
        pytest.param(TABLES, ["router.state", "router.seen"], id="state and seen ids"),
        pytest.param(Tables((), "s"), ["s"], id="no tables, no seen ids"),
        pytest.param(Tables((Table("own", Row, "x"),), "s"), ["x", "s"], id="a table with a changelog of its own"),
    ],
)
def test_it_is_rebuilt_from(tables: Tables, topics: list[str]) -> None:
    assert changelogs(tables) == topics


def test_a_timer_that_was_moved_and_put_back_is_still_found() -> None:
    state = KeyedState(TABLES, 0)
    state.set_timer("t", THEN)
    state.keep()
    state.set_timer("t", THEN + timedelta(seconds=9))
    assert state.due(THEN) == []
    state.undo()
    assert state.due(THEN) == [("t", THEN)]
