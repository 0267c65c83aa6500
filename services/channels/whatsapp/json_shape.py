"""Reading somebody else's JSON without trusting its shape: every value may be missing or of another type."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

Json = dict[str, object]

_MILLISECONDS_FROM: Final = 100_000_000_000
"""Seconds reach this in the year 5138; anything larger is in ms, or finer still."""
_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")


class Malformed(ValueError):
    """Something that must be there is not. The message is a constant of ours, never a word of theirs."""


def loads(body: bytes) -> object:
    """Return what the JSON says; raises ValueError or RecursionError.

    A byte that is no UTF-8 and half a surrogate pair are read as U+FFFD: one bad character must not cost all words.
    """
    text = body.decode("utf-8-sig", errors="replace")
    said: object = json.loads(text)
    return _mended(said) if _ESCAPED_HALF.search(text) else said


def _mended(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(inner) for key, inner in value.items()}
    return [_mended(inner) for inner in value] if isinstance(value, list) else value


def mapping(value: object) -> Json:
    """Return the object, or an empty one."""
    return value if isinstance(value, dict) else {}


def pieces(value: object) -> list[object]:
    """Return the list; of anything else, a list of just that; of nothing, none."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def word(value: object) -> str | None:
    """Return a string that says something; a whole number counts as one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def required(value: object, missing: str) -> str:
    """Return the word; raises Malformed with `missing`."""
    found = word(value)
    if found is None:
        raise Malformed(missing)
    return found


def moment(value: object) -> datetime | None:
    """Return a time from seconds, ms or finer since 1970, as number or digits; None when it is no such thing."""
    digits = word(value)
    if digits is None or not digits.isascii() or not digits.isdigit():
        return None
    seconds, unit = int(digits[:20]), 1
    while seconds // unit > _MILLISECONDS_FROM:
        unit *= 1000
    return datetime.fromtimestamp(seconds / unit, UTC)


_NO_WORDS: Final = frozenset(
    {"id", "type", "mime_type", "sha256", "file", "timestamp", "wa_id", "user_id", "parent_user_id"}
)


def words(value: object, without: frozenset[str] = frozenset(), key: str = "") -> list[str]:
    """Return every string inside, in order, but those that are ids and types or stand under a key of `without`."""
    if isinstance(value, str):
        return [value] if value and key not in _NO_WORDS and key not in without else []
    if isinstance(value, dict):
        return [found for name, inner in value.items() for found in words(inner, without, name)]
    return [found for inner in value for found in words(inner, without, key)] if isinstance(value, list) else []


def dumps(value: object) -> str:
    """Return it as JSON, readable."""
    return json.dumps(value, ensure_ascii=False)


def digest(value: object) -> str:
    """Return an id for what Meta gave none: the same thing, redelivered, has the same."""
    return sha256(dumps(value).encode()).hexdigest()[:32]
