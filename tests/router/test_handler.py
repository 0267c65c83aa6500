"""What comes in at all: once, of a known municipality, in time, at the right number."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from schemas import events as e
from schemas.cloudevents import CloudEvent
from schemas.topics import INBOUND, OUTCOMES, topic_of
from services.router.handler import _RULES, Router
from services.router.policy import Policy
from services.router.tables import TABLES
from services.router.turn import Served
from services.runtime.bus.handler import Record
from services.runtime.bus.state import KeyedState
from services.runtime.process.metrics import Metrics
from tests.router.town import ANNA, BERT, KEY, LAMP, OIN, START, TAXONOMY, WASTE, WHATSAPP, Town, author


@pytest.fixture
def town() -> Town:
    return Town()


def test_every_event_that_the_inputs_carry_has_its_rule() -> None:
    carried = {*INBOUND.carries, *OUTCOMES.carries} - {e.HubTicked}
    assert carried == set(_RULES)


@pytest.mark.parametrize(
    ("days", "taken"),
    [pytest.param(7.9, True, id="within the window"), pytest.param(8.1, False, id="longer than ids are remembered")],
)
def test_a_message_that_was_long_on_its_way_to_us(town: Town, days: float, *, taken: bool) -> None:
    town.message(received=town.now - timedelta(days=days))
    assert bool(town.out) is taken
    assert bool(town.poison) is not taken


def test_a_record_of_an_unknown_municipality_is_set_aside(town: Town) -> None:
    town.message(tenant="99999999999999999999")
    assert "is not served here" in town.poison[0]


def test_an_event_that_is_no_input_is_set_aside(town: Town) -> None:
    town.give(e.InboxChanged(tenant=OIN, via=WHATSAPP, state=e.InboxState.ACTIVE))
    assert "does not take nl.berichtenhub.inbox.changed.v1" in town.poison[0]


def test_a_sign_of_life_is_passed_over(town: Town) -> None:
    assert town.give(e.HubTicked(at=START)) == []


def test_a_record_in_anothers_partition_is_sent_home_as_it_is() -> None:
    served = [Served("town", OIN, KEY, TAXONOMY, Policy())]
    router = Router(served, number_of=lambda _oin: 7)
    data = Town().message()
    event = CloudEvent("id", "source", START, data)
    [home] = router.handle(Record("inbound", 3, 0, "key", START, event), KeyedState(TABLES, 3))
    assert (home.topic, home.key, home.home, home.event) == ("inbound", "key", OIN, event)
    assert router.handle(Record("inbound", 7, 0, "key", START, event), KeyedState(TABLES, 7))[0].topic != "inbound"


def test_two_municipalities_share_a_number_and_nothing_else(town: Town) -> None:
    town.message(LAMP)
    first = town.last(e.MessageRouted)
    town.message(LAMP, tenant="00000009876543210000", external_id="other")
    second = town.last(e.MessageRouted)
    assert second.conversation != first.conversation
    assert second.reference != first.reference
    assert second in town.queue("public-space", "village")
    assert second not in town.queue("public-space", "town")


def test_a_restricted_account_is_shown_to_people(town: Town) -> None:
    times = e.Times(happened=START, received=START)
    town.give(e.AccountChanged(tenant=OIN, via=WHATSAPP, external_id="a", change="restricted", times=times))
    assert (town.last(e.FactWorklisted).why, town.last(e.FactWorklisted).inbox) == ("account-changed", WHATSAPP.inbox)


def test_what_was_routed_and_what_came_twice_is_counted() -> None:
    town = Town()
    metrics = Metrics()
    town.router._metrics = metrics
    town.message(external_id="same")
    town.message(external_id="same")
    value = metrics.registry.get_sample_value
    assert value("hub_routed_total", {"channel": "whatsapp", "department": "public-space"}) == 1
    assert value("hub_duplicates_dropped_total", {"service": "router", "event": e.MessageReceived.TYPE}) == 1


# --- what goes out -------------------------------------------------------------------------------------------


def busy(town: Town) -> Town:
    """A bit of everything."""
    town.message(LAMP, ANNA)
    conversation = town.last(e.MessageRouted).conversation
    town.message(WASTE, BERT)
    reply = town.reply(conversation)
    town.reply(conversation, by=author("public-space", "piet"))
    town.unknown(reply)
    town.later(minutes=3)
    town.sent(reply, "w1", attempt=2)
    town.receipt("w1", e.DeliveryStatus.READ)
    town.give(
        e.ConversationHandedOver(
            tenant=OIN, author=author("public-space"), conversation=conversation, department="waste"
        )
    )
    town.message("Bedankt!", ANNA)
    town.later(days=20)
    return town


def test_every_event_goes_to_a_topic_that_carries_it_with_an_id_of_its_own(town: Town) -> None:
    out = busy(town).out
    for each in out:
        assert each.event is not None
        assert type(each.event.data) in topic_of(each.topic).carries
    ids = [each.event.id for each in out if each.event]
    assert len(ids) == len(set(ids))


def test_keys_name_one_record_and_nothing_personal(town: Town) -> None:
    """A department's records can be told apart by key, but for a message that is sent along or changed."""
    out = busy(town).out
    assert all(re.fullmatch(r"[0-9a-f-]{36}(/([0-9]+|[0-9a-f-]{36}))?", each.key) for each in out)


def test_the_same_records_give_the_same_events() -> None:
    one, other = busy(Town()), busy(Town())
    assert one.out == other.out


def test_facts_tell_nothing_of_what_was_said_or_by_whom(town: Town) -> None:
    told = "".join(each.model_dump_json() for each in busy(town).all(e.Fact))
    for personal in ("lantaarn", "Morgen", "Anna", ANNA.value, BERT.value, "jan"):
        assert personal not in told
