"""What lies on a department's queue, in the words of its employees: plain Dutch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from schemas import events as e
from schemas.events import Closing, DeliveryStatus, Event, Move
from schemas.parts import Part, text_of


class Told(NamedTuple):
    """One event: what it is in a word or two, what it says, and which entry of the conversation it is about."""

    label: str
    words: str = ""
    number: int | None = None


STATUSES = {
    DeliveryStatus.QUEUED: "staat klaar om te versturen",
    DeliveryStatus.ACCEPTED: "is aangenomen door het kanaal",
    DeliveryStatus.SENT: "is verstuurd",
    DeliveryStatus.DELIVERED: "is aangekomen",
    DeliveryStatus.READ: "is gelezen",
    DeliveryStatus.FAILED: "is niet verstuurd",
    DeliveryStatus.UNKNOWN: "is misschien verstuurd",
}
CLOSINGS = {
    Closing.ANSWERED: "beantwoord",
    Closing.THANKED: "de burger zei dank je wel",
    Closing.NO_ANSWER_NEEDED: "geen antwoord nodig",
    Closing.MERGED: "gaat verder in een ander gesprek",
    Closing.ERASED: "de burger is vergeten",
    Closing.EXPIRED: "verlopen",
}
MOVES = {Move.CORRECTION: "hoort bij", Move.HAND_OVER: "overgedragen aan"}
PARTS = {
    "image": "foto",
    "video": "filmpje",
    "audio": "opname",
    "document": "document",
    "sticker": "sticker",
    "location": "plaats",
    "contact": "contactgegevens",
    "reaction": "reactie",
    "form": "formulier",
    "unknown": "iets dat de hub niet kent",
}


def words_of(parts: tuple[Part, ...]) -> str:
    """Return what somebody wrote, and the names of what else they sent."""
    others = [f"[{PARTS[part.kind]}]" for part in parts if part.kind in PARTS]
    return " ".join([*others, *filter(None, [text_of(parts)])]) or "[leeg]"


def told(data: Event) -> Told:
    """Return an event of a department's queue as an employee would call it."""
    say = _SAY.get(type(data))
    return say(data) if say else Told(data.TYPE)


def _routed(data: e.MessageRouted) -> Told:
    label = "nieuw bericht" if data.routing == 1 else "bericht van elders"
    words = words_of(data.message.parts) if data.message else "[lees het in de geschiedenis]"
    return Told(f"{label}, haast" if data.urgent else label, words, data.number)


def _reassigned(data: e.MessageReassigned) -> Told:
    return Told("niet meer van u", f"{MOVES[data.move]} {data.department}")


def _handed_over(data: e.ConversationHandedOver) -> Told:
    return Told(f"overgedragen door {data.from_department}", data.note or "", data.number)


def _delivery(data: e.DeliveryChanged) -> Told:
    why = f" ({data.reason})" if data.reason else ""
    return Told("antwoord", f"{STATUSES[data.status]}{why}", data.number)


def _reply_refused(data: e.ReplyRefused) -> Told:
    other = f" Uw collega schreef: {words_of(data.other)}" if data.other else ""
    return Told("antwoord geweigerd", f"{data.explanation}{other}", data.other_number)


def _by(data: e.Command) -> str:
    return data.author.agent or data.author.publisher


_SAY: Mapping[type[Event], Callable[[Any], Told]] = {
    e.MessageRouted: _routed,
    e.MessageEdited: lambda data: Told("bericht veranderd", words_of(data.parts), data.number),
    e.MessageRevoked: lambda data: Told("bericht ingetrokken", "", data.number),
    e.MessageErased: lambda data: Told("bericht gewist", "", data.number),
    e.MessageReassigned: _reassigned,
    e.ConversationHandedOver: _handed_over,
    e.ConversationClaimed: lambda data: Told("opgepakt", f"door {_by(data)}", data.number),
    e.ConversationReleased: lambda data: Told("losgelaten", f"door {_by(data)}", data.number),
    e.ConversationNoted: lambda data: Told("notitie", data.text, data.number),
    e.ConversationClosed: lambda data: Told("gesloten", CLOSINGS[data.reason], data.number),
    e.DeliveryChanged: _delivery,
    e.ReplyRefused: _reply_refused,
    e.CommandRefused: lambda data: Told("opdracht geweigerd", data.explanation),
}
