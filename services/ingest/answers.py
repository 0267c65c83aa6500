"""What a provider is answered: a closed list of outcomes, each with one constant answer that tells a forger nothing."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Scope = MutableMapping[str, Any]


class Outcome(StrEnum):
    """How a request ended."""

    ACCEPTED = "accepted"
    """Kept for sure; dead letters count as kept."""
    CHALLENGED = "challenged"
    """It asked who we are, and was told."""
    REFUSED = "refused"
    """Not from the provider."""
    FORBIDDEN = "forbidden"
    """The token does not allow it."""
    INVALID = "invalid"
    """Not as described: a publisher's own mistake."""
    UNKNOWN_PATH = "unknown-path"
    WRONG_METHOD = "wrong-method"
    TOO_LARGE = "too-large"
    TOO_SLOW = "too-slow"
    GONE = "gone"
    """It hung up before its last byte."""
    NOT_NOW = "not-now"
    """Not kept: it must come again."""
    FAILED = "failed"
    """Our own fault, logged."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, made once."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    async def send(self, send: Send) -> None:
        """Give it."""
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})


def answer(status: int, content_type: str, body: bytes, **headers: str) -> Answer:
    """Return an answer; a header's name is written with underscores."""
    named = {"content-type": content_type, "content-length": str(len(body)), "x-content-type-options": "nosniff"}
    all_of_them = named | {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body, tuple((name.encode(), value.encode()) for name, value in all_of_them.items()))


def problem(status: HTTPStatus, detail: str, **headers: str) -> Answer:
    """Return a refusal as RFC 9457 has it."""
    said = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return answer(status, "application/problem+json", json.dumps(said).encode(), **headers)


RETRY_AFTER = 10
"""Seconds after which a sender may come again."""

ANSWERS: Mapping[Outcome, Answer] = {
    Outcome.ACCEPTED: answer(200, "text/plain", b""),
    Outcome.REFUSED: problem(HTTPStatus.UNAUTHORIZED, "This request does not prove where it comes from."),
    Outcome.UNKNOWN_PATH: problem(HTTPStatus.NOT_FOUND, "Nothing listens here."),
    Outcome.WRONG_METHOD: problem(HTTPStatus.METHOD_NOT_ALLOWED, "Use GET or POST.", allow="GET, POST"),
    Outcome.TOO_LARGE: problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large.", connection="close"),
    Outcome.TOO_SLOW: problem(HTTPStatus.REQUEST_TIMEOUT, "The body took too long.", connection="close"),
    Outcome.NOT_NOW: problem(
        HTTPStatus.SERVICE_UNAVAILABLE, "It could not be kept just now.", retry_after=str(RETRY_AFTER)
    ),
    Outcome.FAILED: problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The fault is ours.", retry_after=str(RETRY_AFTER)),
}
"""What a provider hears. A challenge and a publisher have answers of their own; who hung up hears nothing."""
