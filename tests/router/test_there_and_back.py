"""A message comes to its department, the answer goes back, and its fate is known."""

import pytest

from schemas import events as e
from schemas.events import DeliveryStatus as S
from tests.router.town import ANNA, EMAIL, LAMP, UNCLEAR, WASTE, WHATSAPP, Town, author


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.mark.parametrize(
    ("text", "department"),
    [
        pytest.param(LAMP, "public-space", id="a broken lamp is public space's"),
        pytest.param(WASTE, "waste", id="a full bin is waste's"),
        pytest.param(UNCLEAR, "triage", id="what is unclear goes to people"),
    ],
)
def test_a_message_comes_to_its_department_whole_and_with_the_reason(town: Town, text: str, department: str) -> None:
    message = town.message(text)
    [routed] = town.queue(department)
    assert isinstance(routed, e.MessageRouted)
    assert routed.message == message
    assert (routed.department, routed.number, routed.routing) == (department, 1, 1)
    assert routed.reasons
    assert town.history(routed.conversation)[1].parts == message.parts
    assert [type(each) for each in town.all(e.Fact)] == [e.FactConversationOpened, e.FactMessageReceived]


def test_the_answer_leaves_where_the_question_came_in_and_ends_as_read_whatever_the_order(town: Town) -> None:
    message = town.message()
    conversation = town.last(e.MessageRouted).conversation
    reply = town.reply(conversation)
    send = town.last(e.SendRequested)
    assert (send.reply, send.via, send.address, send.in_reply_to) == (reply, WHATSAPP, ANNA, message.external_id)
    town.sent(reply, "wamid.1")
    for status in (S.READ, S.DELIVERED, S.SENT):
        town.receipt("wamid.1", status)
    assert town.statuses(reply) == [S.QUEUED, S.ACCEPTED, S.READ]
    assert town.history(conversation)[2].status is S.READ
    assert town.last(e.FactDeliveryChanged).status is S.READ


def test_a_receipt_that_is_quicker_than_the_outcome_is_not_lost(town: Town) -> None:
    town.message()
    reply = town.reply(town.last(e.MessageRouted).conversation)
    town.receipt("wamid.1", S.DELIVERED)
    assert town.statuses(reply) == [S.QUEUED]
    town.sent(reply, "wamid.1")
    assert town.statuses(reply) == [S.QUEUED, S.DELIVERED]


def test_a_mail_is_answered_in_its_own_thread(town: Town) -> None:
    town.message(WASTE, via=EMAIL, subject="GFT", external_id="<b@x>", thread=("<a@x>", "<first@x>"))
    town.reply(town.last(e.MessageRouted).conversation, by=author("waste"))
    send = town.last(e.SendRequested)
    assert send.in_reply_to == "<b@x>"
    assert send.references == ("<first@x>", "<a@x>", "<b@x>")
    assert send.subject == "GFT"


def test_the_same_webhook_five_times_is_one_message_and_the_same_words_twice_are_two(town: Town) -> None:
    for _ in range(5):
        town.message(external_id="wamid.same")
    assert len(town.queue("public-space")) == 1
    town.message()
    assert len(town.queue("public-space")) == 2
