"""Files come as an id: ask where it is, then fetch it there, from hosts that we know and no others.

Source: developers.facebook.com, WhatsApp Cloud API, "Media". An address lives five minutes.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from schemas.events import Reason
from services.channels.base import Http, HttpResponse, Inbox, SendError
from services.channels.whatsapp.json_shape import Json, word
from services.channels.whatsapp.sending import BASE_URL, answer, authorization, endpoint, raise_for_answer

HOSTS: Final = "lookaside.fbsbx.com"
MAX_BYTES: Final = 100 * 1024 * 1024
"""Meta's own limit, for documents."""
_DEADLINE: Final = 30.0


async def fetch(media_id: str, inbox: Inbox, http: Http) -> bytes:
    """Return the file; raises SendError, never with reason `unknown`: asking twice does no harm."""
    told = answer(await _get(endpoint(inbox, media_id.replace("/", "")), inbox, http))
    _refuse_larger(_size(told), inbox)
    content = (await _get(_address(told, inbox), inbox, http)).body
    _refuse_larger(len(content), inbox)
    _refuse_other(content, told)
    return content


async def _get(url: str, inbox: Inbox, http: Http) -> HttpResponse:
    try:
        response = await http.request("GET", url, headers=authorization(inbox), body=b"", deadline=_DEADLINE)
        raise_for_answer(response)
    except SendError as fault:
        raise _again(fault) from None
    return response


def _again(fault: SendError) -> SendError:
    if fault.reason is not Reason.UNKNOWN:
        return fault
    return SendError(Reason.RETRY, code=fault.code, after=fault.after)


def _address(told: Json, inbox: Inbox) -> str:
    """Return where the file is; our token goes along, so only to a host we know."""
    url = word(told.get("url")) or ""
    if not _known(url, inbox):
        raise SendError(Reason.ACCOUNT, code="unknown-media-host")
    return url


def _known(url: str, inbox: Inbox) -> bool:
    hosts = inbox.settings.get("media_hosts", HOSTS).replace(",", " ").split()
    asked, api = _place(url), _place(inbox.settings.get("base_url", BASE_URL))
    return asked is not None and (asked == api or asked in {("https", host, None) for host in hosts})


def _place(url: str) -> tuple[str, str | None, int | None] | None:
    with suppress(ValueError):
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port
    return None


def _size(told: Json) -> int:
    size = word(told.get("file_size")) or ""
    return int(size[:15]) if size.isascii() and size.isdigit() else 0


def _refuse_larger(size: int, inbox: Inbox) -> None:
    if size > int(inbox.settings.get("media_max_bytes", MAX_BYTES)):
        raise SendError(Reason.CONTENT, code="media-too-large")


def _refuse_other(content: bytes, told: Json) -> None:
    """Raise when what came is not what was promised: cut off under way, so again."""
    promised = word(told.get("sha256"))
    if promised and promised.lower() != sha256(content).hexdigest():
        raise SendError(Reason.RETRY, code="media-damaged")
