"""What became of what we sent."""

from __future__ import annotations

from typing import Final

from schemas.events import DeliveryStatus, Reason
from services.channels.base import Item, Receipt
from services.channels.whatsapp import people
from services.channels.whatsapp.change import Change
from services.channels.whatsapp.errors import reason_of
from services.channels.whatsapp.json_shape import Json, mapping, moment, pieces, required, word
from services.channels.whatsapp.notices import read_call

STATUSES: Final = {
    "sent": DeliveryStatus.SENT,
    "delivered": DeliveryStatus.DELIVERED,
    "read": DeliveryStatus.READ,
    "played": DeliveryStatus.READ,
    "failed": DeliveryStatus.FAILED,
}
"""Meta's words. One that is not here proves only that Meta has it: accepted, with the word as code."""

_NOTHING_NEW: Final = frozenset({"deleted"})
"""The citizen threw our answer away on their own phone; how far it got does not change."""


def read(change: Change, raw: Json) -> list[Item]:
    """Return the receipt that one of `statuses` is; raises ValueError."""
    if raw.get("type") == "call":
        return read_call(change, raw)
    said = required(raw.get("status"), "no status")
    return [] if said in _NOTHING_NEW else [_receipt(change, raw, said)]


def _receipt(change: Change, raw: Json, said: str) -> Receipt:
    status = STATUSES.get(said, DeliveryStatus.ACCEPTED)
    code = _code(raw)
    return Receipt(
        account=change.account,
        external_id=required(raw.get("id"), "no id"),
        happened=moment(raw.get("timestamp")),
        status=status,
        our_id=word(raw.get("biz_opaque_callback_data")),
        reason=_reason(code) if status is DeliveryStatus.FAILED else None,
        code=code if said in STATUSES else said[:100],
        recipient=people.recipient(raw),
        cost=word(mapping(raw.get("pricing")).get("category")),
    )


def _code(raw: Json) -> str | None:
    codes = (word(mapping(error).get("code")) for error in pieces(raw.get("errors")))
    return next((code for code in codes if code), None)


def _reason(code: str | None) -> Reason:
    known = reason_of(int(code)) if code and code.isascii() and code.isdigit() else None
    return known or Reason.OTHER
