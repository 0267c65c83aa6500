"""Sockets that never finish, 50 of each kind: how long they are borne with, and what good requests notice of them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench import town
from bench.load import Load
from bench.process import running
from bench.rates import Row, kafka
from demo.processes import free_port

EACH = 50
DRIP = 0.5
"""Seconds between two bytes of a slow sender."""
HEADER = b"POST /webhooks/%s HTTP/1.1\r\nhost: x\r\n"
BRIDGE = b"POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\ncontent-length: 1000\r\n\r\n{"

Kind = Callable[[bytes], AsyncIterator[bytes]]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _drip(first: bytes, one: bytes) -> AsyncIterator[bytes]:
    yield first
    while True:
        await asyncio.sleep(DRIP)
        yield one


async def _endless(first: bytes) -> AsyncIterator[bytes]:
    yield first
    while True:
        yield b"x-y: z\r\n" * 500
        await asyncio.sleep(0)


KINDS: dict[str, Kind] = {
    "nothing at all": lambda _hook: _once(b""),
    "half a header": lambda hook: _once(HEADER % hook),
    "a header byte by byte": lambda hook: _drip(HEADER % hook + b"x-y: ", b"z"),
    "a header without end": lambda hook: _endless(HEADER % hook),
    "half a body": lambda hook: _once(HEADER % hook + b"content-length: 1000\r\n\r\n[]"),
    "a body byte by byte": lambda hook: _drip(HEADER % hook + b"content-length: 1000\r\n\r\n", b" "),
    "chunks without end": lambda hook: _drip(HEADER % hook + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "one request and no other": lambda hook: _once(HEADER % hook + b"content-length: 2\r\n\r\n[]"),
}
"""What is sent to an endpoint, given as `channel/name`."""


@dataclass
class Borne:
    """How long sockets of a kind were borne with, in seconds."""

    kind: str
    seconds: list[float]


async def besiege(port: int, hook: bytes, each: int = EACH) -> list[Borne]:
    """Open so many sockets of each kind at once, and return when all are cut."""
    return await asyncio.gather(*(_kind(name, kind, port, hook, each) for name, kind in KINDS.items()))


async def _kind(name: str, kind: Kind, port: int, hook: bytes, each: int) -> Borne:
    return Borne(name, await asyncio.gather(*(_until_cut(kind(hook), port) for _ in range(each))))


async def _until_cut(sent: AsyncIterator[bytes], port: int) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.perf_counter()
    sending = asyncio.create_task(_send(sent, writer))
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass
    sending.cancel()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return time.perf_counter() - began


async def _send(sent: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        async for data in sent:
            writer.write(data)
            await writer.drain()


def slow(folder: Path, _count: int) -> Iterator[Row]:
    """Measure good requests alone, and among the slow ones, with the limits of production."""
    with kafka(folder, 1) as environment:
        port = free_port()
        with running("services.ingest", environment | {"INGEST_PORT": str(port)}, folder / "ingest.log") as ingest:
            ingest.wait_ready()
            yield from asyncio.run(_measured(port))


async def _measured(port: int) -> list[Row]:
    await _good(port, 2, asyncio.Event())
    alone = await _good(port, 15, asyncio.Event())
    over = asyncio.Event()
    good = asyncio.create_task(_good(port, 60, over))
    borne = await besiege(port, b"whatsapp/bench")
    over.set()
    among = await good
    rows = [_borne(each) for each in borne]
    return [*rows, Row("good requests alone", 0.0, 0.0, _spread(alone)), Row("among them", 0.0, 0.0, _spread(among))]


async def _good(port: int, seconds: float, over: asyncio.Event) -> list[float]:
    load, times = Load(port, 1), list[float]()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends and not over.is_set():
        request = town.post(f"wamid.{time.time_ns()}", "31600000000", town.TEXTS[0], port, 0)
        began = time.perf_counter()
        await load._exchange(reader, writer, request)  # noqa: SLF001 - one request of that load
        times.append(time.perf_counter() - began)
        await asyncio.sleep(0.01)
    writer.close()
    return times


def _borne(found: Borne) -> Row:
    note = f"{len(found.seconds)} sockets cut, the last after {max(found.seconds):.1f} s"
    return Row(f"slow: {found.kind}", 0.0, 0.0, note)


def _spread(times: list[float]) -> str:
    cuts = statistics.quantiles(times, n=100)
    return f"{len(times):,}: p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms"
