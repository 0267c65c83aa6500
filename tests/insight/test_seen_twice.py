"""A fact that is read twice changes nothing: from wherever reading begins again, whatever a crash left unwritten."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Fact
from tests.insight.facts import PARTITION, Shelf, accepted, claimed, closed, moved, opened, received, refused, seen

conversation = st.sampled_from(["c1", "c2"])
minutes = st.integers(0, 3000)
whole = st.integers(0, 3)
department = st.sampled_from(["waste", "kcc"])
channel = st.sampled_from(["whatsapp", "email"])
where = {"conversation": conversation, "channel": channel}
a_fact: st.SearchStrategy[Fact] = st.one_of(
    st.builds(opened, minutes, department=department, reopened=st.booleans(), **where),
    st.builds(received, minutes, department=department, needs_answer=st.booleans(), **where),
    st.builds(accepted, minutes, whole, department=department, first=st.booleans(), waited=st.floats(0, 9e5), **where),
    st.builds(moved, minutes, department, whole, from_conversation=st.sampled_from([None, "c2"]), **where),
    st.builds(closed, minutes, whole, department=department, **where),
    st.builds(claimed, minutes, released=st.booleans(), **where),
    st.builds(refused, minutes, department=department, **where),
)
facts = st.lists(a_fact, max_size=25)


@given(facts, st.data())
def test_reading_again_from_anywhere_changes_nothing(all_: list[Fact], data: st.DataObject) -> None:
    shelf, log = Shelf(all_), seen(all_)
    before = [dict(rows) for rows in shelf.rows]
    first = data.draw(st.integers(0, len(log)))
    shelf.take(log[first:])
    assert [dict(rows) for rows in shelf.rows] == before


@given(facts, st.data())
def test_how_facts_fall_into_batches_changes_nothing(all_: list[Fact], data: st.DataObject) -> None:
    shelf, log = Shelf(), seen(all_)
    while log:
        size = data.draw(st.integers(1, len(log)))
        shelf.take(log[:size])
        log = log[size:]
    assert shelf.rows == Shelf(all_).rows


@settings(max_examples=200)
@given(facts, st.data())
def test_whatever_crashes_left_unwritten_is_made_good_by_reading_on(all_: list[Fact], data: st.DataObject) -> None:
    """Some lives end in a batch of which some records were written and others not; offsets may lag far behind."""
    log, shelf, committed = seen(all_), Shelf(), 0
    for _life in range(data.draw(st.integers(1, 4))):
        read = data.draw(st.integers(committed, len(log)))
        shelf.take(log[committed:read])
        committed = data.draw(st.integers(committed, read))
        last = shelf.book.changes(log[read : data.draw(st.integers(read, len(log)))])
        shelf.book.make([change for change in last if data.draw(st.booleans())])
        shelf = taken_over(shelf)
    shelf.take(log[committed:])
    assert shelf.rows == Shelf(all_).rows


@given(facts)
def test_totals_are_the_same_as_they_grow_and_when_they_are_rebuilt(all_: list[Fact]) -> None:
    shelf = Shelf(all_)
    assert taken_over(shelf).book.totals == shelf.book.totals


def test_rows_of_partitions_that_are_anothers_now_are_forgotten() -> None:
    shelf = Shelf([opened(), received()])
    shelf.book.rebuilt(frozenset({PARTITION + 1}))
    assert (shelf.rows, dict(shelf.book.totals)) == (({}, {}), {})


def test_what_is_worked_out_is_not_yet_shown() -> None:
    shelf = Shelf()
    changes = shelf.book.changes(seen([opened(), received()]))
    assert len(changes) == 2
    assert shelf.rows == ({}, {})


def test_a_conversation_that_came_and_went_within_a_batch_leaves_no_record() -> None:
    changes = Shelf().book.changes(seen([opened(), closed(1)]))
    assert {change.topic for change in changes} == {"insight.counts"}


def taken_over(shelf: Shelf) -> Shelf:
    """Another process, after the same changelogs."""
    after = Shelf()
    after.buckets.update(shelf.buckets)
    after.open.update(shelf.open)
    after.book.rebuilt(frozenset({PARTITION}))
    return after
