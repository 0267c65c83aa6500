"""What every channel is asked, as functions: each raises AssertionError that says what is missing, in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.events import Reason
from services.channels.base import (
    Challenges,
    Channel,
    ChannelError,
    Endpoint,
    FetchesMedia,
    Item,
    Rejected,
    Request,
    SendError,
    VerificationError,
)
from tests.channels.cases import Case
from tests.channels.peers import check_same
from tests.channels.written import written

HEADINGS = (
    "What it carries",
    "What you need",
    "Settings",
    "Secrets",
    "Limits",
    "Errors",
    "What it cannot do",
)
FOR_NOW = {Reason.RETRY, Reason.RATE_LIMIT}
FOR_GOOD = {Reason.RECIPIENT, Reason.CONTENT, Reason.WINDOW_CLOSED, Reason.ACCOUNT}


def check_readme(text: str) -> None:
    """Every heading that a reader looks for, in the order they look for it."""
    found = [line.strip("# ").strip() for line in text.splitlines() if line.startswith("## ")]
    missing = [heading for heading in HEADINGS if heading not in found]
    assert not missing, f"README.md has no heading {missing}"


def check_cases(channel: Channel, cases: Sequence[Case]) -> None:
    """The least that a channel has to show."""
    missing = [wanted for wanted, found in _wanted(channel, cases).items() if not found]
    assert not missing, f"no case of: {', '.join(missing)}"
    unspoken = [case.id for case in cases if not case.told.get("says")]
    assert not unspoken, f"cases that do not say what they promise: {unspoken}"


def _wanted(channel: Channel, cases: Sequence[Case]) -> dict[str, bool]:
    kinds = {case.kind for case in cases}
    reasons = {case.error["reason"] for case in cases if case.kind == "send" and case.error}
    wanted = {
        "parse": "parse" in kinds,
        "forged": "forged" in kinds,
        "a send that goes well": any(case.kind == "send" and not case.error for case in cases),
        "a send that fails for now": bool(reasons & FOR_NOW),
        "a send that fails for good": bool(reasons & FOR_GOOD),
    }
    if isinstance(channel, Challenges):
        wanted["challenge"] = "challenge" in kinds
    if isinstance(channel, FetchesMedia):
        wanted["fetch"] = "fetch" in kinds
    return wanted


def check_read(case: Case) -> list[Item]:
    """Genuine, and read as the case says, twice the same."""
    channel, request, endpoint = case.channel, case.request, case.endpoint
    channel.verify(request, endpoint)
    first, second = channel.parse(request, endpoint), channel.parse(request, endpoint)
    got = [written(item, case.body) for item in first]
    assert got == [written(item, case.body) for item in second], "read twice, it says two things"
    assert got == case.expected["items"], "what was read:\n" + json.dumps(got, ensure_ascii=False, indent=1)
    return first


def check_refused(channel: Channel, request: Request, endpoint: Endpoint) -> VerificationError:
    """Not the provider's: refused, and by no other exception."""
    try:
        channel.verify(request, endpoint)
    except VerificationError as refusal:
        return refusal
    raise AssertionError("verify let it pass")


def check_silent(told: str, words: Iterable[str]) -> None:
    """No secret and no word of a citizen where it does not belong."""
    found = [word for word in words if word in told]
    assert not found, f"{len(found)} words that may stand nowhere: {found}"


def check_garbage(items: object) -> None:
    """What is no message is set aside, whole or piece by piece, or is nothing."""
    assert isinstance(items, list)
    assert all(isinstance(item, Rejected) for item in items), [type(item).__name__ for item in items]


def check_error(error: SendError, expected: Mapping[str, Any]) -> None:
    """The error says what the case names."""
    got = {"reason": error.reason, "code": error.code, "after": error.after, "scope": error.scope}
    check_same({name: got[name] for name in expected}, expected)


def said_by(error: ChannelError) -> str:
    """Return all that a log would show of an exception: its own text, and of those it came from."""
    texts, link = [], error
    seen: BaseException | None = link
    while seen is not None:
        texts += [str(seen), repr(seen)]
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "\n".join(texts)


def proofs(channel: Channel, request: Request, endpoint: Endpoint) -> list[str]:
    """Return the headers without which the request is not believed."""
    return [name for name, _ in request.headers if _needed(name, channel, request, endpoint)]


def _needed(name: str, channel: Channel, request: Request, endpoint: Endpoint) -> bool:
    without = [pair for pair in request.headers if pair[0] != name]
    try:
        channel.verify(with_headers(request, without), endpoint)
    except VerificationError:
        return True
    return False


def with_headers(request: Request, headers: Sequence[tuple[str, str]]) -> Request:
    """Return the same request with other headers."""
    return Request(request.method, request.url, headers, request.body, request.envelope)


def with_body(request: Request, body: bytes) -> Request:
    """Return the same request with another body."""
    return Request(request.method, request.url, request.headers, body, request.envelope)
