"""One part of a reply to Meta's API, and its answer back.

Source: developers.facebook.com, WhatsApp Cloud API, "Messages".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final, assert_never
from urllib.parse import quote

from schemas.events import DeliveryStatus, Reason
from schemas.parts import (
    Address,
    AddressKind,
    Audio,
    Document,
    Image,
    Location,
    Media,
    Part,
    Reaction,
    Sticker,
    Template,
    Text,
    Video,
)
from services.channels.base import (
    HttpResponse,
    Inbox,
    Outbound,
    SendError,
    Sent,
    raise_for_status,
    retry_after,
)
from services.channels.whatsapp.errors import reason_of, scope_of
from services.channels.whatsapp.json_shape import Json, mapping, pieces, word

BASE_URL: Final = "https://graph.facebook.com"
VERSION: Final = "v23.0"
_OK: Final = range(200, 300)
_REFUSED: Final = range(400, 500)
_LEFT_TO_STATUS: Final = frozenset({408, 429})


# --- out -----------------------------------------------------------------------------------------------------


def endpoint(inbox: Inbox, path: str) -> str:
    """Return the address of something at Meta's API."""
    base = inbox.settings.get("base_url", BASE_URL).rstrip("/")
    return f"{base}/{inbox.settings.get('version', VERSION)}/{quote(path, safe='/')}"


def authorization(inbox: Inbox) -> dict[str, str]:
    """Return the header that says who we are; raises SendError when the inbox has no token."""
    token = inbox.settings.get("token")
    if not token:
        raise SendError(Reason.ACCOUNT, code="no-token")
    return {"authorization": f"Bearer {token}"}


def request_body(outbound: Outbound) -> Json:
    """Return the body of POST /messages; raises SendError for what this channel does not carry."""
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **_to(outbound.address),
        **_content(outbound.part),
        **_context(outbound),
        "biz_opaque_callback_data": outbound.our_id,
    }


def _to(address: Address) -> Json:
    match address.kind:
        case AddressKind.TEL | AddressKind.WHATSAPP:
            return {"to": address.value}
        case AddressKind.WHATSAPP_BSUID:
            return {"recipient": address.value}
        case _:
            raise SendError(Reason.RECIPIENT, code=f"address:{address.kind}")


def _context(outbound: Outbound) -> Json:
    """Return which message is answered; a reaction says that itself."""
    if not outbound.in_reply_to or isinstance(outbound.part, Reaction):
        return {}
    return {"context": {"message_id": outbound.in_reply_to}}


def _content(part: Part) -> Json:
    write = _WRITERS.get(part.kind)
    if write is None:
        raise SendError(Reason.CONTENT, code=f"kind:{part.kind}")
    return {"type": part.kind, part.kind: write(part)}


def _given(**values: object) -> Json:
    return {key: value for key, value in values.items() if value is not None}


def _text(part: Text) -> Json:
    return {"body": part.text, "preview_url": False}


def _media(part: Media) -> Json:
    if not part.media_id:
        raise SendError(Reason.CONTENT, code="no-media")
    where = "link" if part.media_id.startswith(("https://", "http://")) else "id"
    return {where: part.media_id, **_said(part)}


def _said(part: Media) -> Json:
    match part:
        case Document():
            return _given(caption=part.caption, filename=part.filename)
        case Image() | Video():
            return _given(caption=part.caption)
        case Audio() | Sticker():
            if part.caption:
                raise SendError(Reason.CONTENT, code="no-caption")
            return {}
        case _:
            assert_never(part)


def _location(part: Location) -> Json:
    return _given(latitude=part.latitude, longitude=part.longitude, name=part.name, address=part.address)


def _reaction(part: Reaction) -> Json:
    return {"message_id": part.to_external_id, "emoji": part.emoji}


def _template(part: Template) -> Json:
    values = [{"type": "text", "text": value} for value in part.parameters]
    body = [{"type": "body", "parameters": values}] if values else None
    return _given(name=part.name, language={"code": part.language}, components=body)


_WRITERS: Final[Mapping[str, Callable[..., Json]]] = {
    "text": _text,
    "image": _media,
    "video": _media,
    "audio": _media,
    "document": _media,
    "sticker": _media,
    "location": _location,
    "reaction": _reaction,
    "template": _template,
}
ACCEPTS: Final = frozenset(_WRITERS)
"""Kinds of parts that go out as they are."""


# --- the answer ----------------------------------------------------------------------------------------------


def sent(response: HttpResponse) -> Sent:
    """Return the ids that Meta gave; raises SendError."""
    raise_for_answer(response)
    messages = [mapping(message) for message in pieces(answer(response).get("messages"))]
    ids = tuple(found for message in messages if (found := word(message.get("id"))))
    if not ids:
        raise SendError(Reason.UNKNOWN, code="unreadable-answer")
    return Sent(ids, DeliveryStatus.ACCEPTED)


def raise_for_answer(response: HttpResponse) -> None:
    """Raise what Meta's own code means, or what the HTTP status does where there is none we know."""
    if response.status in _OK:
        return
    code = word(mapping(answer(response).get("error")).get("code"))
    if code and code.isascii() and code.isdigit():
        _raise_for_code(int(code), response)
    raise_for_status(response)


def _raise_for_code(code: int, response: HttpResponse) -> None:
    reason = reason_of(code)
    if reason is None and response.status in _REFUSED and response.status not in _LEFT_TO_STATUS:
        reason = Reason.OTHER
    if reason is not None:
        after = retry_after(response)
        raise SendError(reason, code=str(code), after=after, scope=scope_of(code))


def answer(response: HttpResponse) -> Json:
    """Return the body, or nothing when it is no JSON object."""
    try:
        return mapping(json.loads(response.body))
    except (ValueError, RecursionError):
        return {}
