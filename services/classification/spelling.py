"""Misspelt words: how a Dutch word sounds, how far two spellings are apart, and which known word was meant."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

SHORTEST_WORD, ONE_SLIP_FROM, TWO_SLIPS_FROM = 5, 7, 10

_SOUNDS = (
    (re.compile(r"(?<=[^aeiouj])j(?=[aeou])"), "i"),
    (re.compile(r"ij|ei|ey|y"), "ei"),
    (re.compile(r"au|ou|auw|ouw"), "ou"),
    (re.compile(r"sch"), "sg"),
    (re.compile(r"c(?=[aoukrlt])|ck|q"), "k"),
    (re.compile(r"ch"), "g"),
    (re.compile(r"ph|v"), "f"),
    (re.compile(r"z"), "s"),
    (re.compile(r"ie"), "i"),
    (re.compile(r"dt\b|d\b"), "t"),
    (re.compile(r"b(?=t?\b)"), "p"),
    (re.compile(r"(.)\1+"), r"\1"),
)


def sound(word: str) -> str:
    """Words that sound alike become equal: `grovvuil` and `grofvuil`, `verkeersbort` and `verkeersbord`."""
    for spelling, heard in _SOUNDS:
        word = spelling.sub(heard, word)
    return word


def slips(meant: str, written: str, most: int) -> int:
    """Fewest slips from `meant` to some beginning of `written`; stops above `most`.

    A slip is a letter too many, missing or wrong, or two swapped.
    """
    before: list[int] = []
    row = list(range(min(len(written), len(meant) + most) + 1))
    for i, letter in enumerate(meant, start=1):
        before, row = row, _next_row(meant, written, i, letter, before, row)
        if min(row) > most:
            return most + 1
    return min(row)


def _next_row(meant: str, written: str, i: int, letter: str, before: list[int], row: list[int]) -> list[int]:
    fresh = [i]
    for j in range(1, len(row)):
        other = written[j - 1]
        cost = min(row[j] + 1, fresh[j - 1] + 1, row[j - 1] + (letter != other))
        if i > 1 and j > 1 and letter == written[j - 2] and meant[i - 2] == other:
            cost = min(cost, before[j - 2] + 1)
        fresh.append(cost)
    return fresh


@dataclass(frozen=True)
class _Known:
    word: str
    sound: str
    most: int


class Dictionary:
    """Finds the known word that a misspelt one begins with.

    Candidates share the first letter and, by the pigeonhole principle, one whole piece.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._pieces: dict[str, list[tuple[int, _Known]]] = defaultdict(list)
        self._lengths: set[int] = set()
        for word in sorted(set(words)):
            if len(word) >= SHORTEST_WORD and word.isalpha() and word.isascii():
                self._add(_Known(word, sound(word), _most_slips(sound(word))))

    def _add(self, known: _Known) -> None:
        for start, piece in _cut(known.sound, known.most + 1):
            self._lengths.add(len(piece))
            self._pieces[known.sound[0] + piece].append((start, known))

    def meant(self, token: str) -> str | None:
        """The known word nearest to `token`, or None. Ties go to the longer word, then by the alphabet."""
        if len(token) < SHORTEST_WORD or not token.isascii() or not token.isalpha():
            return None
        heard = sound(token)
        ranked = sorted(
            (distance, -len(known.word), known.word)
            for known in self._candidates(heard)
            if (distance := slips(known.sound, heard, known.most)) <= known.most and len(token) >= len(known.word) - 2
        )
        return ranked[0][2] if ranked else None

    def _candidates(self, heard: str) -> set[_Known]:
        return {
            known
            for length in self._lengths
            for at in range(len(heard) - length + 1)
            for start, known in self._pieces.get(heard[0] + heard[at : at + length], ())
            if abs(start - at) <= known.most
        }


def _most_slips(heard: str) -> int:
    if len(heard) < ONE_SLIP_FROM:
        return 0
    return 1 if len(heard) < TWO_SLIPS_FROM else 2


def _cut(word: str, pieces: int) -> list[tuple[int, str]]:
    edges = [len(word) * n // pieces for n in range(pieces + 1)]
    return [(start, word[start:end]) for start, end in pairwise(edges) if end > start]
