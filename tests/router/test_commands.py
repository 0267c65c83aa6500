"""What departments and operators ask besides an answer: corrections, hand-overs, claims, notes, closing, linking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas import events as e
from schemas.events import Closing, EntryKind, Move, Refusal
from schemas.parts import Text, text_of
from tests.router.town import ANNA, BERT, LAMP, OIN, UNCLEAR, WASTE, WHATSAPP, Town, author


@pytest.fixture
def town() -> Town:
    return Town()


def command(town: Town, kind: type[e.Command], conversation: str, by: str | None = "triage", **more: Any) -> None:  # noqa: ANN401
    """Have somebody of a department ask something."""
    town.give(kind.model_validate({"tenant": OIN, "author": author(by), "conversation": conversation} | more))


def asked(town: Town, text: str = UNCLEAR) -> str:
    town.message(text)
    return town.last(e.MessageRouted).conversation


# --- moving --------------------------------------------------------------------------------------------------


def test_a_correction_brings_all_that_is_unanswered_to_the_right_department_and_tells_triage(town: Town) -> None:
    conversation = asked(town)
    town.message("kunt u helpen")
    command(town, e.RoutingCorrected, conversation, department="waste")
    told = town.queue("triage")[-1]
    assert isinstance(told, e.MessageReassigned)
    assert (told.department, told.numbers, told.routing, told.move) == ("waste", (1, 2), 2, Move.CORRECTION)
    moved = town.queue("waste")
    assert all(isinstance(each, e.MessageRouted) for each in moved)
    assert [(each.number, each.routing) for each in town.all(e.MessageRouted)[-2:]] == [(1, 2), (2, 2)]
    assert [text_of(each.message.parts) for each in town.all(e.MessageRouted)[-2:] if each.message] == [
        UNCLEAR,
        "kunt u helpen",
    ]
    assert town.history(conversation)[3].kind is EntryKind.CORRECTION
    fact = town.last(e.FactMessageMoved)
    assert (fact.from_department, fact.department, fact.messages) == ("triage", "waste", 2)


def test_the_citizens_next_message_goes_to_the_corrected_department_at_once(town: Town) -> None:
    conversation = asked(town)
    command(town, e.RoutingCorrected, conversation, department="waste")
    town.message("bij nummer 12")
    assert (town.last(e.MessageRouted).conversation, town.last(e.MessageRouted).department) == (conversation, "waste")


def test_a_hand_over_comes_with_its_note_before_the_messages(town: Town) -> None:
    conversation = asked(town, "mijn paspoort is kwijt")
    assert town.last(e.MessageRouted).first_line
    command(town, e.ConversationHandedOver, conversation, "kcc", department="waste", note="Zij belde ook al.")
    handed, message = town.queue("waste")
    assert isinstance(handed, e.ConversationHandedOver)
    assert (handed.note, handed.from_department, handed.routing, handed.number) == ("Zij belde ook al.", "kcc", 2, 2)
    assert isinstance(message, e.MessageRouted)
    assert message.number == 1
    assert town.history(conversation)[2].text == "Zij belde ook al."
    assert town.last(e.FactMessageMoved).move is Move.HAND_OVER


def test_a_correction_may_carry_a_note(town: Town) -> None:
    command(town, e.RoutingCorrected, asked(town), department="waste", note="Gaat over de kliko.")
    noted = town.queue("waste")[0]
    assert isinstance(noted, e.ConversationNoted)
    assert noted.text == "Gaat over de kliko."


@pytest.mark.parametrize(
    ("from_number", "numbers"),
    [
        pytest.param(None, (3,), id="what is answered stays behind"),
        pytest.param(1, (1, 3), id="unless the author names an earlier entry"),
    ],
)
def test_which_messages_go_along(town: Town, from_number: int | None, numbers: tuple[int, ...]) -> None:
    conversation = asked(town)
    town.sent(town.reply(conversation, by=author("triage")))
    town.message("kunt u helpen")
    command(town, e.RoutingCorrected, conversation, department="waste", from_number=from_number)
    assert town.last(e.MessageReassigned).numbers == numbers


def test_nothing_unanswered_stays_behind_whatever_entry_the_author_names(town: Town) -> None:
    conversation = asked(town)
    town.message("kunt u helpen")
    command(town, e.RoutingCorrected, conversation, department="waste", from_number=2)
    assert town.last(e.MessageReassigned).numbers == (1, 2)
    assert [each.number for each in town.queue("waste") if isinstance(each, e.MessageRouted)] == [1, 2]


def test_a_conversation_that_is_answered_goes_with_its_last_message(town: Town) -> None:
    conversation = asked(town)
    town.sent(town.reply(conversation, by=author("triage")))
    command(town, e.ConversationHandedOver, conversation, department="waste")
    assert town.last(e.MessageReassigned).numbers == (1,)
    assert town.last(e.FactMessageMoved).messages == 0


def test_after_a_move_the_old_department_may_not_answer_and_the_new_one_may(town: Town) -> None:
    conversation = asked(town)
    command(town, e.RoutingCorrected, conversation, department="waste")
    town.reply(conversation, by=author("triage"))
    assert town.last(e.ReplyRefused).why is Refusal.NOT_YOURS
    assert town.last(e.ReplyRefused).explanation == "Dit gesprek is nu van Afval."
    town.reply(conversation, by=author("waste"))
    assert len(town.all(e.SendRequested)) == 1


# --- claim, release, note, close -----------------------------------------------------------------------------


def test_a_claim_is_seen_by_colleagues_and_may_be_laid_down(town: Town) -> None:
    conversation = asked(town)
    command(town, e.ConversationClaimed, conversation)
    command(town, e.ConversationReleased, conversation)
    assert [type(each) for each in town.queue("triage")[1:]] == [e.ConversationClaimed, e.ConversationReleased]
    assert [town.history(conversation)[n].kind for n in (2, 3)] == [EntryKind.CLAIM, EntryKind.RELEASE]
    assert [each.released for each in town.all(e.FactConversationClaimed)] == [False, True]


def test_a_note_stays_inside(town: Town) -> None:
    conversation = asked(town)
    command(town, e.ConversationNoted, conversation, text="Let op: hoog water.")
    assert town.history(conversation)[2].text == "Let op: hoog water."
    assert not town.all(e.SendRequested)
    assert not [fact for fact in town.all(e.Fact) if "hoog water" in fact.model_dump_json()]


def test_closing_tells_how_many_messages_nobody_answered(town: Town) -> None:
    conversation = asked(town)
    town.message("kunt u helpen")
    command(town, e.ConversationClosed, conversation)
    fact = town.last(e.FactConversationClosed)
    assert (fact.reason, fact.unanswered) == (Closing.NO_ANSWER_NEEDED, 2)
    assert isinstance(town.queue("triage")[-1], e.ConversationClosed)


# --- refused -------------------------------------------------------------------------------------------------


def claimed_by_another(town: Town, conversation: str) -> None:
    other = {"author": author("triage", "piet"), "tenant": OIN, "conversation": conversation}
    town.give(e.ConversationClaimed.model_validate(other))


def closed(town: Town, conversation: str) -> None:
    command(town, e.ConversationClosed, conversation)


@pytest.mark.parametrize(
    ("before", "kind", "more", "why"),
    [
        pytest.param(None, e.RoutingCorrected, {"department": "gone"}, Refusal.UNKNOWN_DEPARTMENT, id="no department"),
        pytest.param(None, e.RoutingCorrected, {"department": "triage"}, Refusal.ALREADY_THERE, id="is there already"),
        pytest.param(None, e.ConversationReleased, {}, Refusal.ALREADY_THERE, id="to lay down what nobody took up"),
        pytest.param(None, e.ConversationNoted, {"text": "x", "by": "waste"}, Refusal.NOT_YOURS, id="another's"),
        pytest.param(claimed_by_another, e.ConversationClaimed, {}, Refusal.CLAIMED, id="a colleague works on it"),
        pytest.param(closed, e.ConversationClosed, {}, Refusal.CLOSED, id="closed already"),
        pytest.param(closed, e.ConversationClaimed, {}, Refusal.CLOSED, id="to take up what is closed"),
        pytest.param(closed, e.RoutingCorrected, {"department": "waste"}, Refusal.CLOSED, id="to move what is closed"),
        pytest.param(None, e.ConversationLinked, {"other": "x"}, Refusal.UNKNOWN_CONVERSATION, id="link to nothing"),
        pytest.param(None, e.ConversationUnlinked, {"other": "x"}, Refusal.UNKNOWN_CONVERSATION, id="no such link"),
        pytest.param(
            None, e.ChannelWithdrawn, {"on": "2027-01-01T00:00:00Z"}, Refusal.NOT_SUPPORTED, id="withdraw: not yet"
        ),
        pytest.param(
            None, e.DeadLetterReplayed, {"origin": {"topic": "x"}}, Refusal.NOT_SUPPORTED, id="replay: not yet"
        ),
    ],
)
def test_a_command_that_is_refused_says_why_and_what_can_be_done(
    town: Town,
    before: Callable[[Town, str], None] | None,
    kind: type[e.Command],
    more: dict[str, Any],
    why: Refusal,
) -> None:
    conversation = asked(town)
    if before:
        before(town, conversation)
    by = more.get("by", "triage")
    command(town, kind, conversation, **{"by": by} | more)
    refused = town.last(e.CommandRefused)
    assert (refused.why, refused.command_type) == (why, kind.TYPE)
    assert refused.explanation.endswith(".")
    assert "{" not in refused.explanation + "".join(refused.options)
    assert refused in town.queue(by)


def test_a_colleague_may_take_over_by_insisting(town: Town) -> None:
    conversation = asked(town)
    claimed_by_another(town, conversation)
    command(town, e.ConversationClaimed, conversation, forced=True)
    assert not town.all(e.CommandRefused)


def test_what_was_taken_up_is_free_again_where_it_is_handed_over(town: Town) -> None:
    conversation = asked(town)
    command(town, e.ConversationClaimed, conversation)
    command(town, e.ConversationHandedOver, conversation, department="waste")
    command(town, e.ConversationClaimed, conversation, "waste")
    assert not town.all(e.CommandRefused)


def test_an_operator_reads_a_refusal_where_the_conversation_is(town: Town) -> None:
    command(town, e.RoutingCorrected, asked(town, WASTE), None, department="waste")
    assert town.last(e.CommandRefused) in town.queue("waste")


def test_the_refusal_of_a_department_that_does_not_exist_names_those_that_do(town: Town) -> None:
    command(town, e.RoutingCorrected, asked(town), department="gone")
    assert town.last(e.CommandRefused).options == (
        "Kies een van deze afdelingen: Openbare ruimte, Afval, Klantcontactcentrum, Verdeeltafel.",
    )


# --- linking -------------------------------------------------------------------------------------------------


def two(town: Town) -> tuple[str, str]:
    """Two conversations of two citizens, both with waste."""
    town.message(WASTE, ANNA)
    older = town.last(e.MessageRouted).conversation
    town.later(minutes=1)
    town.message(WASTE, BERT)
    return older, town.last(e.MessageRouted).conversation


def test_linked_conversations_stay_two_and_can_be_unlinked(town: Town) -> None:
    older, younger = two(town)
    command(town, e.ConversationLinked, older, "waste", other=younger)
    assert town.history(older)[2].kind is town.history(younger)[2].kind is EntryKind.LINK
    command(town, e.ConversationUnlinked, younger, "waste", other=older)
    assert "niet meer" in (town.history(older)[3].text or "")
    assert not town.all(e.CommandRefused)


@pytest.mark.parametrize("asked_on", ["older", "younger"])
def test_merged_the_younger_goes_on_in_the_older_and_its_replies_still_go_out(town: Town, asked_on: str) -> None:
    older, younger = two(town)
    first, second = town.reply(younger, "1", by=author("waste")), town.reply(younger, "2", by=author("waste"))
    town.message("en de buren ook niet", BERT)
    pair = (older, younger) if asked_on == "older" else (younger, older)
    command(town, e.ConversationLinked, pair[0], "waste", other=pair[1], merge=True)
    town.sent(first, "w1")
    assert [each.reply for each in town.all(e.SendRequested)] == [first, second]
    moved = town.last(e.MessageRouted)
    assert (moved.conversation, moved.message and text_of(moved.message.parts)) == (older, "en de buren ook niet")
    assert town.last(e.FactConversationClosed).reason is Closing.MERGED
    assert (town.last(e.FactMessageMoved).from_conversation, town.last(e.FactMessageMoved).messages) == (younger, 1)
    town.message("nog steeds niet", BERT)
    assert town.last(e.MessageRouted).conversation == older
    town.reply(older, by=author("waste"), answers=town.last(e.MessageRouted).number)
    assert town.last(e.SendRequested).address == BERT


def test_a_merge_needs_both_conversations(town: Town) -> None:
    town.message(WASTE, ANNA)
    waste = town.last(e.MessageRouted).conversation
    town.message(LAMP, BERT)
    lamp = town.last(e.MessageRouted).conversation
    command(town, e.ConversationLinked, waste, "waste", other=lamp, merge=True)
    assert town.last(e.CommandRefused).why is Refusal.NOT_YOURS


# --- words that change ---------------------------------------------------------------------------------------


def reworded(town: Town, kind: type[e.Event], message: e.MessageReceived, **more: Any) -> None:  # noqa: ANN401
    times = e.Times(happened=town.now, received=town.now)
    base = {"tenant": OIN, "message": message.message, "via": WHATSAPP, "external_id": message.external_id}
    town.give(kind.model_validate(base | {"times": times} | more))


def test_a_changed_message_reaches_whoever_has_it_now_and_the_history(town: Town) -> None:
    message = town.message(UNCLEAR)
    conversation = town.last(e.MessageRouted).conversation
    command(town, e.RoutingCorrected, conversation, department="waste")
    reworded(town, e.MessageEdited, message, parts=[Text(text="de kliko")])
    edited = town.queue("waste")[-1]
    assert isinstance(edited, e.MessageEdited)
    assert (edited.conversation, edited.number) == (conversation, 1)
    assert text_of(town.history(conversation)[1].parts) == "de kliko"
    assert town.history(conversation)[1].sender == message.sender


def test_a_message_that_was_taken_back_is_taken_back_everywhere_and_not_sent_along_later(town: Town) -> None:
    message = town.message(UNCLEAR)
    conversation = town.last(e.MessageRouted).conversation
    reworded(town, e.MessageRevoked, message)
    assert isinstance(town.queue("triage")[-1], e.MessageRevoked)
    assert town.history(conversation)[1].parts == ()
    command(town, e.RoutingCorrected, conversation, department="waste")
    assert town.last(e.MessageRouted).message is None


def test_a_message_that_was_taken_back_is_taken_back_from_every_department_that_had_it(town: Town) -> None:
    message = town.message(UNCLEAR)
    command(town, e.RoutingCorrected, town.last(e.MessageRouted).conversation, department="waste")
    reworded(town, e.MessageRevoked, message)
    assert [isinstance(town.queue(each)[-1], e.MessageRevoked) for each in ("triage", "waste")] == [True, True]


def test_a_message_that_was_taken_back_after_a_merge_is_not_sent_along_later_either(town: Town) -> None:
    older, younger = two(town)
    message = town.message("en de buren ook niet", BERT)
    command(town, e.ConversationLinked, older, "waste", other=younger, merge=True)
    copy = town.last(e.MessageRouted).number
    reworded(town, e.MessageRevoked, message)
    told = town.all(e.MessageRevoked)
    assert [(each.conversation, each.number) for each in told] == [(younger, 2), (older, copy)]
    command(town, e.ConversationHandedOver, older, "waste", department="public-space")
    again = [each for each in town.queue("public-space") if isinstance(each, e.MessageRouted)]
    assert [each.message for each in again if each.number == copy] == [None]


def test_a_change_of_an_unknown_message_is_set_aside(town: Town) -> None:
    message = town.message()
    reworded(town, e.MessageEdited, message.model_copy(update={"external_id": "other"}), parts=[Text(text="geheim")])
    assert town.poison == ["a change of a message that is not known, or not any more"]


# --- what nobody may say -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", [Closing.ERASED, Closing.MERGED])
def test_a_reason_for_closing_that_only_the_hub_can_give_is_refused(town: Town, reason: Closing) -> None:
    conversation = asked(town)
    command(town, e.ConversationClosed, conversation, reason=reason)
    assert town.last(e.CommandRefused).why is Refusal.NOT_SUPPORTED
    town.reply(conversation, by=author("triage"))
    assert len(town.all(e.SendRequested)) == 1


def test_what_an_author_takes_for_a_conversation_becomes_no_key(town: Town) -> None:
    command(town, e.ConversationNoted, "anna@example.org", text="niet hier")
    town.reply("anna@example.org")
    assert [each.why for each in town.all(e.CommandRefused)] == [Refusal.UNKNOWN_CONVERSATION]
    assert len(town.all(e.ReplyRefused)) == 1
    assert not [each for each in town.out if "anna" in each.key + each.home]
