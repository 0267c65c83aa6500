"""What a reader of content finds: parts, and the files that the longest texts are kept whole in."""

from __future__ import annotations

from hashlib import sha256

from schemas.parts import MAX_TEXT, FileRef, Part, Text, Unknown
from services.channels.base import File
from services.channels.whatsapp.json_shape import Json, Malformed, dumps, words

Found = Part | File


def unknown(kind: str, value: object) -> list[Found]:
    """Return it under its own name, with every word in it; what holds no word is kept as it came."""
    told = "\n".join(words(value)) or (dumps(value) if value else "")
    if len(told) > MAX_TEXT:
        return [Unknown(type=kind), *long_text(told)]
    return [Unknown(type=kind, text=told or None)]


def long_text(text: str) -> list[Found]:
    """Return the text as a part; longer than an event holds, cut and beside it the whole as a file."""
    if len(text) <= MAX_TEXT:
        return [Text(text=text)]
    whole = text.encode()
    digest = sha256(whole).hexdigest()
    return [
        Text(text=text[:MAX_TEXT], whole=FileRef(sha256=digest, size=len(whole))),
        File(sha256=digest, content=whole),
    ]


def as_object(value: object) -> Json:
    """Return the object; raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed("no object")
    return value


def as_text(value: object) -> str:
    """Return the text, which may be empty; raises Malformed."""
    if not isinstance(value, str):
        raise Malformed("no text")
    return value
