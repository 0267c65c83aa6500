"""After an erasure, and after compaction took the history, the checker still finds everything in its place."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from schemas import events as e
from schemas.cloudevents import decode
from schemas.events import Closing
from schemas.topics import ENTRIES, ERASED
from services.hub.invariants import Check
from services.runtime.bus.seat import Raw
from tests.flow.hub import OIN, Hub

LAMP, BIN = "de lantaarnpaal voor mijn deur is kapot", "de kliko is niet geleegd"
PRIVATE = {"router.state", "router.seen"}


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    await made.bus.close()


async def erased(hub: Hub) -> None:
    """Answered, waiting, on its way, and asked to be forgotten."""
    await hub.write(LAMP)
    lamp = hub.routed("public-space")[0].conversation
    await hub.answer(lamp, "public-space")
    await hub.respond()
    await hub.write(BIN)
    bin_ = hub.routed("waste")[0].conversation
    await hub.ask(e.ConversationNoted, bin_, "waste", text="Anna belde ook.")
    await hub.answer(lamp, "public-space", "Nog iets.")
    await hub.answer(lamp, "public-space", "En dit.")
    await hub.ask(e.ContactErased, lamp, None)
    await hub.respond()


def compacted(records: Sequence[Raw]) -> list[Raw]:
    last = {record.key: record for record in records}
    return [record for record in records if record is last[record.key] and record.value is not None]


def checked(hub: Hub) -> Check:
    check = Check({OIN: "town"})
    for topic in sorted({name for name, _ in hub.bus.broker._logs} - PRIVATE):
        records = hub.bus.broker.topic(topic)
        for each in compacted(records) if topic == ENTRIES.name else records:
            check.feed(each.topic, each.partition, each.offset, decode(each.headers, each.value))
    return check


async def test_the_checker_finds_nothing_and_the_account_adds_up(hub: Hub) -> None:
    await erased(hub)
    check = checked(hub)
    [account] = check.account()
    assert check.findings() == []
    assert (account.received, account.answered, dict(account.closed)) == (2, 1, {Closing.ERASED: 1})
    assert (account.missing, account.replies_missing, account.open) == (0, 0, 0)
    assert len(hub.on(ERASED.name, e.MessageErased)) == 5


async def test_the_checker_would_see_it_if_the_histories_were_gone_without_it(hub: Hub) -> None:
    await hub.write(LAMP)
    await hub.answer(hub.routed("public-space")[0].conversation, "public-space")
    await hub.respond()
    for place in [place for place in hub.bus.broker._logs if place[0] == ENTRIES.name]:
        hub.bus.broker._logs[place].clear()
    assert "message without an entry" in {finding.what for finding in checked(hub).findings()}
