"""`hub trace`: what belongs together is found by any of its names, and nothing else is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from schemas import events as e
from schemas.cloudevents import encode
from schemas.ids import our_id
from services.hub.names import names_of
from services.hub.trace import Hop, Index, hop, timed
from tests.hub.past import ANNA, CARLA, Lying, busy_day


@dataclass(frozen=True)
class Read:
    """A record as it was read."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def read(lying: Lying) -> Read:
    headers, value = encode(lying.event)
    at = int(lying.event.time.timestamp() * 1000)
    return Read(lying.topic, lying.partition, lying.offset, at, None, value, headers)


@pytest.fixture(scope="module")
def index() -> Index:
    made = Index()
    for lying in busy_day():
        made.add(names_of(lying.event), hop(read(lying), lying.event, content=False))
    return made


def kinds(hops: list[Hop]) -> Counter[str]:
    return Counter(each.type for each in hops)


def lamp() -> e.FactMessageReceived:
    facts = (each.event.data for each in busy_day())
    message = next(
        each.event.data.message
        for each in busy_day()
        if isinstance(each.event.data, e.MessageReceived) and each.event.data.external_id == "wamid.same"
    )
    return next(each for each in facts if isinstance(each, e.FactMessageReceived) and each.message == message)


def sent() -> e.SendRequested:
    """The second attempt at the first reply."""
    return next(
        each.event.data
        for each in busy_day()
        if isinstance(each.event.data, e.SendRequested) and each.event.data.attempt == 2
    )


JOURNEY = {"message.received", "message.routed", "send.requested", "reply.unknown", "reply.sent", "receipt.received"}


def test_a_message_is_followed_to_the_receipts_of_its_answer(index: Index) -> None:
    answered = sent().in_reply_to
    assert answered
    assert kinds(index.related(answered)).keys() >= JOURNEY


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("wamid.same", id="the provider's id"),
        pytest.param(lamp().message, id="the message's id"),
    ],
)
def test_a_message_that_came_four_times_is_shown_so(name: str, index: Index) -> None:
    found = kinds(index.related(name))
    assert found["message.received"] == 4
    assert found["message.routed"] == found["fact.message-received"] == found["entry.recorded"] == 1


def test_a_reply_is_followed_from_what_was_asked_to_what_the_phone_showed(index: Index) -> None:
    found = kinds(index.related(sent().reply))
    assert found["reply.requested"] == 1
    assert found["send.requested"] == 2
    assert (found["reply.unknown"], found["reply.sent"], found["receipt.received"]) == (1, 1, 2)


def test_an_external_id_of_a_reply_finds_it_too(index: Index) -> None:
    reply = sent().reply
    assert index.related(f"out-{reply}-2") == index.related(reply)


def test_a_message_is_not_taken_for_its_conversation(index: Index) -> None:
    conversation = lamp().conversation
    whole, one = index.related(conversation), index.related(lamp().message)
    assert len(whole) > len(one)
    assert "conversation.claimed" in kinds(whole)
    assert "conversation.claimed" not in kinds(one)


def test_a_reference_is_as_good_as_its_conversation(index: Index) -> None:
    routed = next(each.event.data for each in busy_day() if isinstance(each.event.data, e.MessageRouted))
    by_reference = {each.place for each in index.related(routed.reference)}
    assert by_reference
    assert by_reference <= {each.place for each in index.related(routed.conversation)}


def test_what_is_called_otherwise_stays_out(index: Index) -> None:
    assert index.related("nothing") == []


def test_a_dead_letter_is_known_by_what_it_holds(index: Index) -> None:
    aside = next(each for each in busy_day() if isinstance(each.event.data, e.RecordSetAside))
    assert isinstance(aside.event.data, e.RecordSetAside)
    origin = aside.event.data.origin
    inbound = next(each for each in busy_day() if each[:3] == (origin.topic, origin.partition, origin.offset))
    assert {"record.set-aside", "message.received"} <= kinds(index.related(inbound.event.id)).keys()


def test_a_receipt_is_known_by_our_id_in_it() -> None:
    receipt = next(each.event for each in busy_day() if isinstance(each.event.data, e.ReceiptReceived))
    assert isinstance(receipt.data, e.ReceiptReceived)
    assert receipt.data.our_id == our_id(sent().reply, 2, 0)
    assert sent().reply in names_of(receipt).own


def test_hops_stand_in_the_order_of_time_with_what_passed_between(index: Index) -> None:
    hops = timed(index.related(lamp().conversation))
    assert [each.at for each in hops] == sorted(each.at for each in hops)
    assert hops[0].after == hops[0].delay == 0
    assert sum(each.delay for each in hops) == pytest.approx(hops[-1].after)
    assert timed([]) == []


def test_no_hop_tells_what_was_said_or_by_whom(index: Index) -> None:
    said = " ".join(str(each) for each in index._hops)
    for personal in (ANNA.value, CARLA.value, "lantaarn", "gft", "Wij komen", "de kliko", "jan"):
        assert personal not in said


def test_content_is_there_when_asked() -> None:
    lying = next(each for each in busy_day() if isinstance(each.event.data, e.MessageRouted))
    shown = hop(read(lying), lying.event, content=True).content
    assert shown
    assert "lantaarnpaal" in str(shown["message"])
