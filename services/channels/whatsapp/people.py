"""Who it is. A phone number where one was seen, and the business-scoped user id (BSUID) that Meta gives instead.

Source: developers.facebook.com, WhatsApp Business Platform, "Business-scoped user IDs" and "System messages".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from schemas.parts import Address, AddressKind
from services.channels.whatsapp.json_shape import Json, Malformed, mapping, pieces, word

_NUMBER: Final = re.compile(r"\+?([0-9]{3,20})")
_BSUID: Final = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_LONGEST: Final = 512
_ANSWERABLE: Final = (AddressKind.TEL, AddressKind.WHATSAPP_BSUID)


def number(value: object) -> Address | None:
    """Return a phone number: a `wa_id` is E.164 without its plus."""
    found = _NUMBER.fullmatch(word(value) or "")
    return Address(kind=AddressKind.TEL, value=f"+{found[1]}") if found else None


def bsuid(value: object) -> Address | None:
    """Return a business-scoped user id: a country, a dot, letters and digits."""
    found = word(value) or ""
    return Address(kind=AddressKind.WHATSAPP_BSUID, value=found) if _BSUID.fullmatch(found) else None


def as_given(value: object) -> Address | None:
    """Return an id of WhatsApp's that is neither of both: it can be recognised, not answered."""
    found = (word(value) or "")[:_LONGEST]
    return Address(kind=AddressKind.WHATSAPP, value=found) if found else None


def either(value: object) -> Address | None:
    """Return a number or a BSUID, whichever it is: Meta puts both in the same place."""
    return number(value) or bsuid(value)


def sender(message: Json, contacts: list[Json]) -> tuple[Address, ...]:
    """Return every address of who wrote this, a phone number first; raises Malformed when none can be answered."""
    contact = contact_of(message, contacts)
    given = message.get("from_user_id")
    found = _distinct(
        number(message.get("from")),
        number(contact.get("wa_id")),
        bsuid(given),
        bsuid(message.get("from")),
        bsuid(contact.get("user_id")),
        bsuid(message.get("from_parent_user_id")),
        None if bsuid(given) else as_given(given),
    )
    if not any(address.kind in _ANSWERABLE for address in found):
        raise Malformed("no sender that can be answered")
    return found


def contact_of(message: Json, contacts: list[Json]) -> Json:
    """Return the contact that belongs to this message, or an empty one."""
    ids = [message[key] for key in ("from", "from_user_id") if message.get(key)]
    if not ids:
        return contacts[0] if len(contacts) == 1 else {}
    own = (one for one in contacts if one.get("wa_id") in ids or one.get("user_id") in ids)
    return next(own, {})


def name_of(contact: Json) -> str | None:
    """Return the name that the citizen goes by."""
    profile = mapping(contact.get("profile"))
    return word(profile.get("name")) or word(profile.get("username"))


def contacts_in(value: Json) -> list[Json]:
    """Return the contacts that a change names."""
    return [mapping(contact) for contact in pieces(value.get("contacts"))]


def recipient(status: Json) -> Address | None:
    """Return whom a receipt is about: in a group, the participant."""
    keys = ("recipient_participant_id", "recipient_participant_user_id", "recipient_id", "recipient_user_id")
    return next((found for key in keys if (found := either(status.get(key)))), None)


def _distinct(*found: Address | None) -> tuple[Address, ...]:
    return tuple(dict.fromkeys(_there(found)))


def _there(found: Iterable[Address | None]) -> Iterable[Address]:
    return (address for address in found if address is not None)
