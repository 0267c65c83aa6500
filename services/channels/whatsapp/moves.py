"""Somebody is reached elsewhere from now on: a new number, a new user id. Both addresses are one citizen's.

Source: developers.facebook.com, WhatsApp Business Platform, "System messages webhook reference".
"""

from __future__ import annotations

from schemas.parts import Address
from services.channels.base import Item, Link
from services.channels.whatsapp import people
from services.channels.whatsapp.change import Change
from services.channels.whatsapp.json_shape import Json, Malformed, digest, mapping, moment, required

Both = tuple[Address | None, Address | None]
"""A number and a user id, of which one may be unsaid."""

_MOVES = ("user_changed_", "customer_changed_")


def is_move(raw: Json) -> bool:
    """Whether a system message tells that somebody moved."""
    return str(mapping(raw.get("system")).get("type")).startswith(_MOVES)


def read(change: Change, raw: Json) -> list[Item]:
    """Return the links that a system message makes; raises Malformed."""
    system = mapping(raw.get("system"))
    when = raw.get("timestamp")
    return _links(change, required(raw.get("id"), "no id"), when, _pairs(_before(raw, system), _after(system)))


def read_update(change: Change, raw: Json) -> list[Item]:
    """Return the link of one of `user_id_update`; raises Malformed."""
    ids = mapping(raw.get("user_id"))
    before = (people.number(raw.get("wa_id")), people.bsuid(ids.get("previous")))
    pairs = _pairs(before, (None, people.bsuid(ids.get("current"))))
    return _links(change, digest(raw), raw.get("timestamp"), pairs)


def _before(raw: Json, system: Json) -> Both:
    ids = (system.get("previous_user_id"), raw.get("from_user_id"), raw.get("from"))
    return people.number(raw.get("from")), next((found for one in ids if (found := people.bsuid(one))), None)


def _after(system: Json) -> Both:
    number = people.number(system.get("wa_id")) or people.number(system.get("new_wa_id"))
    return number, people.bsuid(system.get("user_id"))


def _pairs(before: Both, after: Both) -> list[tuple[Address, Address]]:
    """Return which old address belongs to which new one: number to number, id to id, else across."""
    straight = [(old, new) for old, new in zip(before, after, strict=True) if old and new and old != new]
    across = [(old, new) for old, new in zip(reversed(before), after, strict=True) if old and new]
    return straight or across


def _links(change: Change, identity: str, when: object, pairs: list[tuple[Address, Address]]) -> list[Item]:
    if not pairs:
        raise Malformed("a change of address without both addresses")
    ids = (identity, f"{identity}/2")
    return [Link(change.account, one, moment(when), old, new) for one, (old, new) in zip(ids, pairs, strict=False)]
