"""In what order answers leave, and what becomes of one that fails, is in doubt, or waits too long."""

from __future__ import annotations

import pytest

from schemas import events as e
from schemas.events import DeliveryStatus as S
from schemas.events import Reason
from services.router.policy import Policy
from tests.router.town import LAMP, WASTE, Town, author


@pytest.fixture
def town() -> Town:
    return Town()


def asked(town: Town, text: str = LAMP) -> str:
    """A conversation with one message in it."""
    town.message(text)
    return town.last(e.MessageRouted).conversation


def sends(town: Town) -> list[tuple[str, int, int]]:
    """What the responder was asked: reply, attempt, first part."""
    return [(each.reply, each.attempt, each.first_part) for each in town.all(e.SendRequested)]


# --- one in flight -------------------------------------------------------------------------------------------


def test_the_next_answer_leaves_when_the_last_one_has_its_outcome(town: Town) -> None:
    conversation = asked(town)
    one, two, three = (town.reply(conversation, str(n)) for n in range(3))
    assert sends(town) == [(one, 1, 0)]
    town.sent(one, "w1")
    assert sends(town) == [(one, 1, 0), (two, 1, 0)]
    town.failed(two)
    assert sends(town)[-1] == (three, 1, 0)
    assert town.statuses(two) == [S.QUEUED, S.FAILED]


def test_two_conversations_do_not_wait_for_each_other(town: Town) -> None:
    lamp, waste = asked(town), asked(town, WASTE)
    town.reply(lamp)
    town.reply(waste, by=author("waste"))
    assert len(sends(town)) == 2


def test_an_outcome_that_comes_twice_changes_nothing(town: Town) -> None:
    conversation = asked(town)
    one, _two, _three = (town.reply(conversation, str(n)) for n in range(3))
    town.sent(one, "w1")
    before = len(town.out)
    town.state.changes()
    town.sent(one, "w1")
    assert len(town.out) == before
    assert not town.state.changes()


def test_an_answer_that_fails_makes_its_messages_peoples(town: Town) -> None:
    reply = town.reply(asked(town))
    town.failed(reply, Reason.RECIPIENT)
    listed = town.last(e.FactWorklisted)
    assert (listed.reply, listed.why, listed.messages) == (reply, "recipient", 1)
    changed = town.last(e.DeliveryChanged)
    assert (changed.status, changed.reason) == (S.FAILED, Reason.RECIPIENT)
    assert changed in town.queue("public-space")


def test_an_outcome_of_a_reply_that_nobody_asked_for_is_set_aside(town: Town) -> None:
    town.sent("nobody's")
    assert town.poison == ["an outcome of a reply, or an attempt, that the router did not ask for"]


# --- in doubt ------------------------------------------------------------------------------------------------


def test_a_receipt_that_carries_our_id_settles_the_doubt(town: Town) -> None:
    conversation = asked(town)
    one, two = (town.reply(conversation, str(n)) for n in range(2))
    town.unknown(one)
    assert town.statuses(one)[-1] is S.UNKNOWN
    assert sends(town) == [(one, 1, 0)]
    town.receipt("w1", S.SENT, ours=(one, 1, 0))
    assert town.statuses(one)[-1] is S.SENT
    assert sends(town) == [(one, 1, 0), (two, 1, 0)]
    town.later(minutes=5)
    assert len(sends(town)) == 2


def test_without_a_receipt_it_is_sent_again_once_from_the_part_in_doubt_and_then_it_is_peoples(town: Town) -> None:
    conversation = asked(town)
    one, two = (town.reply(conversation, str(n)) for n in range(2))
    town.unknown(one, 1, 3, 1, "w0")
    town.later(seconds=119)
    assert sends(town) == [(one, 1, 0)]
    town.later(seconds=2)
    assert sends(town) == [(one, 1, 0), (one, 2, 1)]
    town.unknown(one, 1, 3, 2)
    town.later(minutes=3)
    assert sends(town)[2:] == [(two, 1, 0)]
    assert town.last(e.FactWorklisted).why == "unknown"
    assert town.statuses(one) == [S.QUEUED, S.UNKNOWN]


def test_what_comes_after_a_settled_part_is_sent_without_doubling_it(town: Town) -> None:
    reply = town.reply(asked(town))
    town.unknown(reply, 1, 3, 1, "w0")
    town.receipt("w1", S.DELIVERED, ours=(reply, 1, 1))
    assert sends(town) == [(reply, 1, 0), (reply, 2, 2)]
    town.sent(reply, "w2", attempt=2, first=2)
    assert town.statuses(reply)[-1] is S.ACCEPTED


def test_a_second_attempt_that_succeeds_ends_the_doubt(town: Town) -> None:
    reply = town.reply(asked(town))
    town.unknown(reply)
    town.later(minutes=3)
    town.sent(reply, "w1", attempt=2)
    assert town.statuses(reply) == [S.QUEUED, S.UNKNOWN, S.ACCEPTED]
    assert not town.all(e.FactWorklisted)


def test_a_late_receipt_still_tells_that_it_arrived(town: Town) -> None:
    reply = town.reply(asked(town))
    town.unknown(reply)
    town.later(minutes=3)
    town.unknown(reply, attempt=2)
    town.later(minutes=3)
    town.receipt("w1", S.DELIVERED, ours=(reply, 2, 0))
    assert town.statuses(reply)[-1] is S.DELIVERED


@pytest.mark.parametrize(
    ("policy", "not_after"),
    [
        pytest.param(Policy(resends=False), None, id="where the municipality does not send again"),
        pytest.param(Policy(), "2026-11-24T09:01:00Z", id="after the time that its author named"),
    ],
)
def test_what_is_not_sent_again(policy: Policy, not_after: str | None) -> None:
    town = Town(policy)
    reply = town.reply(asked(town), not_after=not_after)
    town.unknown(reply)
    town.later(minutes=3)
    assert len(sends(town)) == 1
    assert not town.all(e.SendCancelled), "there is nothing to call back"
    assert town.last(e.FactWorklisted).why == "unknown"


# --- not after -----------------------------------------------------------------------------------------------


def test_an_answer_that_waits_too_long_does_not_leave_and_is_peoples(town: Town) -> None:
    conversation = asked(town)
    one, two, three = (town.reply(conversation, str(n)) for n in range(3))
    town.later(hours=71)
    town.sent(one, "w1")
    town.later(hours=2)
    assert (two, 1, 0) in sends(town)
    assert town.last(e.SendCancelled).reply == two
    assert town.statuses(three) == [S.QUEUED, S.FAILED]
    assert town.last(e.FactWorklisted).why == Reason.EXPIRED


def test_an_answer_called_back_ends_by_the_responders_outcome(town: Town) -> None:
    reply = town.reply(asked(town))
    town.later(hours=73)
    assert town.last(e.SendCancelled).reason is Reason.EXPIRED
    assert town.statuses(reply) == [S.QUEUED]
    town.outcome(e.ReplyCancelled, reply, 1, parts=1, not_begun=(0,), reason=Reason.EXPIRED)
    assert town.statuses(reply) == [S.QUEUED, S.FAILED]
