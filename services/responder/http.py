"""The network for channels: services.channels.base.Http on aiohttp: a tenth of httpx's CPU or less.

What matters is whether a failed call may have reached the provider. Connecting has a time-out of its own, shorter than
the whole call's: so when the whole call's strikes, there was a connection, and the request may have been written.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    InvalidURL,
    NonHttpUrlClientError,
    TCPConnector,
)

from schemas.events import Reason
from services.channels.base import HttpResponse, SendError

CONNECTING: Final = 0.5
"""The share of a call's deadline in which its connection must stand."""
IDLE: Final = 15.0
"""Seconds that an unused connection is kept: servers close theirs later, and a call on a closed one is in doubt."""
MOST: Final = 1_000_000
"""Bytes of an answer."""
NAME: Final = "berichtenhub"


class HttpCalls:
    """Make one with `open`, and close it."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    @classmethod
    def open(cls) -> HttpCalls:
        """Return one that has no limit of its own: the width of each inbox is the limit."""
        return cls(
            ClientSession(
                connector=TCPConnector(limit=0, keepalive_timeout=IDLE),
                cookie_jar=DummyCookieJar(),
                headers={"User-Agent": NAME},
                middlewares=(_once,),
                trust_env=False,
            )
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> HttpResponse:
        """Make one call, at most `deadline` seconds long. Raises SendError; see services.channels.base.Http."""
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, timeout=_timeout(deadline), allow_redirects=False
            ) as answer:
                return HttpResponse(answer.status, _by_lower_name(answer), await _read(answer))
        except (ValueError, NonHttpUrlClientError):
            # An address or header that cannot be (InvalidURL is one): our own, found before anything was written.
            raise SendError(Reason.ACCOUNT, code="address") from None
        except (ClientError, TimeoutError, OSError):
            raise SendError(Reason.UNKNOWN, code="cut-off") from None


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Judge a failure here, beneath the place where aiohttp would repeat a call of itself."""
    try:
        return await handler(request)
    except (ConnectionTimeoutError, ClientConnectorError):
        raise SendError(Reason.RETRY, code="connect") from None
    except (InvalidURL, NonHttpUrlClientError):
        raise
    except (ClientError, OSError):
        raise SendError(Reason.UNKNOWN, code="cut-off") from None


@lru_cache
def _timeout(deadline: float) -> ClientTimeout:
    """Return the bounds of a call; aiohttp would round those over its threshold up to whole seconds."""
    return ClientTimeout(total=deadline, connect=deadline * CONNECTING, ceil_threshold=deadline + 1)


def _by_lower_name(answer: ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


async def _read(answer: ClientResponse) -> bytes:
    body = b""
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MOST:
            raise SendError(Reason.UNKNOWN, code="answer-too-long")
    return body
