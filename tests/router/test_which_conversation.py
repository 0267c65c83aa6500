"""Which conversation a citizen's message belongs to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas import events as e
from schemas.parts import Address
from services.router.references import written_in
from tests.router.town import (
    ANNA,
    ANNA_BSUID,
    ANNA_MAIL,
    BERT,
    BERT_MAIL,
    EMAIL,
    LAMP,
    OIN,
    UNCLEAR,
    WASTE,
    WHATSAPP,
    Town,
    author,
)

Deed = Callable[[Town], object]


@pytest.fixture
def town() -> Town:
    return Town()


def routed(town: Town) -> e.MessageRouted:
    return town.last(e.MessageRouted)


@pytest.mark.parametrize(
    ("text", "days", "same", "department"),
    [
        pytest.param("hoe staat het ermee", 0.1, True, "public-space", id="a question after it stays with it"),
        pytest.param("bij nummer 12", 0.1, True, "public-space", id="what says nothing by itself stays"),
        pytest.param("ook de straatlamp ernaast", 0.1, True, "public-space", id="more of the same stays"),
        pytest.param("de kliko is niet geleegd", 0.1, False, "waste", id="surely another matter is a new one"),
        pytest.param("hoe staat het ermee", 10, True, "public-space", id="an open one is not forgotten after a week"),
        pytest.param("de kliko is niet geleegd", 10, False, "waste", id="another matter after a week is a new one"),
        pytest.param("ik ruik een gaslucht", 0.1, False, "triage", id="an emergency goes to people, wherever it was"),
    ],
)
def test_the_next_message_of_the_same_citizen(
    town: Town, text: str, days: float, *, same: bool, department: str
) -> None:
    town.message(LAMP)
    first = routed(town)
    town.later(days=days)
    town.message(text)
    assert (routed(town).conversation == first.conversation) is same
    assert routed(town).department == department
    assert routed(town).linked == (None if same else first.conversation)


def test_two_matters_at_once_each_keep_their_own_messages(town: Town) -> None:
    town.message(LAMP)
    lamp = routed(town).conversation
    town.message(WASTE)
    waste = routed(town).conversation
    town.message("de lantaarnpaal is nog steeds kapot")
    assert routed(town).conversation == lamp
    town.message("de kliko is nog niet geleegd")
    assert routed(town).conversation == waste
    assert len(town.all(e.FactConversationOpened)) == 2


def test_what_was_unclear_comes_along_when_the_citizen_says_what_it_is_about(town: Town) -> None:
    town.message(UNCLEAR)
    first = routed(town)
    assert first.department == "triage"
    town.message(WASTE)
    assert [type(each) for each in town.queue("triage")] == [e.MessageRouted, e.MessageReassigned]
    moved, again, new = town.queue("waste")
    assert isinstance(moved, e.ConversationHandedOver)
    assert isinstance(again, e.MessageRouted)
    assert isinstance(new, e.MessageRouted)
    assert (again.number, again.message) == (first.number, first.message)
    assert (again.routing, new.routing) == (2, 2)
    assert new.conversation == first.conversation


@pytest.mark.parametrize(
    ("sender", "same"),
    [
        pytest.param((ANNA_BSUID, ANNA), True, id="her business id and her number"),
        pytest.param((ANNA_BSUID,), True, id="only the business id, after both were seen together"),
        pytest.param((BERT,), False, id="somebody else"),
    ],
)
def test_a_citizen_is_known_by_every_address_a_provider_gave(
    town: Town, sender: tuple[Address, ...], *, same: bool
) -> None:
    town.message(LAMP, ANNA, ANNA_BSUID)
    first = routed(town).conversation
    town.message("bij nummer 12", *sender)
    assert (routed(town).conversation == first) is same


def test_a_number_that_appears_later_joins_what_was_known_by_the_business_id(town: Town) -> None:
    town.message(LAMP, ANNA_BSUID)
    first = routed(town).conversation
    town.message("bij nummer 12", ANNA, ANNA_BSUID)
    assert routed(town).conversation == first
    town.message("ben je daar nog", ANNA)
    assert routed(town).conversation == first


def test_two_contacts_that_prove_one_citizen_become_one(town: Town) -> None:
    town.message(LAMP, ANNA)
    town.message(WASTE, ANNA_BSUID)
    waste = routed(town).conversation
    reference = routed(town).reference
    town.message("de kliko is niet geleegd", ANNA, ANNA_BSUID)
    assert routed(town).conversation == waste
    town.message(f"over {reference}", ANNA, via=EMAIL)
    assert routed(town).conversation == waste


def test_another_address_of_the_same_kind_proves_nothing(town: Town) -> None:
    """Anyone can write another's address into the Reply-To of a mail."""
    town.message(WASTE, ANNA_MAIL, via=EMAIL)
    hers = routed(town).conversation
    town.message("hoe staat het ermee", BERT_MAIL, ANNA_MAIL, via=EMAIL)
    assert routed(town).conversation != hers


def test_a_changed_number_keeps_its_conversation_and_the_answer_goes_to_the_new_one(town: Town) -> None:
    town.message(LAMP, ANNA)
    first = routed(town).conversation
    moment = e.Times(happened=town.now, received=town.now)
    town.give(e.AddressLinked(tenant=OIN, via=WHATSAPP, external_id="l", old=ANNA, new=BERT, times=moment))
    town.reply(first)
    assert town.last(e.SendRequested).address == BERT
    town.message("dank voor de hulp, nog een vraag", BERT)
    assert routed(town).conversation == first


# --- threads and references ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "thread",
    [
        pytest.param(("<unknown@x>", "<first@x>"), id="an earlier message in the thread"),
        pytest.param(("<ours@hub>",), id="our answer"),
    ],
)
def test_a_mail_in_a_thread_belongs_to_it_whoever_writes_and_whatever_it_says(
    town: Town, thread: tuple[str, ...]
) -> None:
    town.message(WASTE, ANNA_MAIL, via=EMAIL, external_id="<first@x>")
    first = routed(town)
    reply = town.reply(first.conversation, by=author("waste"))
    town.sent_from(EMAIL, reply, "<ours@hub>")
    town.message("de lantaarnpaal is ook kapot", BERT_MAIL, via=EMAIL, thread=thread)
    assert routed(town).conversation == first.conversation
    assert routed(town).department == "waste"
    assert "Het gesprek liep al bij Afval." in routed(town).reasons


@pytest.mark.parametrize("written", ["Betreft {0}", "gesprek {0:.4} {0:.8}", "[{0}] gft"])
def test_the_number_of_a_conversation_leads_back_to_it(town: Town, written: str) -> None:
    town.message(WASTE, ANNA_MAIL, via=EMAIL)
    first = routed(town)
    town.message(LAMP, ANNA_MAIL, via=EMAIL)
    assert routed(town).conversation != first.conversation
    reference = first.reference
    subject = written.replace("{0:.4} {0:.8}", f"{reference[:4]} {reference[4:]}").format(reference)
    town.message("zie mijn eerdere mail", ANNA_MAIL, via=EMAIL, subject=subject)
    assert routed(town).conversation == first.conversation


def test_anothers_number_is_no_key_to_their_conversation(town: Town) -> None:
    """Eight digits can be guessed or overheard: it becomes a conversation of its own, linked, at that department."""
    town.message(WASTE, ANNA_MAIL, via=EMAIL)
    hers = routed(town)
    town.message(f"Het gaat over {hers.reference}", BERT)
    his = routed(town)
    assert his.conversation != hers.conversation
    assert (his.linked, his.department) == (hers.conversation, "waste")
    assert "nummer van een gesprek van iemand anders" in his.reasons[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("over 12921017 dus", ["12921017"], id="eight digits that check"),
        pytest.param("1292 1017", ["12921017"], id="with a space"),
        pytest.param("1292-1017.", ["12921017"], id="with a dash, at the end of a sentence"),
        pytest.param("12921018", [], id="a digit wrong"),
        pytest.param("12912017", [], id="two digits swapped"),
        pytest.param("0612921017", [], id="in a telephone number"),
        pytest.param("+3112921017", [], id="in an international one"),
        pytest.param("NL00BANK129210170", [], id="in an account number"),
        pytest.param("\u0661\u0662\u0669\u0662\u0661\u0660\u0661\u0667", [], id="in other digits"),
    ],
)
def test_what_looks_like_a_number_of_ours(text: str, found: list[str]) -> None:
    assert list(written_in(text)) == found
