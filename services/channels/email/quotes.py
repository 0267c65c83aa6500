"""New words and old words: what of a mail its writer wrote now, and what they only sent along.

Old words are cut off only where a program marked them: by a sentence above them, their own headers, or `>` before
every line. Answers written between quoted lines keep those lines. Where nothing new would be left, all of it is new.
"""

from __future__ import annotations

import quotequail

from services.channels.email.phrases import (
    BORDER,
    DEVICE,
    FORWARDED,
    HEADER,
    INTRO,
    INTRO_ENDS,
    INTRO_MARK,
    INTRO_START,
    MAX_INTRO,
    MAX_INTRO_LINES,
    MAX_SIGNATURE,
    MIN_HEADERS,
    QUOTED,
    SENDERS,
    SIGNATURE,
)

MAX_LINES = 5_000
"""Of a text that is looked at; a longer one is kept as it is."""


def trimmed(text: str) -> tuple[str, str]:
    """Return the new words, and the whole text again when that is more than those, else nothing."""
    lines = text.replace("\r\n", "\n").split("\n")
    if len(lines) > MAX_LINES:
        return text, ""
    new = "\n".join(_new(lines)).strip("\n")
    return (new, text if new.split() != text.split() else "") if new.strip() else (text, "")


def _new(lines: list[str]) -> list[str]:
    kept = _without_tail(_without_old(_without_signature(lines)))
    return kept if kept != lines else _by_second_reader(lines)


def _by_second_reader(lines: list[str]) -> list[str]:
    """Let quotequail look where we found nothing: it knows programs that we do not."""
    shown = [
        piece for is_new, piece in quotequail.quote("\n".join(lines), limit=MAX_LINES, quote_intro_line=True) if is_new
    ]
    return _without_tail("\n".join(shown).split("\n"))


# --- below: signatures ---------------------------------------------------------------------------------------


def _without_signature(lines: list[str]) -> list[str]:
    first = next((at for at, line in enumerate(lines) if not _says_nothing(line)), len(lines))
    for at, line in enumerate(lines):
        if SIGNATURE.fullmatch(line) and first < at and _is_short(lines[at + 1 :]):
            return lines[:at]
    return lines


def _is_short(lines: list[str]) -> bool:
    signed = 0
    for at, line in enumerate(lines):
        if _old_begins(lines, at):
            break
        signed += bool(line.strip()) and not QUOTED.match(line)
        if signed > MAX_SIGNATURE:
            return False
    return True


def _without_tail(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and _is_tail(lines[end - 1]):
        end -= 1
    return lines[:end]


def _is_tail(line: str) -> bool:
    return _says_nothing(line) or DEVICE.fullmatch(line) is not None


def _says_nothing(line: str) -> bool:
    return not line.strip() or bool(QUOTED.match(line)) or bool(BORDER.fullmatch(line))


def _has_words(lines: list[str]) -> bool:
    return any(not _says_nothing(line) for line in lines)


# --- between: old words --------------------------------------------------------------------------------------


def _without_old(lines: list[str]) -> list[str]:
    kept: list[str] = []
    at = 0
    while at < len(lines):
        length = _old_begins(lines, at)
        if length and _is_cut(lines, at, length, kept):
            return kept
        kept += lines[at : at + 1] if not length else []
        at = _after(lines, at, length, kept)
    return kept


def _is_cut(lines: list[str], at: int, length: int, kept: list[str]) -> bool:
    """Say whether all that follows is old: it is, unless nothing came before, or answers stand between the quotes."""
    below = lines[at + length :]
    answered = bool(_intro_length(lines, at)) and _is_quoted_first(below) and _has_words(below)
    return _has_words(kept) and not answered


def _after(lines: list[str], at: int, length: int, kept: list[str]) -> int:
    """Return where to go on: behind the sentence, and at the top of a mail also behind what it quotes."""
    if not length:
        return at + 1
    at += length
    quoted = _quote_length(lines[at:])
    answered_below = quoted and not _has_words(kept) and _has_words(lines[at + quoted :])
    return at + quoted if answered_below else at


def _is_quoted_first(lines: list[str]) -> bool:
    first = next((line for line in lines if line.strip()), "")
    return bool(QUOTED.match(first))


def _quote_length(lines: list[str]) -> int:
    """Return how many lines at the top are quoted or empty."""
    for at, line in enumerate(lines):
        if line.strip() and not QUOTED.match(line):
            return at
    return len(lines)


# --- how old words are announced -----------------------------------------------------------------------------


def _old_begins(lines: list[str], at: int) -> int:
    """Return how many lines here announce old words; 0 when none do."""
    return _forward_length(lines, at) or _headers_length(lines, at) or _intro_length(lines, at)


def _forward_length(lines: list[str], at: int) -> int:
    if len(lines[at]) > MAX_INTRO or not FORWARDED.fullmatch(lines[at]):
        return 0
    empty = next((n for n, line in enumerate(lines[at + 1 :]) if line.strip()), 0)
    return 1 + empty + _headers_length(lines, at + 1 + empty)


def _headers_length(lines: list[str], at: int) -> int:
    block = _block(lines, at)
    names = [found.group("name").lower() for found in map(HEADER.match, block) if found]
    begins = bool(block) and HEADER.match(block[0]) is not None and names[0] in SENDERS
    return len(block) if begins and len(set(names)) >= MIN_HEADERS else 0


def _block(lines: list[str], at: int) -> list[str]:
    """Return the lines from here to the next empty one, as far as headers go."""
    block: list[str] = []
    for line in lines[at : at + 3 * MAX_INTRO_LINES]:
        if not line.strip(" >"):
            break
        block.append(line)
    return block


def _intro_length(lines: list[str], at: int) -> int:
    """Return of how many lines the sentence is made that begins here: programs break it where they like."""
    if QUOTED.match(lines[at]) or not INTRO_START.match(lines[at][:MAX_INTRO]):
        return 0
    for length in range(1, MAX_INTRO_LINES + 1):
        sentence = lines[at : at + length]
        if len(sentence) < length or not sentence[-1].strip():
            return 0
        if sentence[-1].rstrip().endswith(INTRO_ENDS) and _is_intro(" ".join(sentence)):
            return length
    return 0


def _is_intro(sentence: str) -> bool:
    words = sentence.strip()
    marked = len(words) <= MAX_INTRO and INTRO_MARK.search(words) is not None
    return marked and INTRO.fullmatch(words) is not None
