"""What is told once for all that a change holds: whose number it is about, and the people in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.channels.whatsapp.json_shape import Json, mapping, moment, required, word
from services.channels.whatsapp.people import contacts_in


@dataclass(frozen=True, slots=True)
class Change:
    """`account` is the id of the phone number; of a notice about the whole business account, the id of that."""

    account: str
    field: str
    time: datetime | None
    contacts: list[Json]

    @classmethod
    def of(cls, entry: Json, change: Json) -> Change:
        """Raises Malformed when nothing says whose it is."""
        value = mapping(change.get("value"))
        ours = mapping(value.get("metadata")).get("phone_number_id") or entry.get("id")
        return cls(
            account=required(ours, "no account"),
            field=word(change.get("field")) or "messages",
            time=moment(entry.get("time")),
            contacts=contacts_in(value),
        )
