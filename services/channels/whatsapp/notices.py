"""What Meta tells about ourselves: restrictions, limits, templates, groups, calls, and errors of no single message."""

from __future__ import annotations

from typing import Final

from schemas.parts import Unknown
from services.channels.base import AccountChange, Item, Message
from services.channels.whatsapp import people
from services.channels.whatsapp.change import Change
from services.channels.whatsapp.json_shape import Json, digest, moment, required, word

_ABOUT_ACCOUNT: Final = (
    "account_",
    "automatic_events",
    "business_",
    "flows",
    "message_template_",
    "partner_solutions",
    "payment_configuration_",
    "phone_number_",
    "security",
    "template_",
)
"""How the fields begin that never hold a citizen's word."""

_CODES: Final = ("event", "decision", "new_category", "current_limit", "new_quality_score", "status")


def about_account(field: object) -> bool:
    """Whether a change of this field is about us and nobody else."""
    return isinstance(field, str) and field.startswith(_ABOUT_ACCOUNT)


def read_account(change: Change, value: Json) -> list[Item]:
    """Return a notice about the account, its numbers or its templates."""
    code = next((said for key in _CODES if (said := word(value.get(key)))), None)
    return [_notice(change, value, change.field, code)]


def read_error(change: Change, raw: Json) -> list[Item]:
    """Return an error that belongs to no single message."""
    return [_notice(change, raw, "error", word(raw.get("code")))]


def read_group(change: Change, raw: Json) -> list[Item]:
    """Return what happened to a group of ours."""
    return [_notice(change, raw, word(raw.get("type")) or change.field, None)]


def read_call(change: Change, raw: Json) -> list[Item]:
    """Return a call. A citizen who called us is a message, once: somebody may have to call back."""
    event = word(raw.get("event"))
    if event == "connect" and raw.get("direction") == "USER_INITIATED":
        return [_call(change, raw)]
    return [_notice(change, raw, f"call_{event or 'status'}", word(raw.get("status")))]


def _call(change: Change, raw: Json) -> Message:
    return Message(
        account=change.account,
        external_id=required(raw.get("id"), "no id"),
        happened=moment(raw.get("timestamp")),
        addresses=people.sender(raw, change.contacts),
        parts=(Unknown(type="call"),),
        name=people.name_of(people.contact_of(raw, change.contacts)),
    )


def _notice(change: Change, raw: Json, what: str, code: str | None) -> AccountChange:
    """Return the notice; its id is a digest of all that was said, since Meta gives none for most."""
    identity = digest([change.field, str(change.time), raw])
    when = moment(raw.get("timestamp")) or change.time
    return AccountChange(change.account, identity, when, change=what[:100], code=code and code[:100])
