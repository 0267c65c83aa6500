"""What is too long for one record: a short form goes in the event, the whole is kept as a file beside it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

from pydantic import TypeAdapter

from schemas.parts import Document, FileRef, Part, Text, text_of
from services.channels.base import Echo, Edit, File, Message

Long = Message | Edit | Echo
"""What may be too long."""

SHORT_TEXT = 4_000
"""Characters of the short form. A character takes at most 6 bytes in JSON, so it always fits."""
SMALL_PARTS = 20
"""How many parts besides the text the short form keeps, and how long each may be."""
SMALL_PART = 1_000
_NAME, _SUBJECT, _THREAD, _ADDRESSES = 200, 500, 20, 10

_WHOLE: TypeAdapter[dict[str, str | tuple[Part, ...] | None]] = TypeAdapter(dict[str, str | tuple[Part, ...] | None])


def file_of(content: bytes) -> tuple[FileRef, File]:
    """Return a file to keep, and the reference that stands for it."""
    digest = sha256(content).hexdigest()
    return FileRef(sha256=digest, size=len(content)), File(sha256=digest, content=content)


def abridged(item: Long) -> tuple[Long, list[File]]:
    """Return the short form of an item, and the files that hold the whole of it."""
    words, words_file = file_of(text_of(item.parts).encode())
    whole, whole_file = file_of(_whole(item))
    short = (
        Text(text=text_of(item.parts)[:SHORT_TEXT], whole=words),
        *_small(item.parts),
        Document(media_type="application/json", filename="bericht.json", file=whole),
    )
    return _shortened(item, short), [words_file, whole_file]


def _shortened(item: Long, parts: tuple[Part, ...]) -> Long:
    if not isinstance(item, Message):
        return replace(item, parts=parts)
    return replace(
        item,
        parts=parts,
        name=item.name and item.name[:_NAME],
        subject=item.subject and item.subject[:_SUBJECT],
        thread=tuple(one for one in item.thread if len(one) <= _SUBJECT)[:_THREAD],
        addresses=item.addresses[:_ADDRESSES],
        truncated=True,
    )


def _small(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    others = (part for part in parts if not isinstance(part, Text))
    return tuple(part for part in others if len(part.model_dump_json()) <= SMALL_PART)[:SMALL_PARTS]


def _whole(item: Long) -> bytes:
    named = {"name": item.name, "subject": item.subject} if isinstance(item, Message) else {}
    return _WHOLE.dump_json({**named, "parts": item.parts}, exclude_none=True)
