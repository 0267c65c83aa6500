"""What a bounce means: why it did not arrive, and whether the address is dead.

A table, read from the top; the first row that fits decides. Words come before numbers, since a server's own words say
more than its number: of the bounces with 5.x.x that were looked at, most addresses were alive (full, blocked, refused
for what was in the mail). So `dead` needs words or a number that speak of the address or its domain itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.events import Reason


@dataclass(frozen=True, slots=True)
class Meaning:
    """Why it did not arrive; `dead`: this address never will."""

    reason: Reason
    dead: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    says: str
    """For the reader of this table."""
    meaning: Meaning
    status: str = ""
    words: str = ""

    def fits(self, status: str, words: str) -> bool:
        return _fits(self.status, status) and _fits(self.words, words)


def _fits(pattern: str, text: str) -> bool:
    return not pattern or re.search(pattern, text, re.IGNORECASE) is not None


_LATER = Meaning(Reason.RETRY)
_FULL = Meaning(Reason.RECIPIENT)
_DEAD = Meaning(Reason.RECIPIENT, dead=True)
_WORDS = Meaning(Reason.CONTENT)
_OURS = Meaning(Reason.ACCOUNT)

_TABLE = (
    _Row("their delivery program broke", _LATER, words=r"^\s*x-unix\b|procmail|command output|local delivery error"),
    _Row(
        "nobody answered for days",
        _LATER,
        words=r"expired|timed? ?out|for a long time|not accept our requests|host not reachable|no route to host"
        r"|connection refused|could not be delivered for|delay reason|network is unreachable",
    ),
    _Row("the mailbox is full", _FULL, words=r"mailbox.{0,20}full|quota|storage|overlimit|mailbox is vol"),
    _Row(
        "the recipient is refused by name",
        _DEAD,
        words=r"recipient address rejected|recipient ?not ?found|user unknown|unknown (user|recipient)"
        r"|no such (user|mailbox|recipient)"
        r"|name is not recognized|does not exist on|mailbox not found|no longer on server|recipient rejected"
        r"|account that you tried to reach does not exist|invalid recipient|onbekende (gebruiker|ontvanger)"
        r"|\u30c7\u30a3\u30ec\u30af\u30c8\u30ea\u306e\u30ea\u30b9\u30c8\u306b\u3042\u308a\u307e\u305b\u3093",
    ),
    _Row(
        "the domain is not there",
        _DEAD,
        words=r"unknown host|host (or domain name )?not found|find a mail exchanger|domain is not reachable"
        r"|does not accept mail|null ?mx|no mx or a for domain",
    ),
    _Row(
        "we are refused: not authenticated, no name, a bad name",
        _OURS,
        words=r"dmarc|\bspf\b|dkim|\bptr\b|reputation|authentication required|authrequired|unverifyable"
        r"|sender (address )?(rejected|refused|denied)|sender address .{0,80} does not exist"
        r"|messages from .{0,60} weren't sent"
        r"|no such domain|block ?list|blacklist|access denied",
    ),
    _Row(
        "what was in it is refused",
        _WORDS,
        words=r"spam|\bube\b|virus|malware|suspicious|content rejected|polic(y|ies)|not allowed"
        r"|message too (big|large)",
    ),
    _Row("the account is closed for now", _FULL, words=r"disabled|discontinued|suspended", status=r"^(?!5\.1\.)"),
    _Row("by number: nobody of that name, or moved", _DEAD, status=r"^5\.1\.(0|1|2|3|4|6|9|10|351)$"),
    _Row("by number: our address or domain", _OURS, status=r"^5\.1\.[78]$|^5\.7\.(8|9|1[0-9]|2[0-9]|5\d\d)$"),
    _Row("by number: full, closed or moved for now", _FULL, status=r"^[45]\.2\."),
    _Row("by number: too big, a loop, refused by a rule", _WORDS, status=r"^5\.(3\.4|4\.6|4\.14|6\.\d+|7\.\d+)$"),
    _Row("by number: no way there", _DEAD, status=r"^5\.4\.4$"),
    _Row("by number: later", _LATER, status=r"^4\.|^4\d\d$|^5\.4\."),
    _Row("nothing we know", Meaning(Reason.OTHER)),
)


def meaning(status: str | None, words: str) -> Meaning:
    """Return what a status (`5.1.1`, or a reply `550`) and a server's words mean."""
    return next(row.meaning for row in _TABLE if row.fits(status or "", words))
