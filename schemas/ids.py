"""Ids are functions of their cause, never of the clock: the same cause twice gives the same id."""

from __future__ import annotations

import re
from hashlib import blake2b
from hmac import digest
from typing import NamedTuple

_SEPARATOR = "\x1f"
_OUR_ID = re.compile(r"(?P<reply>[^.]{1,200})\.(?P<attempt>[0-9]{1,4})\.(?P<part>[0-9]{1,4})")


def message_id(secret: bytes, channel: str, inbox: str, external_id: str) -> str:
    """Return the id of a message: a keyed digest, so that nobody without the tenant's secret can guess it."""
    cause = _SEPARATOR.join((channel, inbox, external_id)).encode()
    return _uuid(digest(secret, cause, "sha256")[:16])


def pseudonym(secret: bytes, *words: str) -> str:
    """Return a keyed digest of something personal (an address), fit for a key: 32 hex digits."""
    return digest(secret, _SEPARATOR.join(words).encode(), "sha256")[:16].hex()


def derived(*cause: str | int) -> str:
    """Return the id of what follows from `cause`: the id of an event and what was made of it."""
    joined = _SEPARATOR.join(map(str, cause)).encode()
    return _uuid(blake2b(joined, digest_size=16).digest())


class OurId(NamedTuple):
    """Which part of which attempt at which reply."""

    reply: str
    attempt: int
    part: int


def our_id(reply: str, attempt: int, part: int) -> str:
    """Return what goes along with a part of a reply, so that a receipt can name it: `<reply>.<attempt>.<part>`."""
    return f"{reply}.{attempt}.{part}"


def read_our_id(text: str) -> OurId | None:
    """Read what `our_id` wrote; None when it is something else, since providers also give back what others sent."""
    found = _OUR_ID.fullmatch(text)
    return OurId(found["reply"], int(found["attempt"]), int(found["part"])) if found else None


def _uuid(sixteen: bytes) -> str:
    """Write 16 bytes as a UUID of version 8 (RFC 9562, section 5.8: vendor's own digest)."""
    hexed = sixteen.hex()
    variant = "89ab"[int(hexed[16], 16) & 3]
    return f"{hexed[:8]}-{hexed[8:12]}-8{hexed[13:16]}-{variant}{hexed[17:20]}-{hexed[20:]}"
