"""Failures that hurt users of systems like this one, each made impossible; named by what their users said of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events as e
from schemas.events import DeliveryStatus as S
from schemas.events import Reason
from schemas.parts import Image
from tests.flow.doors import REPLICAS, Doors, picture, text
from tests.flow.hub import Hub, delivered, doubtful

LAMP = "de lantaarnpaal voor mijn deur is kapot"


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    await made.bus.close()


# --- one burst, many conversations; doubles ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("first", [pytest.param(LAMP, id="clear at once"), pytest.param("hallo?", id="unclear first")])
async def test_one_burst_many_conversations_and_doubles(hub: Hub, first: str, seed: int) -> None:
    """Ten pictures and twenty texts of somebody new in two seconds, each webhook up to ten times at two doors."""
    chance, doors, accepted = Random(seed), Doors(hub), list[str]()  # noqa: S311 - a fault found comes back
    words = [text(f"t{n}", LAMP if n == 5 else f"kijk maar, foto {n}") for n in range(1, 20)]
    burst = [*words, *(picture(f"p{n}") for n in range(10))]
    chance.shuffle(burst)
    burst.insert(0, text("t0", first))
    webhooks = [message for message in burst for _ in range(chance.randint(1, 10))]
    for n, message in enumerate(webhooks):
        accepted += await doors.deliver(chance.randrange(REPLICAS), message)
        hub.clock.advance(2 / len(webhooks))
        if n == len(webhooks) // 2:
            hub.bus.faults.add("commit.after")
            hub.router.crash()
            hub.router.start()
    await hub.bus.settle()
    facts = hub.on("facts", e.FactMessageReceived)
    assert [each.message for each in facts] == list(dict.fromkeys(accepted))
    assert len(facts) == 30
    assert len({each.conversation for each in facts}) == 1
    assert len(hub.on("facts", e.FactConversationOpened)) == 1
    there = hub.routed("public-space")
    assert [each.number for each in there] == sorted(each.number for each in there)
    assert {each.message.message for each in there if each.message} == {each.message for each in facts}
    assert sum(isinstance(part, Image) for each in there if each.message for part in each.message.parts) == 10


# --- "sent" that never arrived -------------------------------------------------------------------------------


async def refused(hub: Hub, _reply: str) -> None:
    await hub.respond(lambda wanted: _failed(wanted, Reason.RECIPIENT))


async def accepted_and_then_failed(hub: Hub, reply: str) -> None:
    await hub.respond()
    await hub.receipt(reply, S.SENT)
    await hub.receipt(reply, S.FAILED)


async def silent_twice(hub: Hub, _reply: str) -> None:
    await hub.respond(doubtful)
    await hub.bus.tick(121)
    await hub.respond(doubtful)
    await hub.bus.tick(121)


async def provider_down_until_too_late(hub: Hub, _reply: str) -> None:
    await hub.bus.tick(72 * 3600 + 1)
    [cancelled] = hub.on("outbox", e.SendCancelled)
    await hub.respond(lambda wanted: _cancelled(wanted, cancelled.reason))


def _failed(wanted: e.SendRequested, reason: Reason) -> e.Outcome:
    return _ended(e.ReplyFailed, wanted, reason)


def _cancelled(wanted: e.SendRequested, reason: Reason) -> e.Outcome:
    return _ended(e.ReplyCancelled, wanted, reason)


def _ended(kind: type[e.Outcome], wanted: e.SendRequested, reason: Reason) -> e.Outcome:
    sent = delivered(wanted)
    return kind.model_validate(sent.model_dump() | {"sent": (), "not_begun": (0,), "reason": reason, "code": "131026"})


@pytest.mark.parametrize(
    ("happens", "status"),
    [
        pytest.param(refused, S.FAILED, id="the provider refuses it"),
        pytest.param(accepted_and_then_failed, S.FAILED, id="the provider takes it, and then reports that it failed"),
        pytest.param(silent_twice, S.UNKNOWN, id="the provider never says anything, twice"),
        pytest.param(provider_down_until_too_late, S.FAILED, id="the provider is down until it is too late"),
    ],
)
async def test_sent_that_never_arrived(hub: Hub, happens: Callable[[Hub, str], Awaitable[None]], status: S) -> None:
    """Whoever answered hears it, with the reason; it is on the worklist once; nothing ever said that it arrived."""
    await hub.write(LAMP)
    conversation = hub.routed("public-space")[0].conversation
    reply = await hub.answer(conversation, "public-space")
    await happens(hub, reply)
    told = [each for each in hub.queue("public-space") if isinstance(each, e.DeliveryChanged)]
    assert told[-1].status is status
    assert told[-1].reason is not None
    assert not {S.DELIVERED, S.READ} & {each.status for each in told}
    [people] = hub.on("facts", e.FactWorklisted)
    assert (people.reply, people.messages) == (reply, 1)
    line = [each for each in hub.on("entries", e.EntryRecorded) if each.reply == reply][-1]
    assert line.status is status


# --- status runs backwards, or the reason is lost ------------------------------------------------------------

REPORTS = (S.SENT, S.DELIVERED, S.READ, S.FAILED)
ORDER = {status: rank for rank, status in enumerate((S.QUEUED, S.ACCEPTED, S.SENT, S.FAILED, S.DELIVERED, S.READ))}


@settings(max_examples=60, deadline=None)
@given(
    reports=st.lists(st.sampled_from(REPORTS), min_size=1, max_size=8),
    outcome=st.integers(0, 8),
    crash=st.integers(0, 8),
)
def test_status_runs_backwards_or_the_reason_is_lost(reports: list[S], outcome: int, crash: int) -> None:
    asyncio.run(_never_back(reports, outcome, crash))


async def _never_back(reports: list[S], outcome: int, crash: int) -> None:
    hub = Hub()
    await hub.write(LAMP)
    conversation = hub.routed("public-space")[0].conversation
    reply = await hub.answer(conversation, "public-space")
    for n, status in enumerate(reports):
        if n == outcome:
            await hub.respond()
        if n == crash:
            hub.router.crash()
            hub.router.start()
        await hub.receipt(reply, status)
    await hub.respond()
    told = hub.statuses(reply)
    assert told == sorted(told, key=ORDER.__getitem__)
    assert len(set(told)) == len(told)
    assert told[-1] is max((S.ACCEPTED, *reports), key=ORDER.__getitem__)
    failures = [each for each in hub.on("facts", e.FactDeliveryChanged) if each.status is S.FAILED]
    assert all(each.reason is Reason.RECIPIENT and each.code == "131026" for each in failures)
    await hub.bus.close()
