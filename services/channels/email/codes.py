"""What a mail server's refusal means for us: enhanced status codes (RFC 3463 and its registry) and replies.

The same words mean the same in an answer to our own call and in a bounce that comes days later; only the first digit
of a bounce says less: many servers write 5 for "not now" and 5.1.1 for anything. So `dead` is true only where the
address itself is said not to exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from schemas.events import Reason


class Stage(StrEnum):
    """How far one delivery was when it was refused: the later, the less it is the address."""

    CONNECT = "connect"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's refusal: three digits and, where it has one, the enhanced status."""

    code: int
    enhanced: str | None = None

    @property
    def best(self) -> str:
        """The more precise of both, as data."""
        return self.enhanced or str(self.code)


_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")


def reply(code: int, text: str) -> Reply:
    """Read a reply: the enhanced status is the first thing in its text (RFC 2034)."""
    found = _ENHANCED.match(text.strip())
    return Reply(code, found.group(1) if found else None)


def reason(refusal: Reply, stage: Stage) -> Reason:
    """Return what follows from a refusal of one call of ours."""
    if refusal.code < _PERMANENT:
        return Reason.RATE_LIMIT if refusal.enhanced in _TOO_FAST else Reason.RETRY
    return _by_enhanced(refusal.enhanced) or _BY_CODE.get(refusal.code) or _BY_STAGE[stage]


def _by_enhanced(status: str | None) -> Reason | None:
    return _BY_STATUS.get((status or "").partition(".")[2])


_PERMANENT = 500
_TOO_FAST = {"4.7.0", "4.7.28", "4.7.29", "4.7.650", "4.5.3"}
_BY_STAGE = {
    Stage.CONNECT: Reason.ACCOUNT,
    Stage.LOGIN: Reason.ACCOUNT,
    Stage.SENDER: Reason.ACCOUNT,
    Stage.RECIPIENT: Reason.RECIPIENT,
    Stage.CONTENT: Reason.CONTENT,
}
_BY_CODE = {
    530: Reason.ACCOUNT,
    534: Reason.ACCOUNT,
    535: Reason.ACCOUNT,
    538: Reason.ACCOUNT,
    552: Reason.CONTENT,
}
_BY_STATUS = {
    "1.1": Reason.RECIPIENT,
    "1.2": Reason.RECIPIENT,
    "1.3": Reason.RECIPIENT,
    "1.6": Reason.RECIPIENT,
    "1.7": Reason.ACCOUNT,
    "1.8": Reason.ACCOUNT,
    "1.10": Reason.RECIPIENT,
    "2.0": Reason.RECIPIENT,
    "2.1": Reason.RECIPIENT,
    "2.2": Reason.RECIPIENT,
    "2.3": Reason.CONTENT,
    "3.4": Reason.CONTENT,
    "4.6": Reason.CONTENT,
    "4.14": Reason.CONTENT,
    "6.0": Reason.CONTENT,
    "7.8": Reason.ACCOUNT,
    "7.9": Reason.ACCOUNT,
    "7.25": Reason.ACCOUNT,
    "7.26": Reason.ACCOUNT,
}
