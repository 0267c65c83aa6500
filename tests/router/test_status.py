"""Statuses of a reply come in any order, doubled and late; what is told is the same."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import events as e
from schemas.events import DeliveryStatus as S
from services.router.status import LINE, merged, of_reply
from tests.router.town import Town

statuses = st.sampled_from(list(S))


@given(statuses, statuses, statuses)
def test_the_merge_does_not_care_for_order_or_repetition(a: S, b: S, c: S) -> None:
    assert merged(a, b) is merged(b, a)
    assert merged(a, merged(b, c)) is merged(merged(a, b), c)
    assert merged(a, a) is a


@pytest.mark.parametrize(
    ("reported", "told"),
    [
        pytest.param([S.READ, S.DELIVERED, S.SENT], S.READ, id="backwards"),
        pytest.param([S.SENT, S.READ, S.DELIVERED, S.DELIVERED], S.READ, id="mixed and doubled"),
        pytest.param([S.SENT, S.FAILED], S.FAILED, id="sent and then failed"),
        pytest.param([S.FAILED, S.SENT], S.FAILED, id="failed, and a late sent"),
        pytest.param([S.FAILED, S.DELIVERED], S.DELIVERED, id="failed, and yet delivered"),
        pytest.param([S.UNKNOWN, S.ACCEPTED], S.ACCEPTED, id="in doubt, then taken"),
        pytest.param([S.ACCEPTED, S.UNKNOWN], S.ACCEPTED, id="taken, whatever a late doubt says"),
        pytest.param([S.UNKNOWN, S.FAILED], S.FAILED, id="in doubt, then failed"),
    ],
)
def test_one_part(reported: list[S], told: S) -> None:
    for order in permutations(reported):
        found = order[0]
        for each in order[1:]:
            found = merged(found, each)
        assert found is told


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        pytest.param([S.READ, S.READ], S.READ, id="read when every part is read"),
        pytest.param([S.READ, S.DELIVERED], S.DELIVERED, id="as far as its least part"),
        pytest.param([S.DELIVERED, S.QUEUED], S.QUEUED, id="a part that waits"),
        pytest.param([S.READ, S.FAILED], S.FAILED, id="one part failed"),
        pytest.param([S.UNKNOWN, S.READ], S.UNKNOWN, id="one part in doubt"),
        pytest.param([S.UNKNOWN, S.FAILED], S.FAILED, id="a failure is worse than a doubt"),
    ],
)
def test_several_parts(parts: list[S], told: S) -> None:
    assert of_reply(parts) is told


def test_every_status_has_its_place() -> None:
    assert sorted(LINE) == sorted(S)


receipts = st.lists(
    st.tuples(st.sampled_from(["w0", "w1"]), st.sampled_from([S.SENT, S.DELIVERED, S.READ, S.FAILED])), max_size=8
)


@given(receipts, st.data())
def test_outcome_and_receipts_in_any_order_end_alike(reported: list[tuple[str, S]], data: st.DataObject) -> None:
    """The outcome may come before, between or after the receipts, and each of them more than once."""
    first, again = _told(reported, 0), _told(data.draw(st.permutations(reported + reported[:2])), data.draw(_at))
    assert first == again


_at = st.integers(0, 8)


def _told(reported: list[tuple[str, S]], outcome_at: int) -> S:
    town = Town()
    town.message()
    reply = town.reply(town.last(e.MessageRouted).conversation)
    for n, (external_id, status) in enumerate(reported):
        if n == outcome_at:
            town.sent(reply, "w0", "w1")
        town.receipt(external_id, status)
    if outcome_at >= len(reported):
        town.sent(reply, "w0", "w1")
    assert len(town.all(e.FactWorklisted)) <= 1
    return town.last(e.DeliveryChanged).status
