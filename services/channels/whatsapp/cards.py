"""Visiting cards that a citizen sends along."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import phonenumbers

from schemas.parts import Address, AddressKind, ContactCard
from services.channels.whatsapp import people
from services.channels.whatsapp.found import Found, as_object
from services.channels.whatsapp.json_shape import Json, mapping, pieces, word

_NAME_PARTS: Final = ("prefix", "first_name", "middle_name", "last_name", "suffix")


def read(value: object) -> list[Found]:
    """Return every card; raises Malformed."""
    return [_contact(as_object(card)) for card in pieces(value)]


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
