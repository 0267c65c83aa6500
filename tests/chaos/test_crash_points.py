"""Killed at every point of crash.py, one after the other, with everything counted after each."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import nullcontext

import pytest
import pytest_asyncio

from services.runtime.process import crash
from tests.chaos.small import Small, small

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

SERVICES = {"bus": ("router", "responder"), "spool": ("ingest",)}
"""In which services the points of a room are passed; else in the one that is called so."""
WITHOUT_BROKER = "spool."
"""Points that are passed only when the broker is away."""
NEVER_PASSED = {("bus.after_find", "responder")}
"""The responder reads nothing back."""
OFTEN = {"bus.before_commit", "bus.after_lines", "bus.after_offsets", "bus.after_commit"}
"""The first commit may be a tick's; a later one has a batch in it."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hub(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Small]:
    async with small(tmp_path_factory.mktemp("chaos")) as made:
        yield made


def places() -> Iterator[object]:
    """Every point, in every service that passes it."""
    for point in crash.POINTS:
        room = point.partition(".")[0]
        for service in SERVICES.get(room, (room,)):
            if (point, service) not in NEVER_PASSED:
                yield pytest.param(service, point, id=f"{service} at {point}")


@pytest.mark.timeout(120)
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("service", "point"), list(places()))
async def test_killed_there_and_started_again_nothing_is_lost_doubled_or_sent_too_often(
    hub: Small, service: str, point: str
) -> None:
    replica = hub.replica(service)
    await hub.next_life(replica, crash_at=f"{point}:{3 if point in OFTEN else 1}")
    async with hub.broker_away() if point.startswith(WITHOUT_BROKER) else nullcontext():
        await hub.write(40)
    await hub.until_died(replica)
    verdict = await hub.settled()
    assert verdict.faults(torn=False) == []
    assert verdict.messages == hub.written
    assert replica.exits.pop(-signal.SIGKILL) == 1
    assert not replica.exits
