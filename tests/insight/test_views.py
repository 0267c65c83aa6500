"""What becomes of the rows, fact by fact."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from schemas.events import Fact
from services.insight.counts import Counts
from services.insight.views import MOST_WAITING, Place, day_of
from tests.insight.facts import (
    OIN,
    OTHER_OIN,
    PARTITION,
    Shelf,
    accepted,
    at,
    claimed,
    closed,
    moved,
    opened,
    received,
    refused,
    worklisted,
)

ASKED_TWICE = [opened(), received(1), received(5)]


def row(shelf: Shelf) -> dict[str, Any]:
    """The one open conversation, in short."""
    (found,) = shelf.book.conversations()
    each = found.row
    return {"at": each.department, "waits": each.oldest, "unanswered": each.unanswered, "claimed": each.claimed}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param([opened()], {"unanswered": 0, "waits": None}, id="nobody asked yet"),
        pytest.param(ASKED_TWICE, {"unanswered": 2, "waits": at(1)}, id="the oldest of two waits longest"),
        pytest.param(
            [opened(), received(1, needs_answer=False), received(5)],
            {"unanswered": 1, "waits": at(5)},
            id="a word of thanks does not wait",
        ),
        pytest.param(
            [*ASKED_TWICE, accepted(6, 1)], {"unanswered": 1, "waits": at(5)}, id="the first is answered, not the next"
        ),
        pytest.param([*ASKED_TWICE, accepted(6, 2)], {"unanswered": 0, "waits": None}, id="both are answered at once"),
        pytest.param(
            [*ASKED_TWICE, accepted(6, 0)], {"unanswered": 2, "waits": at(1)}, id="an answer to what was answered"
        ),
        pytest.param(
            [*ASKED_TWICE, claimed(6), moved(7, "kcc", 2)],
            {"at": "kcc", "unanswered": 2, "waits": at(1), "claimed": False},
            id="another department has it, and waits just as long; nobody there took it up",
        ),
        pytest.param(
            [opened(department="triage"), received(1)],
            {"at": "waste", "waits": at(1)},
            id="opened again at triage, and clear now: it is where its message went",
        ),
        pytest.param([*ASKED_TWICE, claimed(6)], {"claimed": True}, id="somebody took it up"),
        pytest.param([*ASKED_TWICE, claimed(6), claimed(7, released=True)], {"claimed": False}, id="and laid it down"),
        pytest.param(
            [opened(10), moved(20, "waste", 3, from_department="kcc", from_conversation="c0", oldest=at(2))],
            {"at": "waste", "unanswered": 3, "waits": at(2)},
            id="what came by a merge has waited since it was received",
        ),
        pytest.param(
            [opened(10), received(11), claimed(12), moved(20, "waste", 1, from_conversation="c0")],
            {"unanswered": 2, "waits": at(11), "claimed": True},
            id="a merge of which no time is known counts from the merge, and takes nobody off it",
        ),
        pytest.param(
            [*ASKED_TWICE, closed(6), opened(9, reopened=True), received(9)],
            {"unanswered": 1, "waits": at(9)},
            id="closed and opened again: only the new waits",
        ),
    ],
)
def test_an_open_conversation(facts: list[Fact], expected: dict[str, Any]) -> None:
    found = row(Shelf(facts))
    assert {name: found[name] for name in expected} == expected


def test_a_closed_conversation_has_no_row() -> None:
    shelf = Shelf([*ASKED_TWICE, closed(9)])
    assert shelf.open == {}


def test_a_flood_in_one_conversation_keeps_its_row_small_and_its_number_right() -> None:
    shelf = Shelf([opened(), *(received(n / 60) for n in range(1, MOST_WAITING + 501))])
    assert row(shelf) | {"at": 0} == {"at": 0, "waits": at(1 / 60), "unanswered": 1500, "claimed": False}
    assert max(map(len, shelf.open.values())) < 64_000
    shelf = Shelf([opened(), *(received(n / 60) for n in range(1, MOST_WAITING + 501)), accepted(40, 1200)])
    assert row(shelf) | {"at": 0} == {"at": 0, "waits": at(1000 / 60), "unanswered": 300, "claimed": False}


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        pytest.param(opened(), {"opened": 1}, id="a conversation began"),
        pytest.param(opened(reopened=True), {"reopened": 1}, id="it began again"),
        pytest.param(received(), {"received": 1}, id="a message"),
        pytest.param(
            received(automatic=True, needs_answer=False),
            {"received": 1, "automatic": 1, "needing_none": 1},
            id="a message of a machine",
        ),
        pytest.param(
            accepted(1, 2),
            {"replies": 1, "answered": 2, "waited_ms": 60_000, "waits": {8: 1}},
            id="a first answer, to two messages, after a minute",
        ),
        pytest.param(accepted(1, 1, first=False), {"replies": 1, "answered": 1}, id="a later answer"),
        pytest.param(accepted(1, 0), {"replies": 1}, id="the municipality wrote first: nobody waited for that"),
        pytest.param(closed(1, 2), {"closed": 1, "unanswered": 2}, id="closed with two unanswered"),
        pytest.param(refused(1), {"refused": 1}, id="a refusal"),
        pytest.param(worklisted(1, 2), {"worklisted": 2}, id="an answer to two messages did not arrive"),
    ],
)
def test_what_is_counted(fact: Fact, expected: dict[str, Any]) -> None:
    assert dict(Shelf([fact]).book.totals) == {(OIN, "waste", "whatsapp"): Counts(**expected)}


def test_a_claim_counts_for_nothing() -> None:
    assert not Shelf([claimed(1)]).buckets


def test_a_move_counts_where_it_came_from_and_where_it_went() -> None:
    totals = Shelf([moved(1, "kcc", 3)]).book.totals
    assert totals[OIN, "waste", "whatsapp"] == Counts(moved_out=3)  # type: ignore[index]
    assert totals[OIN, "kcc", "whatsapp"] == Counts(moved_in=3)  # type: ignore[index]


def test_a_merge_within_a_department_counts_there_both_ways() -> None:
    totals = Shelf([moved(1, "waste", 2, from_conversation="c0")]).book.totals
    assert dict(totals) == {(OIN, "waste", "whatsapp"): Counts(moved_in=2, moved_out=2)}


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        pytest.param(datetime(2026, 11, 24, 22, 59, tzinfo=UTC), date(2026, 11, 24), id="just before midnight, winter"),
        pytest.param(datetime(2026, 11, 24, 23, 0, tzinfo=UTC), date(2026, 11, 25), id="midnight, winter"),
        pytest.param(datetime(2026, 7, 1, 22, 0, tzinfo=UTC), date(2026, 7, 2), id="midnight, summer"),
        pytest.param(datetime(2026, 12, 31, 23, 0, tzinfo=UTC), date(2027, 1, 1), id="the new year"),
    ],
)
def test_a_day_is_the_citizens_day(moment: datetime, day: date) -> None:
    assert day_of(moment) == day


def test_one_municipality_is_never_counted_as_another() -> None:
    shelf = Shelf([received(), received(tenant=OTHER_OIN), opened(tenant=OTHER_OIN)])
    assert {stock.tenant: counts.received for stock, counts in shelf.book.totals.items()} == {OIN: 1, OTHER_OIN: 1}
    assert [each.tenant for each in shelf.book.conversations()] == [OTHER_OIN]


def test_a_key_is_read_as_it_was_written() -> None:
    place = Place(PARTITION, OIN, date(2026, 11, 24), "public-space", "email")
    assert Place.of(place.key) == place
