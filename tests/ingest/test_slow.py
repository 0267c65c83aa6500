"""Who never finishes is let go in time, however slowly he goes on, and nobody else notices."""

import asyncio
import contextlib
import statistics
import time
from pathlib import Path

import pytest

from bench.slow import KINDS, besiege
from tests.ingest.town import Hub, message, running

PATIENCE, SOCKETS = 1.0, 50


@pytest.mark.timeout(120)
async def test_fifty_of_each_kind_are_cut_in_time_and_good_requests_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, header_seconds=PATIENCE, body_seconds=PATIENCE) as hub:
        alone = await good(hub, asyncio.create_task(asyncio.sleep(1.0)))
        siege = asyncio.create_task(besiege(int(hub.url.rpartition(":")[2]), b"toy/main", SOCKETS))
        among = await good(hub, siege)
        borne = {each.kind: each.seconds for each in siege.result()}
    assert {kind: len(seconds) for kind, seconds in borne.items()} == dict.fromkeys(KINDS, SOCKETS)
    assert {kind: max(seconds) for kind, seconds in borne.items() if max(seconds) > 2 * PATIENCE + 4} == {}
    assert statistics.median(among) < max(2 * statistics.median(alone), 0.25)


async def good(hub: Hub, until: asyncio.Task[object]) -> list[float]:
    """Deliver until something else is done; returns how long each took."""
    times: list[float] = []
    while not until.done():
        began = time.monotonic()
        assert await hub.deliver(message(id=str(began))) == 200
        times.append(time.monotonic() - began)
        await asyncio.sleep(0.01)
    return times


async def test_a_header_without_end_is_cut_by_its_size_and_not_only_by_the_clock(tmp_path: Path) -> None:
    async with running(tmp_path, header_seconds=60) as hub:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]))
        writer.write(b"POST /webhooks/toy/main HTTP/1.1\r\n" + b"x-y: z\r\n" * 20_000)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


async def test_a_long_header_within_measure_is_served(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert (await hub.post(b"[]", x_long="y" * 7_000)).status == 200
