"""From bytes to a mail that can be asked for its headers, whatever those bytes are.

The standard library reads nearly anything, and raises what it likes on the rest: here it is held in, and what could
cost more time than a mail is worth is refused before it is read.

Unreadable   the mail becomes a dead letter, whole
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import policy
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser

MAX_BYTES = 25 * 1024 * 1024
"""Of one mail."""
MAX_LINES = 600_000
MAX_DELIMITERS = 5_000
"""Lines that may be the border of a part: each costs time, whether it is one or not."""
MAX_PARTS = 200
MAX_DEPTH = 64
MAX_HEADERS = 1_000
MAX_FILENAME = 200
MAX_HEADER = 20_000
"""Characters of one header that are looked at: reading addresses costs more than the square of its length in places."""

_SPACED_NAME = re.compile(rb"^([A-Za-z-]{1,60})[ \t]+:", re.MULTILINE)
_A_MAIL_HAS = ("from", "to", "subject", "date", "message-id", "received", "sender", "content-type")


class UnreadableError(Exception):
    """Not a mail we can or want to read; its text says why, without a word of it."""


def read(raw: bytes) -> Message:
    """Return the mail; raises UnreadableError."""
    _refuse_what_costs_too_much(raw)
    mail = _parsed(raw)
    if not _is_mail(mail):
        mail = _parsed(_with_plain_names(raw))
    if not _is_mail(mail):
        raise UnreadableError("it has no header that a mail has")
    _refuse_what_is_too_deep(mail)
    return mail


def _refuse_what_costs_too_much(raw: bytes) -> None:
    _at_most(MAX_BYTES, len(raw), "bytes")
    _at_most(MAX_LINES, raw.count(b"\n") + raw.count(b"\r") // 2, "lines")
    _at_most(MAX_DELIMITERS, raw.count(b"\n--") + raw.count(b"\r--"), "borders of parts")


def _parsed(raw: bytes) -> Message:
    try:
        mail = BytesParser(policy=policy.compat32).parsebytes(raw)
    except Exception as failure:  # noqa: BLE001 - parse is total, and email.parser raises what it likes
        raise UnreadableError(f"email.parser: {type(failure).__name__}") from None
    return mail


def _with_plain_names(raw: bytes) -> bytes:
    """Take out the spaces that header names could once be followed by (RFC 5322, 4.5)."""
    head, blank, rest = raw.partition(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")
    return _SPACED_NAME.sub(rb"\1:", head) + blank + rest


def _refuse_what_is_too_deep(mail: Message) -> None:
    for parts, (part, depth) in enumerate(_all_parts(mail), start=1):
        _at_most(MAX_PARTS, parts, "parts")
        _at_most(MAX_DEPTH, depth, "parts inside each other")
        _at_most(MAX_HEADERS, len(part), "headers")


def _all_parts(mail: Message) -> Iterator[tuple[Message, int]]:
    waiting: list[tuple[Message, int]] = [(mail, 0)]
    while waiting:
        part, depth = waiting.pop()
        yield part, depth
        waiting += [(child, depth + 1) for child in reversed(children(part))]


def _at_most(limit: int, found: int, what: str) -> None:
    if found > limit:
        raise UnreadableError(f"more than {limit} {what}")


def _is_mail(mail: Message) -> bool:
    return any(name in mail for name in _A_MAIL_HAS)


# --- the parts of a mail -------------------------------------------------------------------------------------


def children(part: Message) -> list[Message]:
    """Return the parts directly inside, none when there is only content."""
    payload = part.get_payload() if part.is_multipart() else []
    return [child for child in payload if isinstance(child, Message)]


def everywhere(mail: Message) -> Iterator[Message]:
    """Yield the mail and every part in it, also those of a mail inside the mail, in reading order."""
    return (part for part, _ in _all_parts(mail))


def media_type(part: Message) -> str:
    """Return `type/subtype` in lower case; text/plain where it says nonsense (RFC 2045, 5.2)."""
    try:
        return part.get_content_type()
    except Exception:  # noqa: BLE001 - as in _parsed
        return "text/plain"


def disposition(part: Message) -> str:
    """Return `attachment`, `inline` or nothing (RFC 2183)."""
    return header(part, "content-disposition").partition(";")[0].strip().lower()


def filename(part: Message) -> str | None:
    """Return the name that the sender gave the part, without the folders before it."""
    readable = _decoded("subject", as_text(_given_name(part) or ""))
    return re.split(r"[/\\]", readable)[-1][:MAX_FILENAME] or None


def _given_name(part: Message) -> str | None:
    try:
        return part.get_filename()
    except Exception:  # noqa: BLE001 - as in _parsed; a name in raw bytes, which the lenient reader cannot take
        return _parameter(part, "content-disposition", "filename") or _parameter(part, "content-type", "name")


def _parameter(part: Message, header: str, name: str) -> str | None:
    for value in raw_headers(part, header):
        found = re.search(rf"\b{name}\s*=\s*(?:\"([^\"]*)\"|([^;]*))", value, re.IGNORECASE)
        if found:
            return found.group(1) or found.group(2)
    return None


# --- their content -------------------------------------------------------------------------------------------


def content_of(part: Message) -> bytes:
    """Return the bytes of a part as they were before they were written down for mail."""
    if part.is_multipart():
        return b"\r\n".join(_written(child) for child in children(part))
    try:
        found = part.get_payload(decode=True)
    except Exception:  # noqa: BLE001 - as in _parsed
        found = None
    return found if isinstance(found, bytes) else str(part.get_payload()).encode("utf-8", "replace")


def _written(mail: Message) -> bytes:
    try:
        return mail.as_bytes(policy=policy.compat32)
    except Exception:  # noqa: BLE001 - as in _parsed; the whole mail is kept beside it
        return b""


def text_of_part(part: Message) -> str:
    """Return the characters of a part that is text."""
    try:
        charset = part.get_content_charset("utf-8")
    except Exception:  # noqa: BLE001 - as in _parsed
        charset = "utf-8"
    return decoded(content_of(part), charset)


# --- headers -------------------------------------------------------------------------------------------------


def header(mail: Message, name: str) -> str:
    """Return the first header of this name in readable characters on one line; empty when absent."""
    return next(iter(headers(mail, name)), "")


def headers(mail: Message, name: str) -> list[str]:
    """Return every header of this name, decoded (RFC 2047), each on one line."""
    return [_decoded(name, value) for value in raw_headers(mail, name)]


def raw_headers(mail: Message, name: str) -> list[str]:
    """Return every header of this name as it stands, unfolded, cut where no honest one ends."""
    items = ((key, str(value)) for key, value in mail.raw_items())
    return [_unfolded(value) for key, value in items if key.lower() == name]


def _unfolded(value: str) -> str:
    return as_text(re.sub(r"[\r\n]+", "", value[:MAX_HEADER])).strip()


def _decoded(name: str, value: str) -> str:
    return clean(" ".join(_unencoded(name, value).split()))


def _unencoded(name: str, value: str) -> str:
    """Decode words of RFC 2047: by the older reader, which joins words cut in two, else by the newer, which guesses."""
    try:
        return str(make_header(decode_header(value)))
    except Exception:  # noqa: BLE001 - as in _parsed
        return _guessed(name, value)


def _guessed(name: str, value: str) -> str:
    try:
        return str(policy.default.header_factory(name, value))
    except Exception:  # noqa: BLE001 - as in _parsed
        return value


# --- characters ----------------------------------------------------------------------------------------------


def as_text(value: str) -> str:
    """Return text in which bytes that were no ASCII, kept by the parser as lone surrogates, are characters again."""
    if value.isascii():
        return value
    return decoded(value.encode("utf-8", "surrogateescape"), "utf-8")


def decoded(content: bytes, charset: str) -> str:
    """Return the characters of `content`: by the charset it names, else as UTF-8, else as Western European."""
    for candidate in (charset, "utf-8", "cp1252"):
        try:
            return content.decode(_KNOWN_AS.get(candidate.lower(), candidate))
        except (LookupError, ValueError):
            continue
    return content.decode("latin-1")


_KNOWN_AS = {"unicode-1-1-utf-7": "utf-7", "iso-8859-8-i": "iso-8859-8", "us-ascii": "utf-8"}
_NO_CHARACTER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def clean(text: str) -> str:
    """Return `text` without what no event can carry: control characters and halves of characters."""
    return _NO_CHARACTER.sub("", text)
