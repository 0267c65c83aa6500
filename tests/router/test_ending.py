"""When a conversation ends, begins again, and is forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas import events as e
from schemas.events import Closing, DeliveryStatus
from schemas.parts import Location, Reaction
from services.router.tables import COUNTERS, TABLES
from tests.router.town import (
    ANNA_BSUID,
    BERT,
    LAMP,
    OIN,
    WASTE,
    Town,
    author,
)

Deed = Callable[[Town], object]


@pytest.fixture
def town() -> Town:
    return Town()


def routed(town: Town) -> e.MessageRouted:
    return town.last(e.MessageRouted)


def answered(town: Town, text: str = "Wij maken het morgen.") -> str:
    town.message(LAMP)
    conversation = routed(town).conversation
    town.sent(town.reply(conversation, text))
    return conversation


def test_thanks_after_an_answer_closes_and_still_reaches_the_department(town: Town) -> None:
    conversation = answered(town)
    town.message("Bedankt!")
    assert routed(town).conversation == conversation
    assert routed(town).department == "public-space"
    closed = town.last(e.FactConversationClosed)
    assert (closed.reason, closed.unanswered) == (Closing.THANKED, 0)
    assert town.last(e.FactMessageReceived).needs_answer is False
    assert town.history(conversation)[4].kind is e.EntryKind.CLOSE


@pytest.mark.parametrize(
    ("before", "why"),
    [
        pytest.param(lambda town: town.message(LAMP), "nobody answered yet", id="before any answer"),
        pytest.param(lambda town: answered(town, "Is het lamp 12?"), "it answers", id="as an answer to our question"),
        pytest.param(
            lambda town: (answered(town), town.message("en wanneer dan")), "a question is open", id="with one open"
        ),
    ],
)
def test_thanks_that_ends_nothing(town: Town, before: Deed, why: str) -> None:
    before(town)
    town.message("Bedankt!")
    assert not town.all(e.FactConversationClosed), why


@pytest.mark.parametrize(
    ("days", "same"),
    [
        pytest.param(13.9, True, id="within two weeks it opens again"),
        pytest.param(14.1, False, id="after two weeks it is a new one"),
    ],
)
def test_a_closed_conversation_opens_again_for_two_weeks(town: Town, days: float, *, same: bool) -> None:
    conversation = answered(town)
    town.message("Bedankt!")
    town.later(days=days)
    town.message("de lantaarnpaal is weer kapot")
    assert (routed(town).conversation == conversation) is same
    assert town.last(e.FactConversationOpened).reopened is same


def test_thanks_to_a_closed_conversation_leaves_it_closed(town: Town) -> None:
    conversation = answered(town)
    town.message("Bedankt!")
    town.message("Bedankt!")
    assert routed(town).conversation == conversation
    assert len(town.all(e.FactConversationClosed)) == 1
    assert not [each for each in town.all(e.FactConversationOpened) if each.reopened]


def test_another_matter_after_closing_is_a_new_conversation(town: Town) -> None:
    conversation = answered(town)
    town.message("Bedankt!")
    town.message(WASTE)
    assert routed(town).conversation != conversation
    assert routed(town).linked == conversation


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda t: t.message("Ik ben er niet", automatic=True), id="a machine's reply to ours"),
        pytest.param(
            lambda t: t.message("", parts=(Reaction(emoji="👍", to_external_id="out"),)), id="an emoji under our answer"
        ),
    ],
)
def test_what_waits_for_no_answer(town: Town, send: Deed) -> None:
    conversation = answered(town)
    send(town)
    assert routed(town).conversation == conversation
    assert town.last(e.FactMessageReceived).needs_answer is False


def test_a_machine_that_writes_first_is_read_by_people(town: Town) -> None:
    town.message(LAMP, automatic=True)
    assert town.last(e.FactMessageReceived).needs_answer is True


def test_a_place_alone_goes_to_the_conversation(town: Town) -> None:
    town.message(LAMP)
    town.message("", parts=(Location(latitude=52.1, longitude=5.1),))
    assert (routed(town).department, routed(town).number) == ("public-space", 2)


def test_nothing_is_remembered_of_what_is_over(town: Town) -> None:
    """The memory follows what is open: two weeks after the last was closed it is empty."""
    reply = town.reply(answered(town), answers=2)
    town.unknown(reply)
    town.receipt("w1", DeliveryStatus.READ, ours=(reply, 1, 0))
    town.receipt("nobody's", DeliveryStatus.READ)
    town.message("Bedankt!")
    town.message(WASTE, BERT, ANNA_BSUID)
    town.give(e.ConversationClosed(tenant=OIN, author=author("waste"), conversation=routed(town).conversation))
    town.later(days=14.1)
    town.later(days=20)
    left = {table.name: list(town.state.rows(table)) for table in TABLES.tables if table is not COUNTERS}
    assert {name: rows for name, rows in left.items() if rows} == {}
    assert town.state.due(town.now.replace(year=2099)) == []


def test_a_conversation_in_which_all_is_said_closes_by_itself(town: Town) -> None:
    answered(town)
    town.later(days=29)
    assert not town.all(e.FactConversationClosed)
    town.later(days=2)
    assert town.last(e.FactConversationClosed).reason is Closing.ANSWERED


def test_a_question_never_closes_by_itself(town: Town) -> None:
    town.message(LAMP)
    town.later(days=400)
    assert not town.all(e.FactConversationClosed)
