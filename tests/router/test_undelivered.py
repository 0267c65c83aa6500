"""Nothing stays without a final status for longer than its policy: then it is people's; and the oldest is shown."""

from __future__ import annotations

import pytest

from schemas import events as e
from schemas.events import DeliveryStatus as S
from schemas.parts import Address
from services.router.handler import Router
from services.router.replies import DOUBT
from services.router.tables import UNDELIVERED
from services.router.undelivered import OldestUndelivered
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics
from tests.router.town import ANNA, BERT, LAMP, START, Town


class Watched(Town):
    """A town whose oldest undelivered reply is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.metrics = ManualClock(START), Metrics()
        served = self.router._served.values()
        self.router = Router(served, None, self.metrics, OldestUndelivered(self.clock, self.metrics))

    def passes(self, seconds: float) -> float | None:
        """Let time pass, and return the oldest that is shown then."""
        self.clock.advance(seconds)
        self.later(seconds=seconds)
        return self.shown()

    def shown(self) -> float | None:
        return self.metrics.registry.get_sample_value("hub_oldest_undelivered_seconds", {"channel": "whatsapp"})


@pytest.fixture
def town() -> Watched:
    return Watched()


def asked(town: Town, sender: Address = ANNA) -> str:
    town.message(LAMP, sender)
    return town.last(e.MessageRouted).conversation


# --- what is shown -------------------------------------------------------------------------------------------


def test_the_oldest_is_shown_from_its_grant_until_the_provider_took_it(town: Watched) -> None:
    assert town.passes(10) is None
    reply = town.reply(asked(town))
    assert town.passes(10) == 10
    assert town.passes(60) == 70
    town.sent(reply, "w0")
    assert town.passes(10) == 0


def test_between_two_looks_it_grows_all_the_same(town: Watched) -> None:
    town.reply(asked(town))
    town.passes(10)
    town.clock.advance(3)
    assert town.shown() == 13


def test_the_oldest_of_two_is_shown_and_then_the_other(town: Watched) -> None:
    first = town.reply(asked(town))
    town.passes(30)
    second = town.reply(asked(town, BERT))
    assert town.passes(10) == 40
    town.sent(first, "w0")
    assert town.passes(10) == 20
    town.failed(second)
    assert town.passes(10) == 0


def test_one_that_waits_for_the_answer_before_it_counts_and_so_does_one_in_doubt(town: Watched) -> None:
    conversation = asked(town)
    first, second = town.reply(conversation), town.reply(conversation)
    town.passes(30)
    town.sent(first, "w0")
    assert town.passes(10) == 40
    town.unknown(second)
    assert town.passes(60) == 100


def test_it_is_known_to_whoever_takes_over(town: Watched) -> None:
    town.reply(asked(town))
    town.taken_over()
    assert town.passes(10) == 10


def test_a_number_that_is_another_replicas_now_is_not_shown(town: Watched) -> None:
    town.reply(asked(town))
    town.passes(10)
    town.clock.advance(61)
    assert town.shown() == 0


def test_nothing_is_kept_of_what_ended(town: Watched) -> None:
    reply = town.reply(asked(town))
    assert [name for name, _row in town.state.rows(UNDELIVERED)] == [reply]
    town.sent(reply, "w0")
    assert not list(town.state.rows(UNDELIVERED))


# --- what nobody hears of ------------------------------------------------------------------------------------


def called_back(town: Town) -> str:
    """A reply whose time is over, and which the responder was told not to send."""
    reply = town.reply(asked(town))
    town.later(hours=73)
    assert town.last(e.SendCancelled).reply == reply
    return reply


def test_an_answer_whose_outcome_is_never_told_is_peoples_and_in_doubt(town: Watched) -> None:
    reply = called_back(town)
    town.later(minutes=3)
    assert town.statuses(reply) == [S.QUEUED, S.UNKNOWN]
    assert town.last(e.FactWorklisted).why == "no-outcome"
    assert len(town.all(e.SendRequested)) == 1, "it is not sent again"
    assert town.passes(10) == 0


def test_it_does_not_keep_the_next_answer_from_leaving(town: Watched) -> None:
    reply = called_back(town)
    town.message()
    after = town.reply(town.last(e.MessageRouted).conversation)
    assert [each.reply for each in town.all(e.SendRequested)] == [reply]
    town.later(minutes=3)
    assert [each.reply for each in town.all(e.SendRequested)] == [reply, after]


@pytest.mark.parametrize("late", [S.ACCEPTED, S.FAILED])
def test_an_outcome_that_is_told_after_all_is_believed(town: Watched, late: S) -> None:
    reply = called_back(town)
    town.later(minutes=3)
    if late is S.ACCEPTED:
        town.sent(reply, "w0")
    else:
        town.outcome(e.ReplyFailed, reply, 1, parts=1, not_begun=(0,), reason=e.Reason.EXPIRED)
    assert town.statuses(reply) == [S.QUEUED, S.UNKNOWN, late]
    assert len(town.all(e.FactWorklisted)) == 1, "people have it already"


def test_an_outcome_in_time_leaves_nothing_to_wait_for(town: Watched) -> None:
    reply = called_back(town)
    town.outcome(e.ReplyCancelled, reply, 1, parts=1, not_begun=(0,), reason=e.Reason.EXPIRED)
    town.later(minutes=3)
    assert town.statuses(reply) == [S.QUEUED, S.FAILED]
    assert town.last(e.FactWorklisted).why == e.Reason.EXPIRED


def test_a_doubt_that_was_settled_does_not_end_the_attempt_that_followed(town: Watched) -> None:
    """The doubt's time comes while the rest of the reply is on its way."""
    reply = town.reply(asked(town))
    town.unknown(reply, 1, 3, 1, "w0")
    town.receipt("w1", S.DELIVERED, ours=(reply, 1, 1))
    assert [each.attempt for each in town.all(e.SendRequested)] == [1, 2]
    assert town.state._rows["timers"].get(DOUBT + reply) is not None
    town.later(minutes=3)
    assert not town.all(e.FactWorklisted)
    town.sent(reply, "w2", attempt=2, first=2)
    assert town.statuses(reply)[-1] is S.ACCEPTED
