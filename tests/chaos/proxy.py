"""A wire between services and broker that can be made slow, silent or cut: plain TCP, nothing of Kafka in it."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field

CHUNK = 256 * 1024


@dataclass(eq=False)
class Line:
    """One connection. A silent one is half open: both ends think that it stands, and nothing comes."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    silent: bool = False

    def cut(self) -> None:
        """Reset it: both ends hear of it at once."""
        for end in (self.client, self.server):
            if not end.is_closing():
                taken = end.get_extra_info("socket")
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.transport.abort()


@dataclass
class Proxy:
    """Listens on loopback and passes on to a port of the same machine."""

    target: int
    port: int
    latency: float = 0.0
    """Seconds that everything takes longer, each way."""
    lines: set[Line] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port, limit=CHUNK)

    async def close(self) -> None:
        if self._server:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> None:
        """Cut every connection."""
        for line in list(self.lines):
            line.cut()

    def silence(self) -> list[Line]:
        """Let nothing more through on the connections that stand; new ones are well."""
        silenced = list(self.lines)
        for line in silenced:
            line.silent = True
        return silenced

    async def _take(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            other, server = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
        except OSError:
            client.transport.abort()
            return
        line = Line(client, server)
        self.lines.add(line)
        try:
            await asyncio.gather(self._pass(line, reader, server), self._pass(line, other, client))
        finally:
            self.lines.discard(line)
            line.cut()

    async def _pass(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.latency:
                    await asyncio.sleep(self.latency)
                if line.silent:
                    continue
                if writer.is_closing():
                    return
                writer.write(data)
                await writer.drain()
        if not line.silent:
            writer.close()
