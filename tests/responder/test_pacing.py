"""Never faster than agreed, never for ever, never all at once."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Reason
from services.channels.base import RateScope, SendError
from services.responder.breaker import FAILURES, STOPPED, Breaker
from services.responder.consequences import CONSEQUENCES, Fate, Health
from services.responder.gate import AHEAD, DAY, Gate, Policy
from services.responder.pacing import NEVER, Backoff, Budget, Pace, Recipients
from services.responder.rows import Ticket


def half() -> float:
    return 0.5


def ticket(number: int = 0, tries: int = 0) -> Ticket:
    return Ticket(f"r{number}.1", 0, tries, "us")


# --- rate ----------------------------------------------------------------------------------------------------


def moments(pace: Pace, looks: list[float]) -> list[float]:
    """At each look, prepare all that may be, and ask its moment."""
    found = []
    for now in looks:
        while pace.room(now):
            pace.prepare()
            found.append(pace.moment(now))
    return found


@settings(deadline=None)  # machines are shared
@given(
    rate=st.floats(0.5, 1000),
    waits=st.lists(st.floats(0, 1.0), min_size=5, max_size=60),
    stretch=st.floats(0.1, 5),
)
def test_in_no_stretch_of_time_is_the_rate_exceeded(rate: float, waits: list[float], stretch: float) -> None:
    found = moments(Pace(rate, AHEAD), list(itertools.accumulate(waits)))
    for first, begin in enumerate(found):
        inside = sum(at < begin + stretch for at in found[first:])
        assert inside <= rate * stretch * 1.01 + 1


@pytest.mark.parametrize("every", [0.005, 0.03, 0.09])
@pytest.mark.parametrize("rate", [7, 80, 480])
def test_the_rate_is_reached_within_one_percent_however_seldom_rounds_come(rate: float, every: float) -> None:
    looks = [number * every for number in range(int(20 / every))]
    found = moments(Pace(rate, AHEAD), looks)
    assert len([at for at in found if at < 20]) == pytest.approx(rate * 20, rel=0.01)


def test_what_was_not_used_is_not_made_up_for() -> None:
    pace = Pace(10, AHEAD)
    moments(pace, [0.0])
    assert len(moments(pace, [60.0])) == 1 + int(AHEAD * 10)


def test_what_was_prepared_counts_before_it_has_its_moment() -> None:
    pace = Pace(10, 0.0)
    pace.prepare()
    pace.moment(5.0)
    pace.prepare()
    assert pace.next_room() == pytest.approx(5.2)
    pace.give_up()
    assert pace.next_room() == pytest.approx(5.1)


# --- again ---------------------------------------------------------------------------------------------------


def test_a_wait_is_any_time_up_to_a_bound_that_doubles() -> None:
    backoff = Backoff(first=1, longest=300)
    assert [backoff.wait(tries, 1.0) for tries in (1, 2, 3, 9, 10, 5000)] == [1, 2, 4, 256, 300, 300]
    assert backoff.wait(3, 0.25) == 1


def test_a_provider_that_fails_half_the_time_gets_a_tenth_more_not_twice_as_much() -> None:
    budget, again = Budget(floor=0.0), 0
    for _ in range(10_000):
        budget.earn()
        if budget.enough(0):
            budget.spend()
            again += 1
    assert again == pytest.approx(1000, abs=11)


def test_something_may_always_be_tried_again_in_the_end() -> None:
    budget = Budget(most=1)
    assert budget.enough(0)
    budget.spend()
    assert not budget.enough(0)
    assert budget.next_enough(0) == 1
    assert budget.enough(1)


# --- one citizen ---------------------------------------------------------------------------------------------


def test_two_messages_to_one_citizen_are_apart() -> None:
    recipients = Recipients(6.0)
    recipients.began("a")
    assert recipients.free_at("a") == NEVER
    recipients.ended("a", began=10.0)
    assert recipients.free_at("a") == 16
    assert recipients.free_at("b") < 0
    recipients.forget(16)
    assert len(recipients) == 0


def test_a_message_that_never_left_keeps_nobody_apart() -> None:
    recipients = Recipients(6.0)
    recipients.began("a")
    recipients.ended("a", began=None)
    assert recipients.free_at("a") < 0


# --- breaker -------------------------------------------------------------------------------------------------


def broken(breaker: Breaker, now: float = 0.0) -> None:
    for number in range(FAILURES):
        breaker.ill(ticket(number), now)


def test_it_opens_after_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(half)
    for number in range(FAILURES - 1):
        breaker.ill(ticket(number), 0)
    breaker.well()
    broken(breaker)
    assert breaker.open
    assert not breaker.lets(0)


def test_while_it_is_open_one_probe_goes_at_a_time() -> None:
    breaker = Breaker(half)
    broken(breaker)
    at = breaker.next_probe()
    assert at is not None
    assert breaker.lets(at)
    breaker.begins(ticket(100))
    assert not breaker.lets(at + 60)
    assert breaker.next_probe() is None


def test_the_longest_rest_is_five_seconds() -> None:
    breaker = Breaker(lambda: 0.999)
    broken(breaker)
    now, rests = 0.0, []
    for number in range(20):
        at = breaker.next_probe()
        assert at is not None
        rests.append(round(at - now, 6))
        now = at
        breaker.begins(ticket(100 + number))
        breaker.ill(ticket(100 + number), now)
    assert 4.9 < max(rests) <= 5.0
    assert rests == sorted(rests)


def test_only_the_probe_says_whether_the_provider_is_still_ill() -> None:
    breaker = Breaker(half)
    broken(breaker)
    before = breaker.next_probe()
    breaker.ill(ticket(77), 3.0)
    assert breaker.next_probe() == before


def test_any_answer_closes_it() -> None:
    breaker = Breaker(half)
    broken(breaker)
    breaker.well()
    assert breaker.lets(0)


def test_a_probe_that_a_new_memory_does_not_know_is_not_waited_for() -> None:
    breaker = Breaker(half)
    broken(breaker)
    breaker.begins(ticket(1))
    breaker.keep_probe({ticket(1)})
    assert breaker.next_probe() is None
    breaker.keep_probe(set())
    assert breaker.next_probe() is not None


# --- consequences --------------------------------------------------------------------------------------------


def test_every_reason_has_a_consequence() -> None:
    assert set(CONSEQUENCES) == set(Reason)


def test_only_what_certainly_was_not_sent_is_tried_again() -> None:
    again = {reason for reason, consequence in CONSEQUENCES.items() if consequence.fate is Fate.AGAIN}
    assert again == {Reason.RETRY, Reason.RATE_LIMIT, Reason.ACCOUNT}


def test_a_timeout_counts_against_the_provider() -> None:
    assert CONSEQUENCES[Reason.UNKNOWN].health is Health.ILL


def failed(gate: Gate, error: SendError, number: int = 0, tries: int = 0, who: str = "a") -> float:
    gate.begins(ticket(number, tries), who)
    gate.pace.moment(0.0)
    return gate.failed(ticket(number, tries), who, error, 0.0, 0.0)


FAST = Policy(rate=1000, width=100)


@pytest.mark.parametrize(
    ("error", "inbox_waits", "citizen_waits", "reply_waits"),
    [
        pytest.param(SendError(Reason.RATE_LIMIT, after=20), 21, 0, 21, id="too fast for the inbox, with a time"),
        pytest.param(SendError(Reason.RATE_LIMIT), 0.1875, 0, 0.1875, id="too fast for the inbox, without one"),
        pytest.param(
            SendError(Reason.RATE_LIMIT, after=20, scope=RateScope.RECIPIENT), 0, 21, 21, id="too fast for one citizen"
        ),
        pytest.param(
            SendError(Reason.RATE_LIMIT, scope=RateScope.RECIPIENT),
            0,
            0.1875,
            0.1875,
            id="for a citizen, without",
        ),
        pytest.param(SendError(Reason.RETRY, after=20), 21, 0, 21, id="out of order, with a time"),
        pytest.param(SendError(Reason.RETRY), 0, 0, 0.5, id="out of order, without one"),
        pytest.param(SendError(Reason.ACCOUNT), STOPPED, 0, 0, id="our account is refused: the inbox is stopped"),
        pytest.param(SendError(Reason.RECIPIENT), 0, 0, 0, id="a wrong number says nothing about the inbox"),
        pytest.param(SendError(Reason.UNKNOWN), 0, 0, 0.5, id="one time-out stops nothing yet (its reply has ended)"),
        pytest.param(SendError(Reason.RATE_LIMIT, after=1e9), DAY * 1.05, 0, DAY * 1.05, id="a day at most, and a bit"),
    ],
)
def test_who_waits_after(error: SendError, inbox_waits: float, citizen_waits: float, reply_waits: float) -> None:
    gate = Gate(FAST, half)
    assert failed(gate, error) == pytest.approx(reply_waits)
    chance = gate.next_chance(0, only_again=False, now=0.0)
    assert chance is not None
    assert max(chance, 0) == pytest.approx(max(inbox_waits - AHEAD, 0) if error.reason != Reason.ACCOUNT else STOPPED)
    assert max(gate.recipients.free_at("a"), 0) == pytest.approx(citizen_waits)
    assert gate.recipients.free_at("b") < 0


def test_a_limit_that_calls_found_together_counts_once_and_one_found_again_counts_more() -> None:
    gate, limit = Gate(FAST, half), SendError(Reason.RATE_LIMIT)
    assert [failed(gate, limit, number) for number in range(8)] == [0.1875] * 8
    again = ticket(9)
    gate.begins(again, "a")
    assert gate.failed(again, "a", limit, 0.2, 0.2) == 0.375
    gate.went("a", 1.0, 1.0)
    gate.begins(again, "a")
    assert gate.failed(again, "a", limit, 2.0, 2.0) == 0.1875


def test_while_the_provider_rests_replies_do_not_wait_by_themselves_too() -> None:
    gate = Gate(FAST, half)
    waits = [failed(gate, SendError(Reason.RETRY), number) for number in range(FAILURES + 2)]
    assert waits == [0.5] * (FAILURES - 1) + [0.0] * 3


def test_a_stopped_inbox_is_known_as_stopped_until_a_call_went_well() -> None:
    gate = Gate(FAST, half)
    failed(gate, SendError(Reason.ACCOUNT))
    assert gate.breaker.stopped
    gate.went("a", 0.0, 0.0)
    assert not gate.breaker.stopped
