"""The number of a conversation for people: eight digits, the last a check digit, and not the one before plus one.

A counter per tenant, led through a permutation that only the tenant's secret knows: so numbers are unique without a
search, and who knows one cannot tell another. The check digit (H. M. Damm, 2004) catches every single wrong digit
and every swap of two neighbours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import count

from services.router.tables import COUNTERS, REFERENCES, Counter, ReferenceOf
from services.router.turn import Turn

FIRST, COUNT = 1_000_000, 9_000_000
"""Seven digits without a leading zero, which people leave out."""

MOST_TEXT = 2_000
"""Characters of a message in which a number is looked for."""

_HALF, _ROUNDS = 12, 4
_LOW = (1 << _HALF) - 1
_DAMM = (
    "0317598642",
    "7092154863",
    "4206871359",
    "1750983426",
    "6123045978",
    "3674209581",
    "5869720134",
    "8945362017",
    "9438617205",
    "2581436790",
)
_WRITTEN = re.compile(r"(?<![\d.,+-])(\d{4})[ .-]?(\d{4})(?![\d,-])")


def check_digit(digits: str) -> str:
    """Return the digit that belongs after `digits`."""
    interim = 0
    for digit in digits:
        interim = int(_DAMM[interim][int(digit)])
    return str(interim)


def is_sound(reference: str) -> bool:
    """Say whether these eight digits can be a reference."""
    return check_digit(reference) == "0"


def reference_of(key: bytes, used: int) -> str:
    """Return the reference of a tenant's conversation number `used` (0, 1, ...); they repeat after nine million."""
    digits = str(FIRST + _permuted(key, used % COUNT))
    return digits + check_digit(digits)


def take(turn: Turn, conversation: str) -> str:
    """Give a conversation a reference that no other one has."""
    counter = turn.state.get(COUNTERS, turn.oin) or Counter(used=0)
    numbered = ((used, reference_of(turn.served.key, used)) for used in count(counter.used))
    used, reference = next(pair for pair in numbered if conversation_of(turn, pair[1]) is None)
    turn.state.put(COUNTERS, turn.oin, Counter(used=used + 1))
    turn.state.put(REFERENCES, _key(turn, reference), ReferenceOf(conversation=conversation))
    return reference


def conversation_of(turn: Turn, reference: str) -> str | None:
    """Return whose reference this is."""
    found = turn.state.get(REFERENCES, _key(turn, reference))
    return found.conversation if found else None


def forget(turn: Turn, reference: str) -> None:
    """Let go of a reference."""
    turn.state.drop(REFERENCES, _key(turn, reference))


def written_in(text: str) -> Iterator[str]:
    """Yield what may be references in a text, in its order."""
    for found in _WRITTEN.finditer(text[:MOST_TEXT]):
        digits = found[1] + found[2]
        if digits.isascii() and is_sound(digits):
            yield digits


def _key(turn: Turn, reference: str) -> str:
    return f"{turn.oin}/{reference}"


def _permuted(key: bytes, number: int) -> int:
    """Walk the cycle of a permutation of 2^24 until it is back below COUNT: a permutation of what lies there."""
    number = _shuffled(key, number)
    while number >= COUNT:
        number = _shuffled(key, number)
    return number


def _shuffled(key: bytes, number: int) -> int:
    """One balanced Feistel network over two halves of twelve bits."""
    left, right = number >> _HALF, number & _LOW
    for turn in range(_ROUNDS):
        left, right = right, left ^ _mixed(key, turn, right)
    return left << _HALF | right


@lru_cache(maxsize=1_000)
def _keyed(key: bytes) -> blake2b:
    return blake2b(key[:64], digest_size=2, person=b"reference")


def _mixed(key: bytes, turn: int, half: int) -> int:
    digest = _keyed(key).copy()
    digest.update(bytes((turn,)) + half.to_bytes(2))
    return int.from_bytes(digest.digest()) & _LOW
