"""Counts add up in any order, and say how long people waited as exactly as their steps are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.insight.counts import BOUNDS, Counts, cumulated, first_answer, minus, plus, quantile, total
from services.runtime.process.metrics import FIRST_RESPONSE

waits = st.lists(st.floats(0, 10_000_000), max_size=30)
some_counts = st.builds(Counts, received=st.integers(0, 9), waits=st.just({})) | st.builds(
    first_answer, st.floats(0, 9_999_999)
)


def test_the_steps_rise_and_prometheus_sees_some_of_them() -> None:
    assert sorted(set(BOUNDS)) == list(BOUNDS)
    assert set(FIRST_RESPONSE) <= set(BOUNDS)


@given(st.lists(some_counts, max_size=8), st.randoms())
def test_a_sum_is_the_same_in_every_order(all_: list[Counts], chance: object) -> None:
    mixed = sorted(all_, key=lambda _: chance.random())  # type: ignore[attr-defined]
    assert total(all_) == total(mixed)


@given(some_counts, some_counts)
def test_what_was_added_can_be_taken_off(one: Counts, other: Counts) -> None:
    assert minus(plus(one, other), other) == one


@given(waits)
def test_every_answer_is_in_one_step_and_none_above_its_bound(seconds: list[float]) -> None:
    found = total(map(first_answer, seconds))
    assert found.first_answers == len(seconds)
    expected = [sum(each <= bound for each in seconds) for bound in BOUNDS]
    assert cumulated(found.waits, BOUNDS) == expected


@given(waits.filter(len), st.sampled_from([0.5, 0.9]))
def test_a_share_is_answered_within_what_is_said_give_or_take_a_step(seconds: list[float], share: float) -> None:
    found = quantile(total(map(first_answer, seconds)).waits, share)
    exact = sorted(seconds)[max(0, -int(-share * len(seconds) // 1) - 1)]
    step = next((i for i, bound in enumerate(BOUNDS) if exact <= bound), len(BOUNDS))
    low, high = ([0, *BOUNDS, BOUNDS[-1]])[step], ([*BOUNDS, BOUNDS[-1]])[step]
    assert found is not None
    assert low <= found <= high


@pytest.mark.parametrize(
    ("seconds", "median", "p90"),
    [
        pytest.param([], None, None, id="nobody had an answer"),
        pytest.param([60], 52.5, 58.5, id="one, somewhere from 45 to 60 seconds"),
        pytest.param([60] * 9 + [7200], 53 + 1 / 3, 60.0, id="one of ten waited long"),
        pytest.param([9e9], 2_592_000.0, 2_592_000.0, id="longer than we count"),
    ],
)
def test_how_long_they_waited(seconds: list[float], median: float | None, p90: float | None) -> None:
    found = total(map(first_answer, seconds))
    assert quantile(found.waits, 0.5) == (None if median is None else pytest.approx(median))
    assert quantile(found.waits, 0.9) == (None if p90 is None else pytest.approx(p90))
