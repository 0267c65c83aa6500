"""A load of webhooks over plain sockets, cheap enough to leave the CPU to what is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

_OK = b"HTTP/1.1 200"


@dataclass
class Load:
    """What was sent and how it was answered."""

    port: int
    connections: int
    ok: int = 0
    other: int = 0
    sent_at: dict[str, float] = field(default_factory=dict)

    async def pour(self, requests: Iterator[bytes]) -> None:
        """Send all of them as fast as they are answered."""
        await asyncio.gather(*(self._pour(requests) for _ in range(self.connections)))

    async def _pour(self, requests: Iterator[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for request in requests:
            await self._exchange(reader, writer, request)
        writer.close()

    async def drip(self, requests: Iterator[tuple[str, bytes]], rate: float) -> None:
        """Send so many a second, each at its time; `sent_at` keeps when, by its name."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[tuple[str, bytes] | None]()
        workers = [asyncio.create_task(self._drip(queue)) for _ in range(self.connections)]
        began = loop.time()
        for number, request in enumerate(requests):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            queue.put_nowait(request)
        for _ in workers:
            queue.put_nowait(None)
        await asyncio.gather(*workers)

    async def _drip(self, queue: asyncio.Queue[tuple[str, bytes] | None]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while (item := await queue.get()) is not None:
            name, request = item
            self.sent_at[name] = asyncio.get_running_loop().time()
            await self._exchange(reader, writer, request)
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.split(b":")[1]))
        if head.startswith(_OK):
            self.ok += 1
        else:
            self.other += 1
