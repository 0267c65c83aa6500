"""Finding many stems in a text at once. What a word holds by itself is remembered: people use the same words.

Only words are remembered, never texts, and not more than MOST_WORDS of them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

MOST_WORDS = 20_000

T = TypeVar("T")
Found = tuple[str, int, int]
"""What was searched for, and where it starts and ends."""


class Branch(dict[str, "Branch"]):
    """A tree of letters; `ends` is what was spelled to get here, if that is searched for."""

    ends: str | None = None


def grown(endings: Mapping[str, str]) -> Branch:
    """Return the tree in which each spelling ends with what it stands for."""
    root = Branch()
    for searched, part in endings.items():
        branch = root
        for char in searched:
            branch = branch.setdefault(char, Branch())
        branch.ends = part
    return root


class InWord(NamedTuple):
    """What a word holds: what ends in it, and what may end in the words after it (from where, and how far it got)."""

    found: tuple[Found, ...]
    onward: tuple[tuple[Branch, int], ...]


class Memory(dict[str, T]):
    """Answers by word; forgotten all at once when there are too many."""

    def recall(self, word: str, learn: Callable[[str], T]) -> T:
        """Return the answer for a word, found out the first time."""
        known = self.get(word)
        if known is None:
            if len(self) >= MOST_WORDS:
                self.clear()
            known = self[word] = learn(word)
        return known


class Search:
    """Finds what begins at any letter of a padded text, also across words."""

    def __init__(self, endings: Mapping[str, str]) -> None:
        self._root = grown(endings)
        self._memory: Memory[InWord] = Memory()

    def occurrences(self, padded: str) -> Iterator[Found]:
        """Return all there are, in reading order."""
        at = 0
        for word in padded.split():
            held = self.in_word(word)
            for part, start, end in held.found:
                yield part, at + start, at + end
            for branch, start in held.onward:
                yield from _onward(branch, padded, at + start, at + len(word) + 2)
            at += len(word) + 1

    def in_word(self, word: str) -> InWord:
        """Return what a word holds, counted from the space before it."""
        return self._memory.recall(word, self._learn)

    def _learn(self, word: str) -> InWord:
        padded, found, onward = f" {word} ", list[Found](), list[tuple[Branch, int]]()
        for start in range(len(word) + 1):
            branch: Branch | None = self._root
            for at in range(start, len(padded)):
                branch = branch.get(padded[at]) if branch else None
                if branch is None:
                    break
                if branch.ends is not None:
                    found.append((branch.ends, start, at + 1))
            if branch:
                onward.append((branch, start))
        return InWord(tuple(found), tuple(onward))


class GluedSearch:
    """Finds what is spelled over several words as if they were one: `prullen bak`."""

    def __init__(self, endings: Mapping[str, str]) -> None:
        self._root = grown(endings)
        self._memory: Memory[Branch] = Memory()

    def occurrences(self, padded: str) -> Iterator[Found]:
        """Return all that begin with a word and end in a later one; from the space before to the last letter's end."""
        at = 0
        for word in padded.split():
            branch = self._memory.recall(word, self._learn)
            if branch:
                yield from self._across(branch, padded, at, at + len(word) + 2)
            at += len(word) + 1

    def _across(self, branch: Branch, padded: str, start: int, begin: int) -> Iterator[Found]:
        for at in range(begin, len(padded)):
            if padded[at] == " ":
                continue
            following = branch.get(padded[at])
            if following is None:
                return
            branch = following
            if branch.ends is not None:
                yield branch.ends, start, at + 1

    def _learn(self, word: str) -> Branch:
        """Return how far the word gets; an empty branch when it gets nowhere."""
        branch = self._root
        for char in word:
            following = branch.get(char)
            if following is None:
                return _NOWHERE
            branch = following
        return branch


_NOWHERE = Branch()


def _onward(branch: Branch, padded: str, start: int, begin: int) -> Iterator[Found]:
    for at in range(begin, len(padded)):
        following = branch.get(padded[at])
        if following is None:
            return
        branch = following
        if branch.ends is not None:
            yield branch.ends, start, at + 1
