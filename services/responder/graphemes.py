"""Where a text may be cut without cutting a character as people see it (Unicode UAX #29, extended grapheme clusters).

Kept: line ends, combining marks, joined and coloured emoji, flags, Hangul. Left out: Indic conjuncts (rule GB9c) and
prepended marks (GB9b), which would need the Unicode tables that Python does not carry.
"""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_NON_JOINER = "\u200c"
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_TAGS = range(0xE0020, 0xE0080)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
_HANGUL_LEADING = (range(0x1100, 0x1160), range(0xA960, 0xA97D))
_HANGUL_FOLLOWING = (range(0x1160, 0x1200), range(0xD7B0, 0xD7FC))
_HANGUL_SYLLABLES = (range(0xAC00, 0xD7A4),)


def may_cut(text: str, at: int) -> bool:
    """Say whether a cut before `text[at]` leaves every character as people see it whole."""
    if not 0 < at < len(text):
        return True
    before, after = text[at - 1], text[at]
    return not (
        before + after == "\r\n"
        or before == _JOINER
        or _extends(after)
        or _joins_hangul(before, after)
        or _inside_flag(text, at)
    )


def last_cut(text: str, most: int) -> int:
    """Return the last place, at most `most`, where `text` may be cut; `most` itself when one character is longer."""
    return next((at for at in range(min(most, len(text)), 0, -1) if may_cut(text, at)), most)


def _extends(character: str) -> bool:
    code = ord(character)
    if code < 0x300:  # noqa: PLR2004 - the first combining mark; nearly all text ends here
        return False
    return (
        unicodedata.category(character)[0] == "M"
        or character in (_JOINER, _NON_JOINER)
        or code in _SKIN_TONES
        or code in _TAGS
    )


def _joins_hangul(before: str, after: str) -> bool:
    if _among(after, _HANGUL_FOLLOWING):
        return _among(before, _HANGUL_LEADING + _HANGUL_FOLLOWING + _HANGUL_SYLLABLES)
    return _among(before, _HANGUL_LEADING) and _among(after, _HANGUL_LEADING + _HANGUL_SYLLABLES)


def _inside_flag(text: str, at: int) -> bool:
    """A flag is two letters: a cut inside a row of them is inside a flag after an odd number."""
    if ord(text[at]) not in _FLAG_LETTERS:
        return False
    start = at
    while start > 0 and ord(text[start - 1]) in _FLAG_LETTERS:
        start -= 1
    return (at - start) % 2 == 1


def _among(character: str, ranges: tuple[range, ...]) -> bool:
    code = ord(character)
    return any(code in one for one in ranges)
