"""What a message says, as parts. No word is lost: what cannot be read, or stands beside what was, is an Unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.parts import MAX_TEXT, Part, Text, Unknown
from services.channels.base import File
from services.channels.whatsapp.found import Found, unknown
from services.channels.whatsapp.json_shape import Json, word, words
from services.channels.whatsapp.objects import READERS

_ENVELOPE: Final = frozenset(
    {
        "from",
        "from_user_id",
        "from_parent_user_id",
        "to",
        "to_user_id",
        "to_parent_user_id",
        "id",
        "timestamp",
        "type",
        "context",
        "errors",
        "referral",
        "identity",
        "group_id",
        "message_status",
        "origin",
    }
)
"""What stands round the content of a message and is none."""

_NOTHING: Final[frozenset[str]] = frozenset()
_OF_FILES: Final = frozenset({"url", "link"})
_NOT_SAID: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(("image", "video", "audio", "voice", "document", "sticker"), _OF_FILES),
    "interactive": frozenset({"response_json", "response_source"}),
    "order": frozenset({"catalog_id", "product_retailer_id", "currency"}),
    "contacts": frozenset({"phone", "email"}),
    "reaction": frozenset({"message_id"}),
}
"""Strings that are no words, or are kept in another form, by the object they stand in."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says, and the files that its longest texts are kept whole in."""

    parts: tuple[Part, ...]
    files: tuple[File, ...] = ()

    def unfolded(self) -> tuple[Part, ...]:
        """Return the parts for who can carry no files: a text that was cut follows in several."""
        whole = {file.sha256: file.content.decode() for file in self.files}
        return tuple(slice_ for part in self.parts for slice_ in _slices(part, whole))


def _slices(part: Part, whole: Mapping[str, str]) -> list[Part]:
    if not isinstance(part, Text) or part.whole is None:
        return [part]
    text = whole[part.whole.sha256]
    return [Text(text=text[at : at + MAX_TEXT]) for at in range(0, len(text), MAX_TEXT)]


def content(message: Json) -> Content:
    """Return all that the message says, whatever its `type` claims."""
    kind = word(message.get("type")) or "unknown"
    keys = [key for key in message if key not in _ENVELOPE and _says_something(key, kind, message[key])]
    found = [one for key in keys for one in _read(key, message[key])] or [Unknown(type=kind)]
    return Content(
        parts=tuple(one for one in found if not isinstance(one, File)),
        files=tuple(one for one in found if isinstance(one, File)),
    )


def _says_something(key: str, kind: str, value: object) -> bool:
    return isinstance(value, dict | list) or (key == kind and value is not None)


def _read(key: str, value: object) -> list[Found]:
    if key not in READERS:
        return unknown(key, value)
    try:
        found = READERS[key](value)
    except ValueError:
        return unknown(key, value)
    return [*found, *_left_over(key, value, found)]


def _left_over(key: str, value: object, found: list[Found]) -> list[Found]:
    """Return the words that no part has: of a shape that Meta changed, or of a field that is new."""
    told = words(value, _NOT_SAID.get(key, _NOTHING))
    kept = "\n".join(_kept(found)) if told else ""
    rest = [one for one in told if one not in kept]
    return unknown(key, rest) if rest else []


def _kept(found: list[Found]) -> Iterable[str]:
    for one in found:
        if isinstance(one, File):
            yield one.content.decode()
        elif isinstance(one, Text):
            yield one.text
        else:
            yield from words(one.model_dump())
