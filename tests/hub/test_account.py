"""The account of a day: every message is somewhere, every reply has a fate, and a gap shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas import events as e
from schemas.events import Closing, DeliveryStatus
from services.hub.account import Account, Accounts
from tests.hub.past import NOBODY, TOWN, VILLAGE, Lying, busy_day, checked


def account(tenant: str, records: tuple[Lying, ...] | list[Lying] | None = None) -> Account:
    return next(each for each in checked(list(records or busy_day())).account() if each.tenant == tenant)


def test_every_message_of_the_day_is_somewhere() -> None:
    town = account(TOWN)
    assert (town.received, town.answered, town.needing_none, town.peoples, town.open) == (11, 4, 1, 1, 4)
    assert town.closed == {Closing.NO_ANSWER_NEEDED: 1}
    assert (town.set_aside, town.under_way, town.missing) == (0, 0, 0)


def test_every_reply_of_the_day_has_its_fate() -> None:
    town = account(TOWN)
    assert (town.requested, town.refused, town.replies_missing) == (5, 1, 0)
    assert town.replies == {DeliveryStatus.READ: 2, DeliveryStatus.FAILED: 1, DeliveryStatus.QUEUED: 1}
    assert town.commands_refused == 2


@pytest.mark.parametrize(
    ("tenant", "received", "set_aside", "is_open"),
    [
        pytest.param(VILLAGE, 1, 0, 1, id="a municipality has its own"),
        pytest.param(NOBODY, 1, 1, 0, id="one that is not served has dead letters"),
    ],
)
def test_accounts_are_kept_apart(tenant: str, received: int, set_aside: int, is_open: int) -> None:
    found = account(tenant)
    assert (found.received, found.set_aside, found.open) == (received, set_aside, is_open)


def test_an_event_that_is_seen_twice_counts_once() -> None:
    assert checked([*busy_day(), *busy_day()]).account() == checked(list(busy_day())).account()


def test_in_which_order_the_topics_are_read_makes_no_difference() -> None:
    """What became of a reply may be read before the reply."""
    other_way = sorted(busy_day(), key=lambda each: each.topic != "facts")
    assert (busy_day()[0].topic, other_way[0].topic) == ("inbound", "facts")
    assert checked(other_way).account() == checked(list(busy_day())).account()


def test_a_message_without_a_fact_is_missing() -> None:
    first = next(each for each in busy_day() if isinstance(each.event.data, e.FactMessageReceived))
    tenant = first.event.data.tenant
    assert tenant
    assert account(tenant, [each for each in busy_day() if each != first]).missing == 1


def test_histories_outlive_what_was_asked() -> None:
    """After 30 days `inbound` is empty: what was granted was asked for all the same."""
    kept = [each for each in busy_day() if each.topic in {"facts", "entries"}]
    town = account(TOWN, kept)
    assert (town.received, town.missing, town.replies_missing) == (11, 0, 0)
    assert town.requested == sum(town.replies.values()) == 4


def test_what_belongs_to_nobody_counts_nowhere() -> None:
    accounts = Accounts()
    lying = busy_day()[0]
    accounts.take(replace(lying.event, data=e.RecordSetAside(origin=e.Origin(topic="x"), reason="y", raw="")))
    assert accounts.all() == []
