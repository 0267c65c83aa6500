"""What citizens did: wrote, changed, took back. And what was answered outside the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from schemas.parts import Unknown
from services.channels.base import Echo, Edit, Item, Message, Revocation
from services.channels.whatsapp import moves, people
from services.channels.whatsapp.change import Change
from services.channels.whatsapp.content import content
from services.channels.whatsapp.json_shape import (
    Json,
    Malformed,
    digest,
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


def _system(change: Change, raw: Json) -> list[Item]:
    """Return the links that a move makes; any other notice is an automatic message."""
    return moves.read(change, raw) if moves.is_move(raw) else _message(change, raw, automatic=True)


def read_preference(change: Change, raw: Json) -> list[Item]:
    """Return one of `user_preferences`: a citizen said whether they want offers. People should see a stop."""
    said = [word(raw.get("value")), word(raw.get("detail"))]
    return [
        Message(
            account=change.account,
            external_id=digest(raw),
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
    return [Echo(change.account, _id(raw), when, recipient=recipient, parts=content(raw).unfolded())]


_BY_TYPE: Final[dict[str, Callable[[Change, Json], list[Item]]]] = {
    "edit": _edit,
    "revoke": _revocation,
    "system": _system,
}
