"""Replies held to their promises: the responder as a process, a real broker, and the provider's own ledger."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from schemas.events import ReplySent, ReplyUnknown
from schemas.ids import our_id
from schemas.topics import OUTBOX
from services.runtime.bus.batches import partition_of
from tests.kafka.replies_rig import Call, Desk, Inbox, Refusal, citizen, desk
from tests.kafka.rig import until

THROTTLED, TOO_FAST_FOR_ONE = 130429, 131056
"""Meta's codes: the whole number is too fast; only this citizen has too much."""

RATE, PACED, WIDTH = 40.0, 400, 8
ASKED = 3
"""Seconds of Retry-After."""
ON_ITS_WAY = 0.25
"""Seconds in which a refusal may not have reached us yet, on a busy machine."""


async def test_the_provider_is_never_asked_faster_than_it_allows(broker: Broker, tmp_path: Path) -> None:
    inboxes = [Inbox("gelijkmatig", RATE, WIDTH), Inbox("begrensd"), Inbox("druk")]
    async with desk(broker.bootstrap, tmp_path, inboxes) as at:
        at.provider.refusals[citizen(0)] = [Refusal(THROTTLED, ASKED)]
        at.provider.refusals[citizen(501)] = [Refusal(TOO_FAST_FOR_ONE, ASKED)]
        await at.ask("gelijkmatig", range(1, PACED + 1))
        await at.ask("begrensd", [0])
        await at.ask("druk", [501])
        await until(lambda: len(at.provider.ledger["begrensd"]) == len(at.provider.ledger["druk"]) == 1)
        await asyncio.sleep(ON_ITS_WAY)
        await at.ask("begrensd", range(2_000, 2_050))
        await at.ask("druk", range(3_000, 3_050))
        await at.until_told(PACED + 1 + 1 + 50 + 50)

        steady(at.provider.taken("gelijkmatig"))
        waited_whole(at.provider.ledger["begrensd"])
        waited_alone(at.provider.ledger["druk"], citizen(501))
        assert Counter(call.status for calls in at.provider.ledger.values() for call in calls) == {
            200: PACED + 102,
            429: 2,
        }
        assert {type(outcome) for outcome in at.outcomes} == {ReplySent}


def steady(calls: list[Call]) -> None:
    """The rate of the inbox is held within 1 %, over any long stretch; one call may come late, none makes up for it."""
    times = sorted(call.at for call in calls)
    stretches = [(times[end] - times[start], end - start) for start, end in pairwise(range(0, PACED, PACED // 4 - 1))]
    assert all(count <= seconds * RATE * 1.01 + 4 for seconds, count in stretches), stretches
    assert len(times) - 1 <= (times[-1] - times[0]) * RATE * 1.01 + 1
    assert statistics.median(later - earlier for earlier, later in pairwise(times)) == pytest.approx(1 / RATE, rel=0.2)


def waited_whole(calls: list[Call]) -> None:
    """After "come back in three seconds" this inbox sends nothing for three seconds, and then at once."""
    refused = next(call.at for call in calls if call.status == 429)
    after = [call.at - refused for call in calls if call.at > refused]
    assert min(after) >= ASKED
    assert min(after) <= ASKED * 1.1 + 1


def waited_alone(calls: list[Call], who: str) -> None:
    """Too much for one citizen: that one waits, the others do not."""
    refused = next(call.at for call in calls if call.status == 429)
    again = next(call.at - refused for call in calls if call.to == who and call.status == 200)
    others = [call.at - refused for call in calls if call.to != who]
    assert ASKED <= again <= ASKED * 1.1 + 1
    assert max(others) < ASKED


# --- a provider that says nothing ----------------------------------------------------------------------------

STEADY, EVERY = 60, 0.05
BUSY = "druk"
STALLED = next(
    name for n in range(1_000)
    if partition_of(name := f"stil-{n}", OUTBOX.partitions) == partition_of(BUSY, OUTBOX.partitions)
)  # fmt: skip
"""An inbox in the same partition number."""


async def test_a_provider_that_stalls_stalls_its_own_inbox_only(broker: Broker, tmp_path: Path) -> None:
    """By how much others slow down is measured by `python -m bench --only responder`: this says that they go on."""
    async with desk(broker.bootstrap, tmp_path, [Inbox(BUSY), Inbox(STALLED)]) as at:
        at.provider.stalled.add(STALLED)
        await at.ask_steadily(BUSY, range(STEADY), EVERY)
        await at.until_told(STEADY)
        alone = at.delays(BUSY)
        at.provider.ledger.clear()

        await at.ask(STALLED, range(5_000, 5_100))
        await until(lambda: len(at.provider.ledger[STALLED]) == WIDTH)
        await at.ask_steadily(BUSY, range(STEADY, 2 * STEADY), EVERY)
        await at.until_told(2 * STEADY)
        beside = at.delays(BUSY)
        assert len(at.provider.ledger[STALLED]) == WIDTH, "the others wait in their own inbox"
    assert statistics.median(beside) < 2 * statistics.median(alone) + 0.1
    assert beside[-1] < 2, "nobody waited for a call of ten seconds"


# --- what waits ----------------------------------------------------------------------------------------------

MANY = 60


async def test_what_waits_survives_a_kill_and_a_change_of_owner(broker: Broker, tmp_path: Path) -> None:
    """The provider's door is shut: all of it lies in the ledger, and nothing in the outbox."""
    inboxes = [Inbox(f"balie-{number}", width=1) for number in range(6)]
    async with desk(broker.bootstrap, tmp_path, inboxes, open_=False, replicas=2) as at:
        first, second = at.services.services
        for number, inbox in enumerate(inboxes):
            await at.ask(inbox.name, range(number * 10, number * 10 + 10))
        await until_waiting(at, MANY)
        first.kill()
        await first.process.wait() if first.process else None
        await first.start()
        await at.services.wait_ready(first)
        await until_waiting(at, MANY)
        await second.start()
        await at.services.wait_ready(second)
        await until_dealt(at)
        assert not [outcome for outcome in at.outcomes if not isinstance(outcome, ReplyUnknown)]

        await at.provider.start()
        await at.until_told(MANY)
        await asyncio.sleep(ON_ITS_WAY)
        sent = sorted(outcome.reply for outcome in at.outcomes if isinstance(outcome, ReplySent))
        unknown = [outcome for outcome in at.outcomes if isinstance(outcome, ReplyUnknown)]
        assert sorted(call.name for calls in at.provider.ledger.values() for call in calls) == [
            our_id(reply, 1, 0) for reply in sent
        ]
        assert len(sent) + len(unknown) == MANY
        assert len(unknown) <= len(inboxes), "at most one call of each inbox was under way when it was killed"


async def until_waiting(at: Desk, count: int) -> None:
    """Until so many are in the ledgers, but for those in doubt: none is read from the outbox again after that."""

    async def there() -> bool:
        waiting = [await at.shown(each, "hub_sends_waiting") for each in at.services.services if each.pid]
        return sum(waiting) + len(at.outcomes) == count

    await until(there)


async def until_dealt(at: Desk) -> None:
    """Until both have their half."""

    async def there() -> bool:
        owned = [await at.shown(each, "hub_numbers_owned") for each in at.services.services]
        return sorted(owned) == [6, 6] and not any([await _unready(at, each) for each in range(2)])

    await until(there, 40)


async def _unready(at: Desk, instance: int) -> bool:
    return not await at.services.services[instance].ready()
