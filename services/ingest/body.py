"""Reading a request's body: never more than it may be, never longer than it may take.

Unread          the body is not had
  TooLarge      413
  TooSlow       408
  Gone          the sender hung up: nobody is left to answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from services.ingest.answers import Receive


class Unread(Exception):
    """The body could not be had."""


class TooLarge(Unread):
    """More bytes than are taken."""


class TooSlow(Unread):
    """The last byte did not come in time."""


class Gone(Unread):
    """The sender hung up before the last byte."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a body may be (bytes), and how long it may take to come (seconds)."""

    size: int
    seconds: float


async def read_body(headers: Iterable[tuple[bytes, bytes]], receive: Receive, limits: BodyLimits) -> bytes:
    """Return the whole body; raises Unread."""
    if _announced(headers) > limits.size:
        raise TooLarge
    try:
        async with asyncio.timeout(limits.seconds):
            return await _all_of_it(receive, limits.size)
    except TimeoutError:
        raise TooSlow from None


async def _all_of_it(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _announced(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the Content-Length; what is no number is left to the server, which refuses it."""
    found = next((value for name, value in headers if name == b"content-length"), b"0")
    return int(found) if found.isdigit() else 0
