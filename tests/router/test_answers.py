"""Who may answer, who was first, in what order answers leave, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from schemas import events as e
from schemas.events import DeliveryStatus as S
from schemas.events import Reason, Refusal
from schemas.parts import Address, AddressKind, Template, text_of
from services.router.policy import Policy
from tests.router.town import ANNA, ANNA_MAIL, EMAIL, LAMP, WASTE, Town, author


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


# --- granted or refused --------------------------------------------------------------------------------------


def test_the_second_of_two_employees_is_refused_and_sees_the_first_answer(town: Town) -> None:
    conversation = asked(town)
    first = town.reply(conversation, "Morgen.", by=author("public-space", "jan"))
    town.reply(conversation, "Volgende week.", by=author("public-space", "piet"), name="second")
    refused = town.last(e.ReplyRefused)
    assert (refused.why, refused.command) == (Refusal.ANSWERED_ALREADY, "second")
    assert (text_of(refused.other), refused.other_number) == ("Morgen.", 2)
    assert refused.other_author == author("public-space", "jan")
    assert "collega" in refused.explanation
    assert refused.options
    assert [each.reply for each in town.all(e.SendRequested)] == [first]
    assert refused in town.queue("public-space")


@pytest.mark.parametrize(
    ("agent", "more"),
    [
        pytest.param("piet", {"forced": True}, id="a colleague who wants to, all the same"),
        pytest.param("piet", {"answers": 2}, id="a colleague who saw the first answer"),
        pytest.param("jan", {}, id="the same employee, who adds something"),
    ],
)
def test_a_second_answer_that_is_granted(town: Town, agent: str, more: dict[str, Any]) -> None:
    conversation = asked(town)
    town.reply(conversation)
    town.reply(conversation, by=author("public-space", agent), **more)
    assert not town.all(e.ReplyRefused)
    assert len(town.all(e.FactReplyAccepted)) == 2


def test_a_department_that_names_no_employees_may_have_two_who_answer(town: Town) -> None:
    conversation, nobody = asked(town), author("public-space").model_copy(update={"agent": None})
    town.reply(conversation, by=nobody)
    town.reply(conversation, by=nobody)
    assert town.last(e.ReplyRefused).why is Refusal.ANSWERED_ALREADY


def test_the_same_command_twice_is_one_answer(town: Town) -> None:
    conversation = asked(town)
    for _ in range(3):
        town.reply(conversation, name="same")
    assert len(town.all(e.SendRequested)) == 1
    assert not town.all(e.ReplyRefused)


@pytest.mark.parametrize(
    ("more", "why", "queue"),
    [
        pytest.param({"by": author("waste")}, Refusal.NOT_YOURS, "waste", id="another department's conversation"),
        pytest.param({"conversation": "nowhere"}, Refusal.UNKNOWN_CONVERSATION, "public-space", id="no conversation"),
        pytest.param(
            {"conversation": "nowhere", "by": author(None)}, Refusal.UNKNOWN_CONVERSATION, "triage", id="an operator's"
        ),
        pytest.param(
            {"not_after": "2026-11-24T08:00:00Z"}, Refusal.TOO_LATE, "public-space", id="not after a past time"
        ),
    ],
)
def test_an_answer_is_refused_on_the_authors_own_queue(
    town: Town, more: dict[str, Any], why: Refusal, queue: str
) -> None:
    asking = {"conversation": asked(town)} | more
    town.reply(**asking)
    refused = town.last(e.ReplyRefused)
    assert refused.why is why
    assert refused in town.queue(queue)
    assert not town.all(e.SendRequested)


def test_an_operator_may_answer_everywhere(town: Town) -> None:
    town.reply(asked(town), by=author(None))
    assert len(town.all(e.SendRequested)) == 1


def test_another_municipality_cannot_reach_a_conversation(town: Town) -> None:
    conversation = asked(town)
    town.reply(conversation, tenant="00000009876543210000")
    assert town.last(e.ReplyRefused).why is Refusal.UNKNOWN_CONVERSATION
    assert not town.all(e.SendRequested)


def test_after_the_channels_window_an_answer_is_refused_with_other_ways(town: Town) -> None:
    town.message(LAMP, ANNA, ANNA_MAIL, answerable_for=timedelta(hours=24))
    town.later(hours=25)
    town.reply(town.last(e.MessageRouted).conversation)
    refused = town.last(e.ReplyRefused)
    assert refused.why is Refusal.WINDOW_CLOSED
    assert {"Bel de burger.", "Stuur de burger een e-mail."} <= set(refused.options)


@pytest.mark.parametrize(
    "let",
    [
        pytest.param(lambda town: town.message("hallo?", answerable_for=timedelta(hours=24)), id="she wrote again"),
        pytest.param(lambda _town: None, id="it is a text that was approved before"),
    ],
)
def test_an_answer_after_the_window_of_the_first_message(town: Town, let: Callable[[Town], object]) -> None:
    town.message(LAMP, answerable_for=timedelta(hours=24))
    town.later(hours=25)
    again = let(town)
    parts: dict[str, Any] = {} if again else {"parts": [Template(name="still-working-on-it")]}
    town.reply(town.last(e.MessageRouted).conversation, **parts)
    assert len(town.all(e.SendRequested)) == 1


def test_a_sender_that_is_only_a_name_cannot_be_answered(town: Town) -> None:
    town.message(LAMP, Address(kind=AddressKind.SENDER_NAME, value="Waterschap"))
    town.reply(town.last(e.MessageRouted).conversation)
    assert town.last(e.ReplyRefused).why is Refusal.NO_ADDRESS


def test_an_answer_goes_to_the_message_that_its_author_saw(town: Town) -> None:
    first = town.message(WASTE, ANNA_MAIL, via=EMAIL, external_id="<first@x>")
    town.message("ik wacht nog", ANNA_MAIL, via=EMAIL, external_id="<second@x>", thread=("<first@x>",))
    town.reply(town.last(e.MessageRouted).conversation, by=author("waste"), answers=1)
    assert town.last(e.SendRequested).in_reply_to == first.external_id
    assert town.last(e.FactReplyAccepted).answered == 1


def test_an_answer_says_how_long_the_citizen_waited_and_what_it_answers(town: Town) -> None:
    conversation = asked(town)
    town.later(minutes=10)
    town.message("bij nummer 12")
    town.later(minutes=5)
    town.reply(conversation, answers=2)
    accepted = town.last(e.FactReplyAccepted)
    assert (accepted.answered, accepted.first, accepted.waited) == (2, True, 900.0)


@pytest.mark.parametrize(
    ("answers", "closed"),
    [
        pytest.param(2, True, id="when all was seen"),
        pytest.param(1, False, id="not when a message came that its author had not seen"),
    ],
)
def test_an_answer_may_close_the_conversation(town: Town, answers: int, *, closed: bool) -> None:
    conversation = asked(town)
    town.message("bij nummer 12")
    town.reply(conversation, answers=answers, closes=True)
    assert bool(town.all(e.FactConversationClosed)) is closed
    assert len(town.all(e.SendRequested)) == 1


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
