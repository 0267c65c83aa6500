"""What a mail says: the new words as text, what is attached as files, and the whole mail beside it when it says more.

The citizen's words are never dropped: whenever something was trimmed (a quoted history), converted (HTML), set aside
(an HTML version that says more than the plain one), cut or malformed, the raw mail goes along as a file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message

from schemas.parts import MAX_TEXT, Audio, Document, FileRef, Image, Media, Part, Text, Video
from services.channels.base import File
from services.channels.email.html import text_of_html
from services.channels.email.quotes import trimmed
from services.channels.email.reading import (
    children,
    clean,
    content_of,
    disposition,
    everywhere,
    filename,
    header,
    media_type,
    text_of_part,
)

MAX_ATTACHMENTS = 50
MAX_SUBJECT = 500
_WORDS = {"text/plain", "text/html"}
_MEDIA: dict[str, type[Image | Audio | Video]] = {"image": Image, "audio": Audio, "video": Video}


@dataclass(frozen=True, slots=True)
class Content:
    """The parts of a message and the files they point at."""

    parts: tuple[Part, ...]
    files: tuple[File, ...]
    truncated: bool


@dataclass(slots=True)
class Found:
    """What the walk through a mail came by; `more` when the raw mail says more than that."""

    texts: list[str] = field(default_factory=list)
    attached: list[Message] = field(default_factory=list)
    more: bool = False


def content(mail: Message, raw: bytes) -> Content:
    """Return all that the mail says."""
    found = walked(mail)
    new, elided = trimmed("\n\n".join(found.texts).strip())
    text, files = _fitted(new)
    kept = [_attachment(part) for part in found.attached[:MAX_ATTACHMENTS]]
    if elided or found.more or len(kept) < len(found.attached) or _is_long(mail):
        kept.append(_whole_mail(raw))
    files += [file for _, file in kept]
    return Content((text, *(part for part, _ in kept)), tuple(files), truncated=text.whole is not None)


def _is_long(mail: Message) -> bool:
    return len(header(mail, "subject")) > MAX_SUBJECT


def _fitted(text: str) -> tuple[Text, list[File]]:
    if len(text) <= MAX_TEXT:
        return Text(text=text), []
    whole, ref = _kept(text.encode())
    return Text(text=text[:MAX_TEXT], whole=ref), [whole]


def _kept(content: bytes) -> tuple[File, FileRef]:
    digest = hashlib.sha256(content).hexdigest()
    return File(digest, content), FileRef(sha256=digest, size=len(content))


def _attachment(part: Message) -> tuple[Media, File]:
    kind, (file, ref) = media_type(part), _kept(content_of(part))
    media: type[Media] = _MEDIA.get(kind.partition("/")[0], Document)
    return media(media_type=kind, filename=filename(part), file=ref), file


def _whole_mail(raw: bytes) -> tuple[Media, File]:
    file, ref = _kept(raw)
    return Document(media_type="message/rfc822", filename="bericht.eml", file=ref), file


# --- walking -------------------------------------------------------------------------------------------------


def walked(mail: Message) -> Found:
    """Return the texts and attachments of a mail, in reading order."""
    found = Found(more=any(part.defects for part in everywhere(mail)))
    for part in _leaves(mail, found):
        if _is_words(part):
            found.more |= media_type(part) == "text/html"
            found.texts += [text for text in [_shown(part)] if text]
        else:
            found.attached.append(part)
    return found


def _leaves(part: Message, found: Found) -> Iterator[Message]:
    if not _holds_parts(part):
        yield part
        return
    leaves = [leaf for child in children(part) for leaf in _leaves(child, found)]
    yield from _one_version(leaves, found) if _are_versions(part) else leaves


def _holds_parts(part: Message) -> bool:
    return media_type(part).startswith("multipart/") and part.is_multipart()


def _are_versions(part: Message) -> bool:
    return media_type(part) == "multipart/alternative"


def _one_version(leaves: list[Message], found: Found) -> list[Message]:
    """Return the plain version where it says anything, else the HTML one, and the files of either (RFC 2046, 5.1.4)."""
    plain = [leaf for leaf in leaves if media_type(leaf) == "text/plain" and _is_words(leaf)]
    chosen = plain if any(_shown(leaf) for leaf in plain) else []
    aside = [leaf for leaf in leaves if chosen and _is_words(leaf) and leaf not in chosen]
    found.more |= bool(aside) and not _says(chosen, aside)
    return [leaf for leaf in leaves if leaf not in aside]


def _says(chosen: list[Message], aside: list[Message]) -> bool:
    """Say whether every word set aside is also in what was chosen."""
    return _word_set(aside) <= _word_set(chosen)


def _word_set(parts: list[Message]) -> set[str]:
    return {word for part in parts for word in re.findall(r"\w+", _shown(part).lower())}


def _is_words(part: Message) -> bool:
    if _is_broken_multipart(part):
        return True
    attached = disposition(part) == "attachment" or filename(part) is not None
    return media_type(part) in _WORDS and not attached


def _is_broken_multipart(part: Message) -> bool:
    return media_type(part).startswith("multipart/")


def _shown(part: Message) -> str:
    text = text_of_part(part)
    shown = text_of_html(text) if media_type(part) == "text/html" else text
    return clean(shown.replace("\r\n", "\n").replace("\r", "\n")).strip()
