"""A webhook may come ten times, at two doors, for a week, across every crash: it is one message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events as e
from schemas.ids import derived
from schemas.parts import Text, text_of
from tests.flow.doors import Doors, text
from tests.flow.hub import ANNA, OIN, WHATSAPP, Hub

LAMP = "de lantaarnpaal voor mijn deur is kapot"
CITIZENS = ("31600000001", "31600000002", "31600000003")
FAULTS = ("commit.before", "commit.after", "fence.after", "changelog.before")
LONGEST = timedelta(days=8)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    await made.bus.close()


def taken(hub: Hub) -> list[str]:
    """What the facts say was taken in, in order."""
    return [each.message for each in hub.on("facts", e.FactMessageReceived)]


def routed(hub: Hub) -> list[e.MessageRouted]:
    topics = {place[0] for place in hub.bus.broker._logs if place[0].startswith("department.")}
    return [each for topic in sorted(topics) for each in hub.on(topic, e.MessageRouted)]


# --- anything in any order -----------------------------------------------------------------------------------

delivered = st.tuples(st.just("deliver"), st.integers(0, 7), st.integers(0, 1))
crashed = st.tuples(st.just("crash"))
faulty = st.tuples(st.just("fault"), st.sampled_from(FAULTS))
waited = st.tuples(st.just("wait"), st.integers(1, 48))
Step = tuple[str, *tuple[object, ...]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(delivered, delivered, delivered, crashed, faulty, waited), min_size=2, max_size=40))
def test_however_often_wherever_and_whatever_breaks_each_is_one_message(steps: list[Step]) -> None:
    asyncio.run(_each_is_one(steps))


async def _each_is_one(steps: list[Step]) -> None:
    hub = Hub()
    doors, first, began = Doors(hub), list[str](), hub.clock.now()
    for what, *given_ in steps:
        match what, given_:
            case "deliver", [int(n), int(replica)]:
                # The same words for all: only ids tell them apart.
                message = text(f"m{n}", LAMP, CITIZENS[n % len(CITIZENS)])
                first += await doors.deliver(replica, message)
            case "crash", _:
                hub.router.crash()
                hub.router.start()
            case "fault", [str(point)]:
                hub.bus.faults.add(point)
            case "wait", [int(hours)] if hub.clock.now() - began + timedelta(hours=hours) <= LONGEST:
                await hub.bus.tick(hours * 3600)
    await hub.bus.settle()
    wanted = list(dict.fromkeys(first))
    assert taken(hub) == wanted
    on_queues = [each.message.message for each in routed(hub) if each.message]
    assert sorted(on_queues) == sorted(wanted)
    for conversation in {each.conversation for each in routed(hub)}:
        mine = [each.message.message for each in routed(hub) if each.conversation == conversation and each.message]
        assert mine == [each for each in wanted if each in mine]
    assert hub.on("dead-letters", e.RecordSetAside) == []
    await hub.bus.close()


# --- for a week, and no longer -------------------------------------------------------------------------------


@pytest.mark.parametrize("taken_over", [pytest.param(False, id="one process"), pytest.param(True, id="taken over")])
@pytest.mark.parametrize("days", [0, 0.5, 1, 6.9, 7, 8])
async def test_a_webhook_that_comes_again_after_days_is_the_same_message(
    hub: Hub, days: float, *, taken_over: bool
) -> None:
    doors = Doors(hub)
    await doors.deliver(0, text("m", LAMP))
    for _ in range(int(days)):
        await hub.bus.tick(86_400)
    await hub.bus.tick(86_400 * (days % 1) + 1)
    if taken_over:
        hub.router.crash()
        hub.router.start()
    await doors.deliver(1, text("m", LAMP))
    await hub.bus.settle()
    assert len(taken(hub)) == 1


async def late(hub: Hub, age: timedelta) -> None:
    """A record that waited so long between being received and reaching the router: in a spool, or as a dead letter."""
    received = hub.clock.now() - age
    name = derived("late", str(age))
    data = e.MessageReceived(
        tenant=OIN,
        message=name,
        via=WHATSAPP,
        sender=e.Sender(addresses=(ANNA,)),
        external_id="wamid.late",
        parts=(Text(text=LAMP),),
        times=e.Times(happened=received, received=received),
    )
    await hub.put("inbound", data, name)


async def test_what_waited_longer_than_ids_are_known_is_a_dead_letter_that_says_so(hub: Hub) -> None:
    await late(hub, timedelta(days=8, seconds=1))
    [letter] = hub.on("dead-letters", e.RecordSetAside)
    assert letter.reason == "too old to prove unique: received longer ago than ids are remembered"
    assert taken(hub) == []


async def test_what_waited_almost_as_long_is_taken_in(hub: Hub) -> None:
    await late(hub, timedelta(days=7, hours=23))
    assert len(taken(hub)) == 1
    assert hub.on("dead-letters", e.RecordSetAside) == []


async def test_the_same_words_with_two_ids_are_two_messages(hub: Hub) -> None:
    doors = Doors(hub)
    await doors.deliver(0, text("1", "ja"), text("2", "ja"))
    await doors.deliver(1, text("2", "ja"))
    await hub.bus.settle()
    assert [text_of(each.message.parts) for each in routed(hub) if each.message] == ["ja", "ja"]
    assert len({each.conversation for each in routed(hub)}) == 1
