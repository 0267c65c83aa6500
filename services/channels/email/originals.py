"""Which mail of ours a report is about: by the mail given back, by the address it came to, by what it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from services.channels.email.addresses import Recipient
from services.channels.email.identity import OUR_ID_HEADER, external_id, ids_in, marked
from services.channels.email.reading import everywhere, header, media_type, text_of_part

_RETURNED = {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"}
_ID_LINE = re.compile(r"^message-id:[ \t]*(?:\r?\n[ \t]+)?(<[^<>\s]+>)", re.IGNORECASE | re.MULTILINE)
_OUR_ID_LINE = re.compile(rf"^{OUR_ID_HEADER}:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
MAX_TEXT = 100_000


@dataclass(frozen=True, slots=True)
class Original:
    """The mail a report is about: its Message-ID, else the report's own; our_id where it came back."""

    external_id: str
    our_id: str | None = None


def original(mail: Message, raw: bytes, to: Recipient) -> Original:
    """Return which mail of ours this report is about."""
    returned = list(_given_back(mail))
    ids = [*_found(_ID_LINE, returned), *_elsewhere(mail, to), external_id(mail, raw)]
    return Original(ids[0], next(iter(_found(_OUR_ID_LINE, returned)), None))


def _given_back(mail: Message) -> Iterator[str]:
    """Yield every text in which headers of our mail may stand, the surest first."""
    inside = [part for part in everywhere(mail) if part is not mail]
    yield from (_as_text(part) for part in inside if media_type(part) in _RETURNED)
    yield from (text_of_part(part)[:MAX_TEXT] for part in everywhere(mail) if _is_plain(part))


def _is_plain(part: Message) -> bool:
    return media_type(part) == "text/plain" and not part.is_multipart()


def _as_text(part: Message) -> str:
    headers = "\n".join(f"{k}: {v}" for child in everywhere(part) for k, v in child.raw_items())
    return f"{headers}\n{text_of_part(part)[:MAX_TEXT]}"


def _found(line: re.Pattern[str], texts: list[str]) -> list[str]:
    return [found for text in texts for found in line.findall(text)]


def _elsewhere(mail: Message, to: Recipient) -> list[str]:
    named = marked(to)
    answered = [*ids_in(header(mail, "in-reply-to")), *ids_in(header(mail, "original-message-id"))]
    return [*([named] if named else []), *answered]
