"""A message through the hub and back, on the bus in memory; and nothing changes when it breaks in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from schemas import events as e
from schemas.events import DeliveryStatus as S
from schemas.events import Move
from schemas.parts import Address, AddressKind, text_of
from services.runtime.bus.faults import POINTS
from tests.flow.hub import Hub, doubtful

LAMP, BIN = "de lantaarnpaal voor mijn deur is kapot", "de kliko is niet geleegd"
BERT = Address(kind=AddressKind.TEL, value="+31687654321")


async def _running() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    await made.bus.close()


hub, calm, broken = (pytest.fixture(_running, name=name) for name in ("hub", "calm", "broken"))


async def test_a_lamp_is_broken_and_the_answer_is_read(hub: Hub) -> None:
    await hub.write(LAMP)
    [routed] = hub.routed("public-space")
    reply = await hub.answer(routed.conversation, "public-space")
    await hub.respond()
    for status in (S.READ, S.DELIVERED, S.SENT):
        await hub.receipt(reply, status)
    assert hub.statuses(reply) == [S.ACCEPTED, S.READ]


async def test_an_unclear_message_is_corrected_and_its_words_come_along(hub: Hub) -> None:
    message = await hub.write("hallo?")
    [unclear] = hub.routed("triage")
    await hub.ask(e.RoutingCorrected, unclear.conversation, "triage", department="waste")
    [again] = hub.routed("waste")
    assert again.message
    assert (again.message.message, text_of(again.message.parts)) == (message, "hallo?")
    [told] = [each for each in hub.queue("triage") if isinstance(each, e.MessageReassigned)]
    assert (told.move, told.department) == (Move.CORRECTION, "waste")
    await hub.write("bij nummer 12")
    assert [each.number for each in hub.routed("waste")] == [1, 3]


async def test_two_employees_answer_and_one_answer_leaves(hub: Hub) -> None:
    await hub.write(LAMP)
    conversation = hub.routed("public-space")[0].conversation
    await hub.answer(conversation, "public-space", "Morgen.")
    await hub.answer(conversation, None, "Overmorgen.")
    [refused] = hub.on("department.town.public-space", e.ReplyRefused)
    assert text_of(refused.other) == "Morgen."
    await hub.respond()
    assert len(hub.sent) == 1


async def test_a_doubt_is_settled_by_a_receipt_or_by_time(hub: Hub) -> None:
    await hub.write(LAMP)
    conversation = hub.routed("public-space")[0].conversation
    first = await hub.answer(conversation, "public-space", "1")
    second = await hub.answer(conversation, "public-space", "2")
    await hub.respond(doubtful)
    assert hub.sent == [(first, 1)]
    await hub.receipt(first, S.DELIVERED)
    await hub.respond(doubtful)
    await hub.bus.tick(121)
    await hub.respond()
    assert hub.sent == [(first, 1), (second, 1), (second, 2)]
    assert hub.statuses(second) == [S.UNKNOWN, S.ACCEPTED]


async def test_thanks_end_it_and_the_same_webhook_five_times_is_one_message(hub: Hub) -> None:
    for _ in range(5):
        await hub.write(LAMP, external_id="wamid.same")
    [routed] = hub.routed("public-space")
    await hub.answer(routed.conversation, "public-space")
    await hub.respond()
    await hub.write("Bedankt!")
    [closed] = hub.on("facts", e.FactConversationClosed)
    assert (closed.reason, closed.unanswered) == (e.Closing.THANKED, 0)


async def _play(hub: Hub) -> None:
    """A bit of everything, with a reply in doubt and a move with words read back."""
    await hub.write(LAMP)
    await hub.write("hallo?", BERT)
    lamp, unclear = hub.routed("public-space")[0].conversation, hub.routed("triage")[0].conversation
    first = await hub.answer(lamp, "public-space", "1")
    await hub.answer(lamp, "public-space", "2")
    await hub.ask(e.RoutingCorrected, unclear, "triage", department="waste")
    await hub.respond(doubtful)
    await hub.bus.tick(121)
    await hub.respond()
    await hub.receipt(first, S.READ)
    await hub.write("Bedankt!")
    await hub.write(BIN, BERT)


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_step_changes_nothing_that_anybody_sees(calm: Hub, broken: Hub, point: str) -> None:
    broken.bus.faults.add("commit.after")  # so that the number begins anew, and meets the other fault in doing so
    broken.bus.faults.add(point, times=2)
    await _play(calm)
    await _play(broken)
    assert point in broken.bus.faults.happened
    assert sorted(broken.ids()) == sorted(calm.ids())
    assert len(set(calm.ids())) == len(calm.ids())
    assert broken.sent == calm.sent


async def test_another_process_goes_on_where_the_first_one_died(hub: Hub) -> None:
    await hub.write(LAMP)
    conversation = hub.routed("public-space")[0].conversation
    reply = await hub.answer(conversation, "public-space")
    hub.router.crash()
    hub.router.start()
    await hub.respond()
    await hub.receipt(reply, S.READ)
    hub.router.crash()
    hub.router.start()
    await hub.write("Bedankt!")
    assert hub.statuses(reply) == [S.ACCEPTED, S.READ]
    assert [each.number for each in hub.routed("public-space")] == [1, 3]
    assert hub.on("facts", e.FactConversationClosed)
