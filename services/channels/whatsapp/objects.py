"""One reader a content object of Meta's: text, media, places, buttons, and so on. Each raises ValueError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from schemas.parts import MAX_TEXT, Audio, Button, Document, Image, Location, Media, Reaction, Sticker, Unknown, Video
from services.channels.whatsapp import cards, choices
from services.channels.whatsapp.found import Found, as_object, as_text, long_text
from services.channels.whatsapp.json_shape import Json, Malformed, mapping, pieces, required, word, words


def _text(value: object) -> list[Found]:
    return long_text(as_text(as_object(value).get("body")))


def _media(model: type[Media]) -> Callable[[object], list[Found]]:
    def read(value: object) -> list[Found]:
        media = as_object(value)
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
    place = as_object(value)
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
    button = as_object(value)
    return [Button(text=required(button.get("text"), "no text"), payload=word(button.get("payload")))]


def _reaction(value: object) -> list[Found]:
    reaction = as_object(value)
    target = required(reaction.get("message_id"), "no target")
    return [Reaction(emoji=word(reaction.get("emoji")) or "", to_external_id=target)]


def _order(value: object) -> list[Found]:
    order = as_object(value)
    items = [mapping(item) for item in pieces(order.get("product_items"))]
    lines = [f"{word(item.get('quantity')) or '?'} x {word(item.get('product_retailer_id'))}" for item in items]
    return [Unknown(type="order", text="\n".join([*words(order.get("text")), *lines]) or None)]


def _unsupported(value: object) -> list[Found]:
    return [Unknown(type=word(as_object(value).get("type")) or "unsupported")]


READERS: Final[dict[str, Callable[[object], list[Found]]]] = {
    "text": _text,
    "image": _media(Image),
    "video": _media(Video),
    "audio": _media(Audio),
    "voice": _media(Audio),
    "document": _media(Document),
    "sticker": _media(Sticker),
    "location": _location,
    "contacts": cards.read,
    "button": _button,
    "interactive": choices.read,
    "reaction": _reaction,
    "order": _order,
    "unsupported": _unsupported,
}
"""By the name of the object."""
