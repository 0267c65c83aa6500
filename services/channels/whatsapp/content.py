"""What a message says: Meta's content objects to our parts. No word is lost: what cannot be read is an Unknown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import phonenumbers

from schemas.parts import (
    MAX_TEXT,
    Address,
    AddressKind,
    Audio,
    Button,
    ContactCard,
    Document,
    FileRef,
    Form,
    Image,
    Location,
    Media,
    Part,
    Reaction,
    Sticker,
    Text,
    Unknown,
    Video,
)
from services.channels.base import File
from services.channels.whatsapp import people
from services.channels.whatsapp.json_shape import (
    Json,
    Malformed,
    dumps,
    mapping,
    pieces,
    required,
    word,
    words,
)

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

Found = Part | File


@dataclass(frozen=True, slots=True)
class Content:
    """What a message says, and the files that its longest texts are kept whole in."""

    parts: tuple[Part, ...]
    files: tuple[File, ...] = ()


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
    if key not in _READERS:
        return _unknown(key, value)
    try:
        found = _READERS[key](value)
    except ValueError:
        return _unknown(key, value)
    return [*found, *_left_over(key, value, found)]


def _left_over(key: str, value: object, found: list[Found]) -> list[Found]:
    """Return the words that no part has: of a shape that Meta changed, or of a field that is new."""
    told = words(value, _NOT_SAID.get(key, _NOTHING))
    kept = "\n".join(_kept(found)) if told else ""
    rest = [one for one in told if one not in kept]
    return _unknown(key, rest) if rest else []


def _kept(found: list[Found]) -> Iterable[str]:
    for one in found:
        if isinstance(one, File):
            yield one.content.decode()
        elif isinstance(one, Text):
            yield one.text
        else:
            yield from words(one.model_dump())


def _unknown(kind: str, value: object) -> list[Found]:
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


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise Malformed("no object")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise Malformed("no text")
    return value


# --- one reader a content object -----------------------------------------------------------------------------


def _text(value: object) -> list[Found]:
    return long_text(_string(_object(value).get("body")))


def _media(model: type[Media]) -> Callable[[object], list[Found]]:
    def read(value: object) -> list[Found]:
        media = _object(value)
        caption, kept = _captioned(word(media.get("caption")))
        found = model(
            media_type=word(media.get("mime_type")),
            filename=word(media.get("filename")),
            caption=caption,
            media_id=required(media.get("id") or media.get("link"), "no media id"),
        )
        return [_spoken(found, media), *kept]

    return read


def _spoken(found: Media, media: Json) -> Media:
    spoken = isinstance(found, Audio) and media.get("voice") is True
    return found.model_copy(update={"voice": True}) if spoken else found


def _captioned(caption: str | None) -> tuple[str | None, list[Found]]:
    return (None, long_text(caption)) if caption and len(caption) > MAX_TEXT else (caption, [])


def _location(value: object) -> list[Found]:
    place = _object(value)
    return [
        Location(
            latitude=_degrees(place.get("latitude")),
            longitude=_degrees(place.get("longitude")),
            name=word(place.get("name")),
            address=word(place.get("address")),
            url=word(place.get("url")),
        )
    ]


def _degrees(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Malformed("no coordinate")
    return float(value)


def _button(value: object) -> list[Found]:
    button = _object(value)
    return [Button(text=required(button.get("text"), "no text"), payload=word(button.get("payload")))]


def _reaction(value: object) -> list[Found]:
    reaction = _object(value)
    target = required(reaction.get("message_id"), "no target")
    return [Reaction(emoji=word(reaction.get("emoji")) or "", to_external_id=target)]


def _order(value: object) -> list[Found]:
    order = _object(value)
    items = [mapping(item) for item in pieces(order.get("product_items"))]
    lines = [f"{word(item.get('quantity')) or '?'} x {word(item.get('product_retailer_id'))}" for item in items]
    return [Unknown(type="order", text="\n".join([*words(order.get("text")), *lines]) or None)]


def _unsupported(value: object) -> list[Found]:
    return [Unknown(type=word(_object(value).get("type")) or "unsupported")]


# --- interactive: what was chosen or filled in ---------------------------------------------------------------


def _interactive(value: object) -> list[Found]:
    interactive = _object(value)
    kind = required(interactive.get("type"), "no type")
    if kind not in _CHOICES:
        return _unknown(kind, interactive.get(kind, interactive))
    return _CHOICES[kind](_object(interactive.get(kind)))


def _choice(reply: Json) -> list[Found]:
    return [
        Button(
            text=required(reply.get("title"), "no title"),
            payload=word(reply.get("id")),
            description=word(reply.get("description")),
        )
    ]


def _form(reply: Json) -> list[Found]:
    form = Form(name=word(reply.get("name")), fields=_fields(reply.get("response_json")))
    body = word(reply.get("body"))
    return [form, *(long_text(body) if body else [])]


def _fields(response: object) -> dict[str, str]:
    """Return the fields as words; an answer that is no object is kept whole, under the name Meta gave it."""
    try:
        fields = json.loads(response) if isinstance(response, str) else response
    except (ValueError, RecursionError):
        fields = None
    if isinstance(fields, dict):
        return {name: value if isinstance(value, str) else dumps(value) for name, value in fields.items()}
    return {"response_json": response if isinstance(response, str) else dumps(response)} if response else {}


def _call_permission(reply: Json) -> list[Found]:
    return [Unknown(type="call_permission", text=word(reply.get("response")))]


# --- visiting cards ------------------------------------------------------------------------------------------

_NAME_PARTS: Final = ("prefix", "first_name", "middle_name", "last_name", "suffix")


def _contacts(value: object) -> list[Found]:
    return [_contact(_object(card)) for card in pieces(value)]


def _contact(card: Json) -> ContactCard:
    addresses = (*_phones(card), *_emails(card))
    return ContactCard(name=_name(mapping(card.get("name"))), addresses=addresses)


def _name(name: Json) -> str | None:
    given = (word(name.get(key)) for key in _NAME_PARTS)
    return word(name.get("formatted_name")) or " ".join(one for one in given if one) or None


def _phones(card: Json) -> Iterable[Address]:
    phones = [mapping(phone) for phone in pieces(card.get("phones"))]
    both = [found for phone in phones for found in (_phone(phone.get("phone")), people.number(phone.get("wa_id")))]
    return dict.fromkeys(address for address in both if address)


def _phone(value: object) -> Address | None:
    """Return a number as people write it, read as a Dutch one when it names no country."""
    written = word(value)
    if not written:
        return None
    try:
        parsed = phonenumbers.parse(written, "NL")
    except phonenumbers.NumberParseException:
        return Address(kind=AddressKind.OTHER, value=written[:512])
    e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    return Address(kind=AddressKind.TEL, value=e164)


def _emails(card: Json) -> Iterable[Address]:
    written = [word(mapping(email).get("email")) for email in pieces(card.get("emails"))]
    return [Address(kind=AddressKind.MAILTO, value=one.lower()[:512]) for one in written if one]


_CHOICES: Final[dict[str, Callable[[Json], list[Found]]]] = {
    "button_reply": _choice,
    "list_reply": _choice,
    "nfm_reply": _form,
    "call_permission_reply": _call_permission,
}
_READERS: Final[dict[str, Callable[[object], list[Found]]]] = {
    "text": _text,
    "image": _media(Image),
    "video": _media(Video),
    "audio": _media(Audio),
    "voice": _media(Audio),
    "document": _media(Document),
    "sticker": _media(Sticker),
    "location": _location,
    "contacts": _contacts,
    "button": _button,
    "interactive": _interactive,
    "reaction": _reaction,
    "order": _order,
    "unsupported": _unsupported,
}

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
