"""One POST of Meta's to everything that it holds: each entry, change, message, receipt and notice, in its order.

Source: developers.facebook.com, WhatsApp Business Platform, "Webhooks reference".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.channels.base import Item, Rejected
from services.channels.whatsapp import messages, moves, notices, receipts
from services.channels.whatsapp.change import Change
from services.channels.whatsapp.json_shape import Json, Malformed, dumps, loads, mapping, pieces

_OBJECT: Final = "whatsapp_business_account"

Reader = Callable[[Change, Json], list[Item]]

READERS: Final[dict[str, Reader]] = {
    "messages": messages.read,
    "message_echoes": messages.read_echo,
    "statuses": receipts.read,
    "errors": notices.read_error,
    "calls": notices.read_call,
    "groups": notices.read_group,
    "user_preferences": messages.read_preference,
    "user_id_update": moves.read_update,
}
"""Who reads what stands in a change, by the name of its list."""

_ROUND_IT: Final = frozenset({"messaging_product", "metadata", "contacts"})


def read(body: bytes) -> list[Item]:
    """Return all that the body holds. Never raises: what cannot be read is Rejected, whole or that piece."""
    try:
        return _read(loads(body), body)
    except RecursionError:
        return [Rejected("nested too deep", body)]
    except ValueError:
        return [Rejected("no JSON that can be read", body)]


def _read(post: object, body: bytes) -> list[Item]:
    entries = pieces(mapping(post).get("entry"))
    if mapping(post).get("object") != _OBJECT or not entries:
        return [Rejected("not of a WhatsApp business account", body)]
    return [item for entry in entries for item in _entry(mapping(entry), body)]


def _entry(entry: Json, body: bytes) -> list[Item]:
    changes = pieces(entry.get("changes"))
    if not changes or not all(isinstance(change, dict) for change in changes):
        return [Rejected("an entry without changes", body)]
    return [item for change in changes for item in _change(entry, mapping(change))]


def _change(entry: Json, raw: Json) -> list[Item]:
    whole = raw.get("value")
    try:
        reading = _Reading(entry, raw, Change.of(entry, raw))
    except Malformed as fault:
        return [Rejected(str(fault), _alone(entry, raw, whole))]
    return reading.items()


def _alone(entry: Json, raw: Json, value: object) -> bytes:
    """Return a body that holds just this, so that it can be read again once we know how."""
    alone = {**entry, "changes": [{**raw, "value": value}]}
    return dumps({"object": _OBJECT, "entry": [alone]}).encode()


@dataclass(frozen=True, slots=True)
class _Reading:
    """One change of one entry, being read."""

    entry: Json
    raw: Json
    change: Change

    def items(self) -> list[Item]:
        value = mapping(self.raw.get("value"))
        if value and notices.about_account(self.change.field):
            return self._guarded("value", value, notices.read_account, value)
        known = [name for name in value if name in READERS and value[name]]
        items = [item for name in known for item in self._named(name, value)]
        return [*items, *self._strange(value)] if known else [self._unread()]

    def _named(self, name: str, value: Json) -> list[Item]:
        found = [(piece, self._one(name, [piece])) for piece in pieces(value[name])]
        return [item for piece, one in found for item in self._guarded(name, one, READERS[name], piece)]

    def _strange(self, value: Json) -> list[Item]:
        """Return the lists that nobody here reads: all that people say comes in lists."""
        lists = {name: inner for name, inner in value.items() if isinstance(inner, list)}
        strange = [name for name in lists if name not in READERS and name not in _ROUND_IT and lists[name]]
        return [self._rejected("a list", self._one(name, lists[name]), "not known to us") for name in strange]

    def _unread(self) -> Rejected:
        return self._rejected("value", self.raw.get("value"), "nothing in it that we know")

    def _guarded(self, place: str, alone: object, reader: Reader, piece: object) -> list[Item]:
        try:
            return reader(self.change, _object(piece))
        except Malformed as fault:
            return [self._rejected(place, alone, str(fault))]

    def _rejected(self, place: str, alone: object, fault: str) -> Rejected:
        raw = _alone(self.entry, self.raw, alone)
        return Rejected(f"{place}: {fault}", raw, self.change.account)

    def _one(self, name: str, inner: list[object]) -> Json:
        """Return the value of this change with just these pieces, and who and what stands round them."""
        value = mapping(self.raw.get("value"))
        return {**{key: value[key] for key in value if key in _ROUND_IT}, name: inner}


def _object(piece: object) -> Json:
    if not isinstance(piece, dict):
        raise Malformed("no object")
    return piece
