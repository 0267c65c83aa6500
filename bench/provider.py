"""A provider that is cheap to run, so that the CPU is left to whom we measure: raw HTTP on a thread of its own."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections import defaultdict
from typing import Self, cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ACCOUNT = re.compile(rb"POST /[^/]+/([^/]+)/messages")
_OURS = re.compile(rb'"biz_opaque_callback_data": *"([^"]+)"')
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"


class Provider:
    """Takes a message, and says so after `seconds`; never, for accounts that are stalled. Leaving the block ends it."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.calls: dict[str, list[tuple[float, str]]] = defaultdict(list)
        """By account: when, and our id."""
        self.stalled: set[str] = set()
        self.hung: list[_Line] = []
        self.port = 0
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.AbstractServer | None = None

    def __enter__(self) -> Self:
        """Start it, with its door shut."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def open(self, port: int = 0) -> None:
        """Open the door."""
        asyncio.run_coroutine_threadsafe(self._open(port), self._loop).result(10)

    def release(self) -> None:
        """Let no account be stalled, and answer who was."""
        self._loop.call_soon_threadsafe(self._release)

    async def _open(self, port: int) -> None:
        door = socket.create_server(("127.0.0.1", port), backlog=2048)
        self.port = door.getsockname()[1]
        self._server = await self._loop.create_server(lambda: _Line(self), sock=door)

    def _release(self) -> None:
        self.stalled.clear()
        for line in self.hung:
            line.answer("late")
        self.hung.clear()


class _Line(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, provider: Provider) -> None:
        self._provider, self._got = provider, bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head = self._got.find(b"\r\n\r\n")
        length = _LENGTH.search(self._got) if head > 0 else None
        if length and len(self._got) >= head + 4 + int(length[1]):
            self._took(bytes(self._got))
            self._got.clear()

    def _took(self, request: bytes) -> None:
        account, ours = _found(_ACCOUNT, request), _found(_OURS, request)
        self._provider.calls[account].append((time.monotonic(), ours))
        if account in self._provider.stalled:
            self._provider.hung.append(self)
        else:
            asyncio.get_running_loop().call_later(self._provider.seconds, self.answer, ours)

    def answer(self, ours: str) -> None:
        """Say that it was taken."""
        body = b'{"messages":[{"id":"wamid.%s"}]}' % ours.encode()
        if self._transport and not self._transport.is_closing():
            self._transport.write(_ANSWER % (len(body), body))


def _found(pattern: re.Pattern[bytes], request: bytes) -> str:
    found = pattern.search(request)
    return found[1].decode() if found else "?"
