"""The HTTP server: uvicorn, started and stopped by us, with its signals, logs and limits in our hands."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from services.runtime.process.log import get_logger
from services.runtime.process.stop import bounded

log = get_logger()


class HttpServer:
    """Serves one app on one port.

    `patience` is how many seconds requests may take to end when we stop; `protocol` speaks HTTP on one connection,
    when that is to be other than uvicorn's own.
    """

    def __init__(self, app: ASGIApp, patience: float, protocol: type[asyncio.Protocol] | None = None) -> None:
        config = uvicorn.Config(
            app,
            http=protocol or "auto",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=math.ceil(patience),
        )
        self._server, self._patience = _Server(config), patience
        self._running: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self, host: str, port: int, ended: Callable[[], None]) -> None:
        """Listen; port 0 takes a free one, and `port` then says which. `ended` is called when it ends by itself."""
        listening = _listen(host, port)
        self.port = listening.getsockname()[1]
        self._running = asyncio.create_task(self._server.serve(sockets=[listening]))
        self._running.add_done_callback(lambda _task: None if self._server.should_exit else ended())
        await self._server.ready.wait()
        log.info("http_listening", host=host, port=self.port)

    async def close(self) -> None:
        """Take no new connection, let requests end, and return; bounded."""
        self._server.should_exit = True
        if self._running is not None:
            await bounded("close HTTP", self._running, self._patience + 2)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's own (services/runtime/process/stop.py)."""
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)
