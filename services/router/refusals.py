"""What the router says when it does not do what somebody asked: why, and what can be done, in plain Dutch."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.events import Author, Command, CommandRefused, Refusal, ReplyRefused, ReplyRequested
from schemas.parts import AddressKind, Part
from services.router import contacts, facts
from services.router.tables import Conversation
from services.router.turn import Turn

NO_CONVERSATION = "-"
"""Stands where a command was about no conversation."""


@dataclass(frozen=True, slots=True)
class Said:
    """What an employee reads. `{department}` is filled in with whose conversation it is."""

    explanation: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Other:
    """A colleague's answer that came first; without an author it was given outside the hub."""

    number: int
    parts: tuple[Part, ...]
    author: Author | None


SAID = {
    Refusal.UNKNOWN_CONVERSATION: Said(
        "Dit gesprek is hier niet bekend. Misschien is het al lang geleden gesloten.",
        ("Controleer het nummer van het gesprek.",),
    ),
    Refusal.NOT_YOURS: Said(
        "Dit gesprek is nu van {department}.",
        ("Vraag {department} om het gesprek aan u over te dragen.",),
    ),
    Refusal.ANSWERED_ALREADY: Said(
        "Een collega antwoordde nadat u het gesprek las. Uw antwoord is niet verstuurd.",
        (
            "Lees het antwoord van uw collega.",
            "Wilt u toch antwoorden? Kies dan: 'toch versturen'.",
        ),
    ),
    Refusal.WINDOW_CLOSED: Said(
        "Het laatste bericht van de burger is te lang geleden. Dit kanaal staat nu geen antwoord meer toe.",
        ("Wacht tot de burger weer schrijft.",),
    ),
    Refusal.UNKNOWN_DEPARTMENT: Said(
        "Deze afdeling bestaat niet in de berichtenhub.",
        ("Kies een van deze afdelingen: {departments}.",),
    ),
    Refusal.ALREADY_THERE: Said("Dat is al zo. Het gesprek is van {department}."),
    Refusal.CLOSED: Said(
        "Dit gesprek is al gesloten.", ("Schrijft de burger weer, dan gaat het gesprek vanzelf weer open.",)
    ),
    Refusal.CLAIMED: Said(
        "Een collega werkt al aan dit gesprek.",
        ("Overleg met uw collega.", "Wilt u het overnemen? Kies dan: 'toch oppakken'."),
    ),
    Refusal.NO_ADDRESS: Said("De burger kan op dit adres geen antwoord krijgen.", ()),
    Refusal.TOO_LATE: Said("De uiterste tijd voor dit antwoord is al voorbij.", ("Verstuur het met een latere tijd.",)),
    Refusal.NOT_SUPPORTED: Said("Dit kan de berichtenhub nog niet.", ("Neem contact op met de beheerder.",)),
}

_OTHER_WAY = {
    AddressKind.MAILTO: "Stuur de burger een e-mail.",
    AddressKind.TEL: "Bel de burger.",
}


def refuse(turn: Turn, command: Command, why: Refusal, conversation: Conversation | None = None) -> None:
    """Tell the author, on the queue of their department."""
    said = _said(turn, why, conversation)
    if isinstance(command, ReplyRequested):
        _tell(turn, command, _reply_refused(turn, command, why, said), conversation)
    else:
        _tell(turn, command, _command_refused(turn, command, why, said), conversation)
    if conversation:
        facts.refused(turn, conversation, why, command.TYPE)


def refuse_second(turn: Turn, command: ReplyRequested, conversation: Conversation, other: Other) -> None:
    """Tell the author that a colleague was first, and show what they wrote."""
    said = _said(turn, Refusal.ANSWERED_ALREADY, conversation)
    refused = _reply_refused(turn, command, Refusal.ANSWERED_ALREADY, said)
    shown = {"other": other.parts, "other_author": other.author, "other_number": other.number}
    _tell(turn, command, refused.model_copy(update=shown), conversation)
    facts.refused(turn, conversation, Refusal.ANSWERED_ALREADY, command.TYPE)


def _tell(
    turn: Turn, command: Command, refused: ReplyRefused | CommandRefused, conversation: Conversation | None
) -> None:
    # What an author takes for a conversation may be anything, and so is no key.
    key = conversation.id if conversation else turn.cause
    turn.tell(_queue(turn, command, conversation), key, refused, about=refused.why)


def _queue(turn: Turn, command: Command, conversation: Conversation | None) -> str:
    """The author's own queue; an operator has none, so it stands where the conversation is."""
    theirs = command.author.department
    if theirs and turn.served.has(theirs):
        return theirs
    return conversation.department if conversation else turn.served.triage


def _reply_refused(turn: Turn, command: ReplyRequested, why: Refusal, said: Said) -> ReplyRefused:
    return ReplyRefused(
        tenant=turn.oin,
        conversation=command.conversation,
        command=turn.cause,
        why=why,
        explanation=said.explanation,
        options=said.options,
        author=command.author,
    )


def _command_refused(turn: Turn, command: Command, why: Refusal, said: Said) -> CommandRefused:
    return CommandRefused(
        tenant=turn.oin,
        conversation=getattr(command, "conversation", NO_CONVERSATION),
        command=turn.cause,
        command_type=command.TYPE,
        why=why,
        explanation=said.explanation,
        options=said.options,
        author=command.author,
    )


def _said(turn: Turn, why: Refusal, conversation: Conversation | None) -> Said:
    said = SAID[why]
    titles = turn.served.taxonomy.titles
    words = {
        "department": titles.get(conversation.department, conversation.department) if conversation else "",
        "departments": ", ".join(titles.values()),
    }
    options = tuple(option.format(**words) for option in said.options)
    if why in {Refusal.WINDOW_CLOSED, Refusal.NO_ADDRESS} and conversation:
        options = (*_other_ways(turn, conversation), *options)
    return Said(said.explanation.format(**words), options)


def _other_ways(turn: Turn, conversation: Conversation) -> tuple[str, ...]:
    known = (address.kind for address in contacts.addresses(turn, conversation.contact))
    return tuple(dict.fromkeys(_OTHER_WAY[kind] for kind in known if kind in _OTHER_WAY))
