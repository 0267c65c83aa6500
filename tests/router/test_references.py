"""The number of a conversation for people: unique, checked, and not to be guessed from the one before."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas import events as e
from services.router.references import COUNT, check_digit, is_sound, reference_of
from services.router.tables import COUNTERS, Counter
from tests.router.town import BERT, KEY, LAMP, OIN, Town

digits = st.text("0123456789", min_size=8, max_size=8)


@given(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1))
def test_two_conversations_never_have_the_same_number(one: int, other: int) -> None:
    assert (reference_of(KEY, one) == reference_of(KEY, other)) == (one == other)


@given(st.integers(0, 10 * COUNT))
def test_a_number_has_eight_digits_no_leading_zero_and_checks(used: int) -> None:
    reference = reference_of(KEY, used)
    assert len(reference) == 8
    assert reference[0] != "0"
    assert is_sound(reference)


@given(st.integers(0, COUNT - 1), st.integers(0, 7), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_noticed(used: int, place: int, digit: str) -> None:
    reference = reference_of(KEY, used)
    wrong = reference[:place] + digit + reference[place + 1 :]
    assert is_sound(wrong) == (wrong == reference)


@given(st.integers(0, COUNT - 1), st.integers(0, 6))
def test_two_neighbours_swapped_are_noticed(used: int, place: int) -> None:
    reference = reference_of(KEY, used)
    swapped = reference[:place] + reference[place + 1] + reference[place] + reference[place + 2 :]
    assert is_sound(swapped) == (swapped == reference)


@given(digits)
def test_the_check_digit_makes_any_digits_sound(any_digits: str) -> None:
    assert is_sound(any_digits + check_digit(any_digits))


def test_the_next_number_is_nowhere_near_and_another_tenant_has_others() -> None:
    row = [int(reference_of(KEY, used)) // 10 for used in range(200)]
    assert all(abs(one - other) > 10 for one, other in pairwise(row))
    assert row != [int(reference_of(b"another secret of this tenant", used)) // 10 for used in range(200)]


def test_after_nine_million_numbers_those_in_use_are_passed_over() -> None:
    town = Town()
    town.message(LAMP)
    first = town.last(e.MessageRouted).reference
    town.state.put(COUNTERS, OIN, Counter(used=COUNT))
    town.message(LAMP, BERT)
    assert town.last(e.MessageRouted).reference != first
    assert town.last(e.MessageRouted).reference == reference_of(KEY + b"town", 1)
