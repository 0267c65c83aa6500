"""HTTP connections that are given a time to come with a request: the server itself holds a half header for ever."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 65_536
"""Bytes of a request's line and headers, about: the server itself gathers them without end."""


class Impatient(HttpToolsProtocol):
    """Closes a connection on which no request's header is whole within `patience` seconds, or MAX_HEAD bytes.

    The time runs from the connection's start, and again from the end of each request. A body has a time of its own
    (body.py).
    """

    patience = 15.0
    _running: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the parent's
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless it is more than a header can be."""
        super().data_received(data)
        self._head = self._head + len(data) if self._running is not None else 0
        if self._head > MAX_HEAD:
            self.timeout_keep_alive_handler()

    def on_headers_complete(self) -> None:
        """Wait no longer: here is a request."""
        self._wait_no_longer()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next, unless it was here before the answer to the last one."""
        super().on_response_complete()
        if self.cycle.response_complete:
            self._wait()

    def _wait(self) -> None:
        self._running = self.loop.call_later(self.patience, self.timeout_keep_alive_handler)

    def _wait_no_longer(self) -> None:
        if self._running is not None:
            self._running.cancel()
            self._running = None


def impatient(seconds: float) -> type[Impatient]:
    """Return connections with this patience, for uvicorn to make."""
    return type("Impatient", (Impatient,), {"patience": seconds})
