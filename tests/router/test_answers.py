"""Who may answer, and who was first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from schemas import events as e
from schemas.events import Refusal
from schemas.parts import Address, AddressKind, Template, text_of
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


def test_who_claims_to_have_seen_an_entry_that_is_not_there_has_not_seen_a_colleagues_answer(town: Town) -> None:
    conversation = asked(town)
    town.reply(conversation, "Morgen.", by=author("public-space", "jan"))
    town.reply(conversation, "Volgende week.", by=author("public-space", "piet"), answers=1_000_000)
    assert town.last(e.ReplyRefused).why is Refusal.ANSWERED_ALREADY
    assert len(sends(town)) == 1


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


def test_a_message_that_comes_late_does_not_close_the_window_that_a_newer_one_opened(town: Town) -> None:
    town.message(LAMP, answerable_for=timedelta(hours=24))
    town.message("hallo?", answerable_for=timedelta(hours=2))
    town.later(hours=3)
    town.reply(town.last(e.MessageRouted).conversation)
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
