"""Fits what an employee wrote to what a channel carries: kinds it has, captions, and texts of its length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import get_args

from schemas.parts import MAX_TEXT, Media, Part, Text
from services.channels.base import Limits
from services.responder.degrade import written_out
from services.responder.graphemes import last_cut

_BLANK = " \t\r\n"
_PARAGRAPH = re.compile(r"[ \t]*\r?\n[ \t]*\r?\n[ \t\r\n]*")
_SENTENCE = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][)\"'»”]))[ \t\r\n]+|[ \t]*\r?\n[ \t\r\n]*")
_WORD = re.compile(r"[ \t\r\n]+")
_CUTS = ((_PARAGRAPH, 0.5), (_SENTENCE, 0.5), (_WORD, 0.0))
"""Where to cut, the best first, and how full a piece has to be for it: else a heading would be a message of its own."""

_MEDIA = get_args(Media)


def fit(parts: Sequence[Part], limits: Limits) -> tuple[Part, ...]:
    """Return `parts` as the channel can carry them. No word is lost: what has no form there is written out as text."""
    if all(type(part) is Text and len(part.text) <= limits.max_text for part in parts):
        return tuple(parts)
    carried = (piece for part in parts for piece in _carried(part, limits))
    return tuple(piece for part in _joined(carried) for piece in _short_enough(part, limits))


def split(text: str, limit: int) -> list[str]:
    """Cut a text into pieces of at most `limit` characters, numbered "(1/3)" when there are several.

    Cut at the end of a paragraph, else of a sentence or line, else between words, else between characters as people
    see them. Blanks at a cut are dropped; every other character is in exactly one piece, in order.
    """
    if len(text) <= limit:
        return [text]
    pieces = next(pieces for digits in count(1) if len(pieces := _numbered_room(text, limit, digits)) < 10**digits)
    if len(pieces) == 1:
        return pieces
    return [piece + _number(number, len(pieces)) for number, piece in enumerate(pieces, 1)]


def _numbered_room(text: str, limit: int, digits: int) -> list[str]:
    """Cut `text` so that numbers of so many digits fit behind the pieces."""
    return list(_pieces(text, limit - len(_number("9" * digits, "9" * digits))))


def _carried(part: Part, limits: Limits) -> Iterator[Part]:
    if part.kind == "text" or part.kind in limits.accepts:
        yield from _with_short_caption(part, limits)
    else:
        yield _Degraded.model_construct(text=written_out(part))


class _Degraded(Text):
    """A text that stands for something else: it joins the text before it, so that it costs no message of its own."""


def _with_short_caption(part: Part, limits: Limits) -> Iterator[Part]:
    caption = getattr(part, "caption", None)
    if not isinstance(part, _MEDIA) or caption is None or len(caption) <= limits.max_caption:
        yield part
        return
    yield part.model_copy(update={"caption": None})
    yield Text.model_construct(text=caption)


def _joined(parts: Iterable[Part]) -> list[Part]:
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, _Degraded) and isinstance(last, Text):
            joined[-1] = last.model_copy(update={"text": f"{last.text}\n\n{part.text}"})
        else:
            joined.append(part)
    return joined


def _short_enough(part: Part, limits: Limits) -> Iterator[Part]:
    # No piece is longer than an event may hold either: what was written out or joined was not bound by that yet.
    longest = min(limits.max_text, MAX_TEXT)
    if not isinstance(part, Text) or (type(part) is Text and len(part.text) <= longest):
        yield part
    else:
        yield from (Text(text=piece) for piece in split(part.text, longest))


def _pieces(text: str, room: int) -> Iterator[str]:
    room, rest = max(room, 1), text
    while len(rest) > room:
        at = _cut(rest, room)
        yield rest[:at].rstrip(_BLANK)
        rest = rest[at:].lstrip(_BLANK)
    if rest:
        yield rest


def _cut(text: str, room: int) -> int:
    """Return where to cut `text`, at most at `room`."""
    window = text[: room + 1]
    for separator, fullness in _CUTS:
        at = max((match.start() for match in separator.finditer(window)), default=0)
        if at > room * fullness:
            return at
    return last_cut(text, room)


def _number(number: int | str, of: int | str) -> str:
    return f" ({number}/{of})"
