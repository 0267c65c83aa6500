"""Our items in the words of the corpus's sidecars, so that the two can be laid side by side."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from schemas.parts import (
    Address,
    AddressKind,
    Button,
    ContactCard,
    Form,
    Location,
    Media,
    Part,
    Reaction,
    Unknown,
    text_of,
)
from services.channels.base import AccountChange, Echo, Edit, Item, Link, Message, Receipt, Rejected, Revocation

Reading = dict[str, Any]


def readings(items: list[Item]) -> dict[str, list[Reading]]:
    """Return everything that came out, sorted as a sidecar is; a message twice in one body is one, by its id."""
    found: dict[str, list[Reading]] = {"messages": [], "statuses": [], "events": [], "errors": [], "rejected": []}
    for item in items:
        place, reading = _read(item)
        if reading not in found[place]:
            found[place].append(reading)
    return found


def _read(item: Item) -> tuple[str, Reading]:
    match item:
        case Receipt():
            return "statuses", _receipt(item)
        case Rejected():
            return "rejected", {"reason": item.reason}
        case Echo() | AccountChange():
            return _notice(item)
        case _:
            return "messages", _from_a_citizen(item)


def _from_a_citizen(item: Message | Edit | Revocation | Link) -> Reading:
    match item:
        case Message():
            return _message(item)
        case Edit():
            new = {"type": "edit", "message_id": item.edit_id, "edits": item.external_id}
            return {**_common(item), **_said(item.parts), **new}
        case Revocation():
            return {"type": "revoke", "revokes": item.external_id, **_common(item)}
        case Link():
            return _link(item)


def _notice(item: Echo | AccountChange) -> tuple[str, Reading]:
    if isinstance(item, Echo):
        return "events", _echo(item)
    if item.change == "error":
        return "errors", {"code": item.code}
    return "events", {"event": item.change, "detail": item.code}


def _echo(item: Echo) -> Reading:
    first = item.parts[0]
    kind = {"type": first.type} if isinstance(first, Unknown) else {}
    said = {**_said(item.parts), **kind}
    return {"event": "echo", "message_id": item.external_id, "to": plain(item.recipient), **said}


def _common(item: Message | Edit | Revocation | Link) -> Reading:
    return {"recipient_id": item.account, "timestamp": clock(item.happened)}


def _message(item: Message) -> Reading:
    return {
        "message_id": item.external_id,
        "sender_id": plain(item.addresses[0]),
        "sender_alt_id": plain(item.addresses[1]) if len(item.addresses) > 1 else None,
        "sender_name": item.name,
        "reply_to": item.thread[0] if item.thread else None,
        **_common(item),
        **_said(item.parts),
    }


def _said(parts: tuple[Part, ...]) -> Reading:
    said: Reading = {"type": parts[0].kind, "text": text_of(parts) or None}
    for part in parts:
        said |= _part(part)
    return {**said, "contacts": found} if (found := _cards(parts)) else said


def _part(part: Part) -> Reading:
    match part:
        case Location():
            place = {"lat": part.latitude, "lon": part.longitude, "name": part.name, "address": part.address}
            return {"location": {key: value for key, value in place.items() if value is not None}}
        case Reaction():
            return {"reaction": {"target": part.to_external_id, "emoji": part.emoji or None, "removed": not part.emoji}}
        case Button():
            return {"payload": part.payload, "text": part.text}
        case Form():
            return {"form": part.fields}
        case Unknown():
            return {"unsupported_kind": part.type}
        case _:
            return {"attachments": [_attachment(part)]} if isinstance(part, Media) else {}


def _attachment(part: Media) -> Reading:
    kind = "voice" if getattr(part, "voice", False) else part.kind
    found = {"kind": kind, "ref": part.media_id, "mime": part.media_type, "filename": part.filename}
    return {key: value for key, value in found.items() if value is not None}


def _cards(parts: tuple[Part, ...]) -> list[Reading]:
    found = [part for part in parts if isinstance(part, ContactCard)]
    return [{"name": card.name, "phones": [plain(one) for one in card.addresses]} for card in found]


def _link(item: Link) -> Reading:
    new = {"kind": "user_changed_number", "new_id": plain(item.new)}
    moved = {"type": "system", "message_id": item.external_id, "sender_id": plain(item.old), "system": new}
    return {**moved, **_common(item)}


def _receipt(item: Receipt) -> Reading:
    return {
        "message_id": item.external_id,
        "status": item.status.value,
        "recipient_id": plain(item.recipient) if item.recipient else None,
        "timestamp": clock(item.happened),
        "errors": [item.code],
        "tracker": item.our_id,
    }


def plain(address: Address) -> str:
    """Return an address as WhatsApp and others write it: a number without its plus."""
    return address.value.removeprefix("+") if address.kind is AddressKind.TEL else address.value


def clock(moment: datetime | None) -> str | None:
    """Return a time as the sidecars write it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
