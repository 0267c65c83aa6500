"""The lexicon: stems in the words of a municipality, compiled once, searched in one pass.

`lantaarn` begins a word, `=bak` is a whole word, `~container` stands anywhere in a word (Dutch glues words together),
`street_light` are words in a row, and `=niet geleegd` is two things that must both be there, near each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Self

from services.classification.scopes import Span, denied_spans, landmark_spans
from services.classification.search import GluedSearch, Memory, Search
from services.classification.spelling import Dictionary
from services.classification.words import Words, fold

NEAR = 110
CLEAR = 1.3
ONLY_WHERE = 0.5
SHORTEST_BEGINNING = 5
SHORTEST_GLUED = 8
SEVERAL = 1.6
MISSPELT = 0.8


class StemError(ValueError):
    """The stem cannot be searched for; the message says why."""


@dataclass(frozen=True)
class Stem:
    """One line of the lexicon: `parts` are searched in the padded text; `weight` grows with how much is recognised."""

    written: str
    topic: str
    parts: tuple[str, ...]
    weight: float

    @classmethod
    def parse(cls, written: str, topic: str = "", factor: float = 1.0) -> Self:
        """Raises StemError when nothing is left to search for."""
        pieces = written.split()
        if not pieces or any(not fold(piece).strip("=~_ ") for piece in pieces):
            raise StemError("is empty")
        weight = (1 + 0.12 * min(len(pieces[0]), 12)) * (SEVERAL if len(pieces) > 1 else 1.0) * factor
        return cls(written, topic, tuple(_searched(piece) for piece in pieces), weight)

    @property
    def spelled(self) -> str:
        """As shown to an agent: without the signs."""
        return " + ".join(part.strip() for part in self.parts)

    @cached_property
    def needed(self) -> frozenset[str]:
        """All parts, for a quick look whether they are there."""
        return frozenset(self.parts)

    @property
    def is_single(self) -> bool:
        """One part, so that a longer stem can hide it."""
        return len(self.parts) == 1


def _searched(piece: str) -> str:
    words = " ".join(fold(piece.lstrip("=~")).replace("_", " ").split())
    if piece.startswith("~"):
        return words
    return f" {words} " if piece.startswith("=") else f" {words}"


class Hit(NamedTuple):
    """A stem found in the text, from `start` to `end` in the padded text."""

    stem: Stem
    start: int
    end: int
    factor: float = 1.0

    @property
    def weight(self) -> float:
        """How much it says, in the scale of Stem.weight."""
        return self.stem.weight * self.factor

    def hides(self, other: "Hit") -> bool:
        """`rioolrecht` is about a tax: the `riool` in it does not count."""
        longer = self.end - self.start > other.end - other.start
        return longer and self.start <= other.start and other.end <= self.end


@dataclass(frozen=True)
class Lexicon:
    """Compiled stems.

    `real_topics` say what a message is about (no greeting, no thank-you); `spelled_words` are what a misspelt word may
    have meant; `common_words` are never taken for misspelt.
    """

    stems: tuple[Stem, ...]
    real_topics: frozenset[str] = field(default_factory=frozenset)
    spelled_words: frozenset[str] = field(default_factory=frozenset)
    common_words: frozenset[str] = field(default_factory=frozenset)

    def compile(self) -> None:
        """Build now what the first message would otherwise wait for: half a second."""
        _ = self._search, self._glued_search, self._by_longest_part, self._dictionary

    def hits(self, words: Words) -> tuple[Hit, ...]:
        """What was recognised, in reading order; misspelt words only when the others do not say what it is about."""
        found = self._found(words.padded)
        said = self._says(found)
        if said >= CLEAR:
            return found
        repaired = self._found(self._repaired(words.padded), MISSPELT)
        return repaired if self._says(repaired) > said else found

    def _says(self, hits: Iterable[Hit]) -> float:
        return sum(hit.weight for hit in hits if hit.stem.topic in self.real_topics)

    def _found(self, padded: str, factor: float = 1.0) -> tuple[Hit, ...]:
        everywhere = self._occurrences(padded)
        asserted = _outside(everywhere, denied_spans(padded))
        hits = self._stems_in(asserted, factor) or self._stems_in(everywhere, factor)
        return self._with_places_in_the_background(hits, landmark_spans(padded))

    def _with_places_in_the_background(self, hits: tuple[Hit, ...], landmarks: Sequence[Span]) -> tuple[Hit, ...]:
        """`de lamp bij de school`: the school only says where, as long as something else says what."""
        says_where = [hit.stem.is_single and _inside((hit.start, hit.end), landmarks) for hit in hits]
        marked = list(zip(hits, says_where, strict=True))
        if not any(says_where) or self._says(hit for hit, where in marked if not where) < CLEAR:
            return hits
        return tuple(hit._replace(factor=hit.factor * ONLY_WHERE) if where else hit for hit, where in marked)

    def _occurrences(self, padded: str) -> dict[str, list[Span]]:
        """Where each part is; `prullen bak` and `gft-bak` are the words `prullenbak` and `gftbak`."""
        spans: dict[str, list[Span]] = defaultdict(list)
        for part, start, end in self._search.occurrences(padded):
            spans[part].append((start, end))
        for part, start, end in self._glued_search.occurrences(padded):
            spans[part].append((start, end))
        return spans

    def _stems_in(self, spans: Mapping[str, Sequence[Span]], factor: float) -> tuple[Hit, ...]:
        found = frozenset(spans)
        stems = (stem for part in spans for stem in self._by_longest_part.get(part, ()) if found >= stem.needed)
        hits = [hit for stem in stems for hit in _hit(stem, spans, factor)]
        singles = [hit for hit in hits if hit.stem.is_single]
        kept = (hit for hit in hits if not hit.stem.is_single or not any(other.hides(hit) for other in singles))
        return tuple(sorted(_first_of_each(kept), key=lambda hit: (hit.start, hit.stem.written)))

    def _repaired(self, padded: str) -> str:
        return f" {' '.join(self._meant.recall(word, self._repair) for word in padded.split())} "

    def _repair(self, word: str) -> str:
        return word if self._knows(word) else self._dictionary.meant(word) or word

    def _knows(self, word: str) -> bool:
        """A word that begins like some stem is no slip, and neither is a common word."""
        begun = max((end for _, start, end in self._search.in_word(word).found if start == 0), default=0)
        return word in self.common_words or begun > min(len(word), max(SHORTEST_BEGINNING, len(word) - 2))

    @cached_property
    def _by_longest_part(self) -> dict[str, list[Stem]]:
        return _grouped(self.stems)

    @cached_property
    def _search(self) -> Search:
        return Search({part: part for stem in self.stems for part in stem.parts})

    @cached_property
    def _glued_search(self) -> GluedSearch:
        parts = dict.fromkeys(part for stem in self.stems for part in stem.parts)  # in one order, whoever starts it
        return GluedSearch(
            {part.strip(): part for part in parts if len(part.strip()) >= SHORTEST_GLUED and " " not in part.strip()}
        )

    @cached_property
    def _meant(self) -> Memory[str]:
        return Memory()

    @cached_property
    def _dictionary(self) -> Dictionary:
        return Dictionary(self.spelled_words)


def _grouped(stems: Iterable[Stem]) -> dict[str, list[Stem]]:
    groups: dict[str, list[Stem]] = defaultdict(list)
    for stem in stems:
        groups[max(stem.parts, key=len)].append(stem)
    return groups


def _hit(stem: Stem, spans: Mapping[str, Sequence[Span]], factor: float) -> Iterator[Hit]:
    others = [spans[part] for part in stem.parts[1:]]
    for start, end in spans[stem.parts[0]]:
        if all(any(abs(other - start) <= NEAR for other, _ in found) for found in others):
            yield Hit(stem, start, end, factor)


def _outside(spans: Mapping[str, Sequence[Span]], denied: Sequence[Span]) -> Mapping[str, Sequence[Span]]:
    if not denied:
        return spans
    kept = {part: [span for span in found if not _inside(span, denied)] for part, found in spans.items()}
    return {part: found for part, found in kept.items() if found}


def _inside(span: Span, denied: Sequence[Span]) -> bool:
    return any(start <= span[0] < end for start, end in denied)


def _first_of_each(hits: Iterable[Hit]) -> Iterator[Hit]:
    first: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda hit: hit.start):
        first.setdefault(hit.stem.written, hit)
    yield from first.values()
