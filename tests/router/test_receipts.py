"""What providers report of answers, and answers that were given outside the hub."""

from __future__ import annotations

import pytest

from schemas import events as e
from schemas.events import DeliveryStatus as S
from schemas.events import Refusal
from tests.router.town import EMAIL, LAMP, Town


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


# --- receipts ------------------------------------------------------------------------------------------------


def test_an_answer_of_two_parts_is_read_when_both_are(town: Town) -> None:
    reply = town.reply(asked(town))
    town.sent(reply, "w0", "w1")
    town.receipt("w0", S.READ)
    assert town.statuses(reply)[-1] is S.ACCEPTED
    town.receipt("w1", S.DELIVERED)
    assert town.statuses(reply)[-1] is S.DELIVERED
    town.receipt("w1", S.READ)
    assert town.statuses(reply)[-1] is S.READ


def test_a_failure_after_it_was_taken_is_told_and_makes_it_peoples(town: Town) -> None:
    reply = town.reply(asked(town))
    town.sent(reply, "w0")
    town.receipt("w0", S.FAILED)
    assert town.statuses(reply)[-1] is S.FAILED
    assert len(town.all(e.FactWorklisted)) == 1
    town.receipt("w0", S.FAILED)
    assert len(town.all(e.FactWorklisted)) == 1


def test_the_price_is_told_whatever_the_order_of_receipts(town: Town) -> None:
    reply = town.reply(asked(town))
    town.sent(reply, "w0")
    town.receipt("w0", S.READ)
    town.receipt("w0", S.SENT, cost="service")
    assert town.last(e.FactDeliveryChanged).cost == "service"
    assert town.last(e.FactDeliveryChanged).status is S.READ
    before = len(town.out)
    town.receipt("w0", S.SENT, cost="service")
    assert len(town.out) == before


def test_a_receipt_of_nobodys_message_waits_a_month_and_is_forgotten(town: Town) -> None:
    town.receipt("elsewhere", S.READ)
    town.later(days=31)
    reply = town.reply(asked(town))
    town.sent(reply, "elsewhere")
    assert town.statuses(reply) == [S.QUEUED, S.ACCEPTED]


def test_a_receipt_of_another_inbox_with_the_same_id_is_not_ours(town: Town) -> None:
    reply = town.reply(asked(town))
    town.sent(reply, "w0")
    town.receipt("w0", S.READ, via=EMAIL)
    assert town.statuses(reply)[-1] is S.ACCEPTED


# --- answers given outside the hub ---------------------------------------------------------------------------


def test_our_own_answer_that_comes_back_is_ours(town: Town) -> None:
    reply = town.reply(asked(town))
    town.echo("w0", our=f"{reply}.1.0")
    town.sent(reply, "w0")
    town.echo("w0")
    assert len(town.all(e.FactReplyAccepted)) == 1


@pytest.mark.parametrize(
    ("outcome_id", "given_outside"),
    [
        pytest.param("w0", False, id="it proves to be the one in flight"),
        pytest.param("w1", True, id="the one in flight was another"),
    ],
)
def test_an_unknown_answer_waits_for_the_one_in_flight(town: Town, outcome_id: str, *, given_outside: bool) -> None:
    reply = town.reply(asked(town))
    town.echo("w0")
    assert len(town.all(e.FactReplyAccepted)) == 1
    town.sent(reply, outcome_id)
    assert (len(town.all(e.FactReplyAccepted)) == 2) is given_outside


def test_an_answer_given_outside_counts_and_a_colleague_is_warned(town: Town) -> None:
    conversation = asked(town)
    town.echo("laptop-1")
    town.echo("laptop-1")
    assert town.history(conversation)[2].kind is e.EntryKind.ECHO
    accepted = town.last(e.FactReplyAccepted)
    assert (accepted.answered, accepted.number) == (1, 2)
    assert town.queue("public-space")[-1] == town.last(e.DeliveryChanged)
    town.reply(conversation)
    assert town.last(e.ReplyRefused).why is Refusal.ANSWERED_ALREADY
    assert town.last(e.ReplyRefused).other_number == 2


def test_a_citizen_we_wrote_to_first_answers_in_that_conversation(town: Town) -> None:
    town.echo("laptop-1")
    town.message("welke afspraak bedoelt u")
    assert town.last(e.MessageRouted).number > 1
    assert town.last(e.FactConversationOpened).reopened
    assert town.history(town.last(e.MessageRouted).conversation)[1].kind is e.EntryKind.ECHO
