"""How every client of ours reaches the broker, and how it lets go of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.helpers import create_ssl_context

from services.runtime.process.settings import KafkaSettings
from services.runtime.process.stop import bounded

STOP = 5.0
"""Seconds that a client may take to end."""

BROKER_ERRORS = (KafkaError, TimeoutError, OSError)
"""What a client raises when the broker is away, or refuses us."""

Connection = Mapping[str, Any]
"""Arguments that every client of aiokafka takes."""


def plain(bootstrap: str) -> Connection:
    """Return the connection to a broker that asks nothing: tests, `make run`."""
    return {"bootstrap_servers": bootstrap}


def connection(settings: KafkaSettings) -> Connection:
    """Return the connection that the settings describe. Certificates are read now: a new one needs a restart."""
    return {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security,
        **(_tls(settings) if settings.security in {"SSL", "SASL_SSL"} else {}),
        **(_sasl(settings) if settings.security.startswith("SASL") else {}),
    }


def _tls(settings: KafkaSettings) -> dict[str, Any]:
    files = {"cafile": settings.ca_file, "certfile": settings.cert_file, "keyfile": settings.key_file}
    return {"ssl_context": create_ssl_context(**{name: str(path) for name, path in files.items() if path})}


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.username,
        "sasl_plain_password": settings.password.get_secret_value() if settings.password else None,
    }


class Client(Protocol):
    """A consumer or producer of aiokafka."""

    async def start(self) -> None: ...  # noqa: D102 - aiokafka's
    async def stop(self) -> None: ...  # noqa: D102


async def started(client: Client) -> None:
    """Start a client; what was begun of it is closed again when that fails."""
    try:
        await client.start()
    except BaseException:
        await closed(client)
        raise


async def closed(client: Any) -> None:  # noqa: ANN401 - the inner client is an attribute of two names
    """Close a client within bounds. Its stop() can hang while the broker is away, and leaves sockets open then."""
    inner = getattr(client, "client", None) or client._client  # noqa: SLF001
    try:
        await bounded("client", client.stop(), STOP)
    finally:
        await bounded("sockets", inner.close(), STOP)


class Closing:
    """Clients that are being closed while work goes on."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, closing: Coroutine[Any, Any, None]) -> None:
        """Close something in the background."""
        task = asyncio.create_task(closing, name="closing")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def wait(self) -> None:
        """Return when all are closed; each is bounded."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


def heard(future: asyncio.Future[Any]) -> None:
    """Take note of how a send ended also when nobody waits for it any more."""
    if not future.cancelled():
        future.exception()


_send = AIOKafkaConnection.send


def _send_or_break(self: AIOKafkaConnection, request: Any, expect_response: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002
    """Send as aiokafka does, and say of a connection that was reset what it counts on hearing.

    A transport of uvloop raises RuntimeError when it is written to after its end, where one of asyncio's says nothing
    and a socket OSError. Let through, it ends the consumer's fetching for good, and whoever else asked.
    """
    try:
        return _send(self, request, expect_response=expect_response)
    except RuntimeError as error:
        self.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"connection at {self.host}:{self.port} was reset") from error


AIOKafkaConnection.send = _send_or_break
