"""A citizen's text as the lexicon reads it: no capitals, no accents, single spaces, `|` where a clause ends."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

MOST_CHARACTERS = 2_000
CLAUSE_END = "|"

_LETTERS_WITHOUT_DECOMPOSITION = str.maketrans({"\u0131": "i", "ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})
_INVISIBLE = frozenset({"Mn", "Me", "Cf"})
_ELISION = re.compile(r"\b(?P<article>[dl])['`\u2019](?=[aeiouh])")
_INNER_APOSTROPHE = re.compile(r"(?<=[^\W\d_])['`\u2019](?=[^\W\d_])")
_EMOJI = "\u2190-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
_TOKEN = re.compile(rf"[^\W_]+|[{_EMOJI}]|[.,;:!?\n()\u060c\u061f]+")
_ENDS_CLAUSE = frozenset(".,;:!?\n()\u060c\u061f")

_STREET = (
    r"(?:straat|laan|weg|plein|dreef|gracht|singel|kade|dijk|steeg|hof|wal|plantsoen|baan|boulevard|markt|burg|veld"
    r"|horst|akker)"
)
_NO_STREET_BUT_A_GERMAN_NOUN = r"(?!Gehweg|Radweg|Fahrradweg|Fu\u00dfweg|Feldweg)"
_DUTCH_STREET = re.compile(
    rf"(?:(?<=[^.!?\n] )|(?<=[^.!?\n]/)){_NO_STREET_BUT_A_GERMAN_NOUN}"
    rf"[A-Z][a-z\u00df-\u00ff'-]{{1,30}}{_STREET}(?![\w-])"
    rf"|\b[\w'-]{{2,30}}{_STREET}(?=,? (?:nr\.? ?)?\d)",
)
_ENGLISH_STREET = re.compile(
    r"(?:\b[A-Z][\w'.-]{0,30} ){1,4}"
    r"(?:Road|Rd|Street|St|Avenue|Ave|Drive|Dr|Lane|Ln|Boulevard|Blvd|Court|Ct|Way|Parkway|Pkwy|Place|Pl)\b"
)


@dataclass(frozen=True)
class Words:
    """`padded`: all words between single spaces, and a space at both ends, so that ` x` finds what begins a word."""

    padded: str

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """The words, without the ends of clauses."""
        return tuple(token for token in self.padded.split() if token != CLAUSE_END)

    def __bool__(self) -> bool:
        return bool(self.tokens)


def read(text: str) -> Words:
    """Total on any text; what comes after 2,000 characters is not read (kept, of course, in the message itself)."""
    capped = text[:MOST_CHARACTERS]
    return Words(padded=_spaced(fold(without_street_names(capped))))


def fold(text: str) -> str:
    """Without capitals, accents and invisible characters: `Çöp` becomes `cop`."""
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKD", text) if _is_visible(char))
    folded = text.casefold().translate(_LETTERS_WITHOUT_DECOMPOSITION)
    return _INNER_APOSTROPHE.sub("", _ELISION.sub(r"\g<article> ", folded))[:MOST_CHARACTERS]


def without_street_names(text: str) -> str:
    """`Boomgaardlaan 8` is not about a tree, nor `London Bridge Road` about a bridge."""
    return _ENGLISH_STREET.sub(" ", _DUTCH_STREET.sub(" ", text))


def _is_visible(char: str) -> bool:
    return char.isascii() or unicodedata.category(char) not in _INVISIBLE


def _spaced(folded: str) -> str:
    tokens = (CLAUSE_END if token[0] in _ENDS_CLAUSE else token for token in _TOKEN.findall(folded))
    return f" {' '.join(tokens)} "
