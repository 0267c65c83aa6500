"""What citizens did: wrote, changed, took back, moved to another number. And what was answered outside the hub."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from schemas.parts import Address, Unknown
from services.channels.base import Echo, Edit, Item, Link, Message, Revocation
from services.channels.whatsapp import people
from services.channels.whatsapp.change import Change
from services.channels.whatsapp.content import content
from services.channels.whatsapp.json_shape import (
    Json,
    Malformed,
    dumps,
    mapping,
    moment,
    required,
    word,
)


def read(change: Change, raw: Json) -> list[Item]:
    """Return what one of `messages` says; raises ValueError."""
    return _BY_TYPE.get(str(raw.get("type")), _message)(change, raw)


def _message(change: Change, raw: Json, *, automatic: bool = False) -> list[Item]:
    said = content(raw)
    return [
        Message(
            account=change.account,
            external_id=_id(raw),
            happened=moment(raw.get("timestamp")),
            addresses=people.sender(raw, change.contacts),
            parts=said.parts,
            name=people.name_of(people.contact_of(raw, change.contacts)),
            thread=_thread(raw),
            automatic=automatic,
            truncated=bool(said.files),
            files=said.files,
        )
    ]


def _id(raw: Json) -> str:
    return required(raw.get("id"), "no id")


def _thread(raw: Json) -> tuple[str, ...]:
    answered = word(mapping(raw.get("context")).get("id"))
    return (answered,) if answered else ()


def _edit(change: Change, raw: Json) -> list[Item]:
    edit = mapping(raw.get("edit"))
    original, new = word(edit.get("original_message_id")), mapping(edit.get("message"))
    if not original or not new:
        return _message(change, raw)
    said = content(new)
    when = moment(raw.get("timestamp"))
    return [Edit(change.account, original, when, parts=said.parts, edit_id=_id(raw), files=said.files)]


def _revocation(change: Change, raw: Json) -> list[Item]:
    original = required(mapping(raw.get("revoke")).get("original_message_id"), "no original")
    return [Revocation(change.account, original, moment(raw.get("timestamp")))]


# --- somebody is now reached elsewhere -----------------------------------------------------------------------


def _system(change: Change, raw: Json) -> list[Item]:
    """Return the links that a changed number or user id makes; any other notice as an automatic message."""
    system = mapping(raw.get("system"))
    if not str(system.get("type")).startswith(("user_changed_", "customer_changed_")):
        return _message(change, raw, automatic=True)
    old_id = people.bsuid(system.get("previous_user_id")) or people.bsuid(raw.get("from_user_id"))
    olds = (people.number(raw.get("from")), old_id or people.bsuid(raw.get("from")))
    news = (
        people.number(system.get("wa_id")) or people.number(system.get("new_wa_id")),
        people.bsuid(system.get("user_id")),
    )
    return _links(change, raw, _pairs(olds, news))


def read_id_update(change: Change, raw: Json) -> list[Item]:
    """Return the link of one of `user_id_update`."""
    ids = mapping(raw.get("user_id"))
    olds = (people.number(raw.get("wa_id")), people.bsuid(ids.get("previous")))
    news = (None, people.bsuid(ids.get("current")))
    return _links(change, {"id": _digest(raw), **raw}, _pairs(olds, news))


Both = tuple[Address | None, Address | None]


def _pairs(olds: Both, news: Both) -> list[tuple[Address, Address]]:
    """Return which old address belongs to which new one: number to number, id to id, else across."""
    across = zip(reversed(olds), news, strict=True)
    straight = [(old, new) for old, new in zip(olds, news, strict=True) if old and new and old != new]
    return straight or [(old, new) for old, new in across if old and new]


def _links(change: Change, raw: Json, pairs: list[tuple[Address, Address]]) -> list[Item]:
    if not pairs:
        raise Malformed("a change of address without both addresses")
    when, ids = moment(raw.get("timestamp")), (_id(raw), f"{_id(raw)}/2")
    return [Link(change.account, one, when, old, new) for one, (old, new) in zip(ids, pairs, strict=False)]


# --- other things that people did ----------------------------------------------------------------------------


def read_preference(change: Change, raw: Json) -> list[Item]:
    """Return one of `user_preferences`: a citizen said whether they want offers. People should see a stop."""
    said = [word(raw.get("value")), word(raw.get("detail"))]
    return [
        Message(
            account=change.account,
            external_id=_digest(raw),
            happened=moment(raw.get("timestamp")),
            addresses=people.sender(_by_contact_ids(raw), change.contacts),
            parts=(Unknown(type="user_preferences", text="\n".join(one for one in said if one)),),
            automatic=True,
        )
    ]


def _by_contact_ids(raw: Json) -> Json:
    """Return who it is in the words of a message: a preference names people as a contact does."""
    return {"from": raw.get("wa_id"), "from_user_id": raw.get("user_id")}


def read_echo(change: Change, raw: Json) -> list[Item]:
    """Return one of `message_echoes`: an answer that somebody typed in the Business app."""
    to = people.either(raw.get("to")) or people.bsuid(raw.get("to_user_id"))
    recipient = to or people.as_given(raw.get("to"))
    if recipient is None:
        raise Malformed("no recipient")
    when = moment(raw.get("timestamp"))
    return [Echo(change.account, _id(raw), when, recipient=recipient, parts=content(raw).parts)]


def _digest(raw: Json) -> str:
    """Return an id for what Meta gave none: the same notice, redelivered, has the same."""
    return sha256(dumps(raw).encode()).hexdigest()[:32]


_BY_TYPE: Final[dict[str, Callable[[Change, Json], list[Item]]]] = {
    "edit": _edit,
    "revoke": _revocation,
    "system": _system,
}
