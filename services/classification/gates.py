"""What a message is when it is not simply about a topic: an emergency, a thank-you, only a place, only a photo."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.classification.lexicon import Hit
from services.classification.taxonomy import Gate, Taxonomy
from services.classification.words import MOST_CHARACTERS, Words, fold

MEDIA_KINDS = frozenset({"image", "audio", "video", "document", "sticker", "voice", "file"})
PLACE_KINDS = frozenset({"location"})

LONGEST_PLACE, WORDS_BESIDE_A_PLACE = 120, 4
LONGEST_STOP, LONGEST_GREETING = 4, 6

_COORDINATES = re.compile(r"-?\d{1,2}[.,]\d{3,}°?\s*[nz]?\s*[,;/ ]\s*-?\d{1,3}[.,]\d{3,}")
_MAP_LINK = re.compile(
    r"(?:https?://)?\S*(?:maps\.|/maps|openstreetmap|what3words|w3w\.co)\S*|geo:\S+|///\w+\.\w+\.\w+"
)
_POSTCODE = re.compile(r"\b[1-9]\d{3} ?[a-z]{2}\b")
_HOUSE = re.compile(
    r"\b(?:[\w'-]{1,30} ){0,2}[\w'-]{0,30}(?:straat|str|laan|weg|plein|dreef|gracht|singel|kade|dijk|steeg|hof|pad"
    r"|park|plantsoen|wal|markt|ring|baan|erf|kamp),? (?:nr\.? ?|nummer )?\d{1,5}\b ?-?[a-z]{0,3}\b"
)
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Reading:
    """A message as read: its text, the kinds of its parts, its words, and what the lexicon found."""

    text: str
    kinds: frozenset[str]
    words: Words
    hits: Sequence[Hit]
    taxonomy: Taxonomy

    def gates(self) -> set[Gate]:
        """Of all topics that were found."""
        return {gate for hit in self.hits if (gate := self._gate(hit)) is not None}

    def is_about_something(self) -> bool:
        """Found a topic that says what the message is about."""
        return any(hit.stem.topic in self.taxonomy.lexicon.real_topics for hit in self.hits)

    def is_nothing_but(self, gate: Gate) -> bool:
        """Every word belongs to the gate's topic, or says nothing by itself."""
        hits = [hit for hit in self.hits if self._gate(hit) is gate]
        return bool(hits) and all(self._is_filler(token) for token in _uncovered(self.words, hits))

    def praises(self) -> bool:
        """Says that something is in order again, without an if or a but."""
        praised = any(self._gate(hit) is Gate.THANKS and self._counts(hit) for hit in self.hits)
        return praised and "?" not in self.text and not set(self.taxonomy.doubt_words) & set(self.words.tokens)

    def _gate(self, hit: Hit) -> Gate | None:
        return self.taxonomy.by_name[hit.stem.topic].gate

    def _counts(self, hit: Hit) -> bool:
        return self.taxonomy.by_name[hit.stem.topic].weight >= 1

    def _is_filler(self, token: str) -> bool:
        return token in self.taxonomy.fillers or len(token) == 1 or token.isdigit()


def gate_of(reading: Reading) -> Gate | None:
    """The gate that decides over the lexicon, or None."""
    if Gate.EMERGENCY in reading.gates():
        return Gate.EMERGENCY
    if not reading.words:
        return _gate_of_kinds(reading.kinds)
    if not reading.is_about_something():
        return next(_gates_without_topic(reading))
    return Gate.THANKS if reading.praises() else None


def closes(reading: Reading) -> bool:
    """Nothing but thanks: after an answer such a message needs none."""
    return "?" not in reading.text and reading.is_nothing_but(Gate.THANKS)


def _gate_of_kinds(kinds: frozenset[str]) -> Gate:
    if kinds & PLACE_KINDS:
        return Gate.LOCATION_ONLY
    return Gate.MEDIA_ONLY if kinds & MEDIA_KINDS else Gate.UNCLEAR


def _gates_without_topic(reading: Reading) -> Iterator[Gate]:
    found, length = reading.gates(), len(reading.words.tokens)
    if Gate.STOP in found and length <= LONGEST_STOP:
        yield Gate.STOP
    if reading.is_nothing_but(Gate.MEDIA_ONLY):
        yield Gate.MEDIA_ONLY
    if reading.is_nothing_but(Gate.LOCATION_ONLY) or _is_mostly_address(reading.text):
        yield Gate.LOCATION_ONLY
    yield from (gate for gate in (Gate.FOLLOW_UP, Gate.THANKS) if gate in found)
    if Gate.GREETING in found and length <= LONGEST_GREETING:
        yield Gate.GREETING
    yield Gate.UNCLEAR


def _is_mostly_address(text: str) -> bool:
    if len(text) > LONGEST_PLACE:
        return False
    beside, places = fold(text[:MOST_CHARACTERS]), 0
    for pattern in (_MAP_LINK, _COORDINATES, _POSTCODE, _HOUSE):
        beside, count = pattern.subn(" ", beside)
        places += count
    return places > 0 and len(_WORD.findall(beside)) <= WORDS_BESIDE_A_PLACE


def _uncovered(words: Words, hits: Sequence[Hit]) -> list[str]:
    left = words.padded
    for part in (part for hit in hits for part in hit.stem.parts):
        left = re.sub(re.escape(part.rstrip()) + r"\S*", " ", left)
    return [token for token in left.split() if any(char.isalnum() for char in token)]
