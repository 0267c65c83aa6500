"""A message of a citizen: taken in once, put in its conversation, and sent to the one department that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas.events import (
    Author,
    Closing,
    EntryKind,
    MessageReceived,
    MessageRouted,
    Move,
    Suggestion,
)
from schemas.parts import text_of
from services.classification.classify import Classification, Context, Message, classify
from services.classification.reasons import of_conversation
from services.classification.taxonomy import Gate
from services.router import contacts, conversations, facts, finding, history, moves
from services.router.finding import Found
from services.router.tables import Conversation, Line, Taken
from services.router.turn import Turn

HUB = Author(publisher="hub")
"""Who moves a conversation when nobody else does."""

NAMED = "Het bericht noemt een nummer van een gesprek van iemand anders. Kijk of het daarbij hoort."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message goes: the conversation that it goes on with, or a new one at a department."""

    conversation: Conversation | None
    department: str
    linked: str | None = None


def received(turn: Turn, offset: int, message: MessageReceived) -> None:
    """Take in a message that was not seen before; `offset` is where its words can be read again."""
    contact = contacts.of_sender(turn, message.sender)
    found = finding.find(turn, contact, message)
    judged = judge(turn, message, found.conversation)
    place = _place(turn, contact, message, found, judged)
    conversation = place.conversation or _opened(turn, contact, message, place)
    conversation = _moved_if_clear(turn, conversation, place.department)
    _add(turn, conversation, offset, message, judged)


def judge(turn: Turn, message: MessageReceived, conversation: Conversation | None) -> Classification:
    """Return which department a message is for, by its words and where its conversation is."""
    words = f"{message.subject}\n{text_of(message.parts)}" if message.subject else text_of(message.parts)
    kinds = frozenset(part.kind for part in message.parts)
    return classify(Message(words, kinds), _context(turn, conversation), turn.served.taxonomy)


def _context(turn: Turn, conversation: Conversation | None) -> Context | None:
    if conversation is None:
        return None
    return Context(conversation.department, conversations.silence(turn, conversation).total_seconds())


# --- which conversation --------------------------------------------------------------------------------------


def _place(turn: Turn, contact: str, message: MessageReceived, found: Found, judged: Classification) -> Place:
    here = found.conversation
    if here is None:
        return _place_of_new(turn, found, judged)
    if _is_other_matter(turn, here, found, judged):
        other = finding.open_at(turn, contact, message.via.inbox, judged.department)
        return Place(other, judged.department, linked=here.id)
    unclear_until_now = here.department == turn.served.triage
    return Place(here, judged.department if unclear_until_now else here.department)


def _place_of_new(turn: Turn, found: Found, judged: Classification) -> Place:
    """Whoever gives another's number probably writes about that matter, unless the words say otherwise."""
    if found.named is None:
        return Place(None, judged.department)
    unclear = judged.department == turn.served.triage and judged.gate is not Gate.EMERGENCY
    return Place(None, found.named.department if unclear else judged.department, linked=found.named.id)


def _is_other_matter(turn: Turn, here: Conversation, found: Found, judged: Classification) -> bool:
    if here.department == turn.served.triage:
        return False
    if judged.gate is Gate.EMERGENCY:
        return True
    elsewhere = judged.department not in {here.department, turn.served.triage}
    return elsewhere and not found.sure


def _opened(turn: Turn, contact: str, message: MessageReceived, place: Place) -> Conversation:
    linked = (place.linked,) if place.linked else ()
    return conversations.open_new(turn, contact, message.via, place.department, linked)


def _moved_if_clear(turn: Turn, conversation: Conversation, department: str) -> Conversation:
    """A conversation that was unclear so far goes along with its first clear message."""
    if conversation.department == department:
        return conversation
    if conversation.open == 0:
        return conversations.change(turn, conversation, **conversations.moved_to(conversation, department))
    return moves.move(turn, conversation, moves.Wanted(department, Move.HAND_OVER, HUB))


# --- taking in -----------------------------------------------------------------------------------------------


def _add(turn: Turn, conversation: Conversation, offset: int, message: MessageReceived, judged: Classification) -> None:
    thanks = _is_thanks(conversation, message, judged)
    asks = not (thanks or _is_reflex(conversation, message))
    if asks and not conversation.is_open:
        conversation = conversations.reopen(turn, conversation)
    conversation = _entered(turn, conversation, offset, message, asks=asks)
    _tell(turn, conversation, message, judged, asks=asks)
    if thanks and conversation.is_open and conversation.open == 0:
        conversations.close(turn, conversation, Closing.THANKED)


def _is_thanks(conversation: Conversation, message: MessageReceived, judged: Classification) -> bool:
    """Thanks after an answer need none; but after a question of ours, "ja" and "prima" are answers."""
    return judged.closes and conversation.ever_answered and not conversation.asked and not message.automatic


def _is_reflex(conversation: Conversation, message: MessageReceived) -> bool:
    """A machine's reply to ours, or an emoji under a message: nobody waits for an answer to it."""
    only_reactions = bool(message.parts) and all(part.kind == "reaction" for part in message.parts)
    return conversation.last > 0 and (message.automatic or only_reactions)


def _tell(
    turn: Turn, conversation: Conversation, message: MessageReceived, judged: Classification, *, asks: bool
) -> None:
    number = conversation.last
    turn.tell(conversation.department, conversation.id, _routed(turn, conversation, message, judged), about=number)
    history.message(turn, conversation, number, message)
    facts.received(turn, conversation, number, message, judged, asks=asks)


def _entered(
    turn: Turn, conversation: Conversation, offset: int, message: MessageReceived, *, asks: bool
) -> Conversation:
    row = conversations.change(
        turn,
        conversation,
        via=message.via,
        last=conversation.last + 1,
        last_at=turn.now,
        open=conversation.open + asks,
        answerable_until=_answerable_until(conversation, message),
        asked=conversation.asked and not asks,
    )
    contacts.add_conversation(turn, row.contact, row.id)
    conversations.put_line(turn, row.id, row.last, _line(turn, offset, message, asks=asks))
    conversations.watch_silence(turn, row)
    return row


def _answerable_until(conversation: Conversation, message: MessageReceived) -> datetime | None:
    """A message that comes late does not close the window that a newer one opened."""
    before, now = conversation.answerable_until, message.answerable_until
    if before is None or now is None or conversation.via.inbox != message.via.inbox:
        return now
    return max(before, now)


def _line(turn: Turn, offset: int, message: MessageReceived, *, asks: bool) -> Line:
    return Line(
        kind=EntryKind.MESSAGE,
        at=message.times.received,
        external=conversations.external_key(turn, message.via.inbox, message.external_id),
        taken=Taken(
            message=message.message,
            offset=offset,
            via=message.via,
            sender=message.sender,
            external_id=message.external_id,
            subject=message.subject,
            thread=message.thread,
            received=message.times.received,
            answerable_until=message.answerable_until,
            asks=asks,
        ),
    )


def _routed(turn: Turn, conversation: Conversation, message: MessageReceived, judged: Classification) -> MessageRouted:
    topic = turn.served.taxonomy.by_name.get(judged.topic or "")
    return MessageRouted(
        tenant=turn.oin,
        conversation=conversation.id,
        reference=conversation.reference,
        number=conversation.last,
        routing=conversation.routing,
        department=conversation.department,
        message=message,
        topic=judged.topic,
        confidence=_confidence(conversation, judged),
        reasons=_reasons(turn, conversation, judged),
        suggestions=tuple(
            Suggestion(department=each.department, confidence=each.probability) for each in judged.suggestions
        ),
        versions=turn.served.versions,
        urgent=judged.urgent,
        first_line=topic is not None and topic.first_line,
        linked=conversation.linked[0] if conversation.linked else None,
    )


def _confidence(conversation: Conversation, judged: Classification) -> float:
    """How likely the words make the department that it goes to."""
    return next((each.probability for each in judged.shares if each.department == conversation.department), 0.0)


def _reasons(turn: Turn, conversation: Conversation, judged: Classification) -> tuple[str, ...]:
    """What the words say; and when the conversation was stronger than the words, that."""
    said = [reason.sentence for reason in judged.reasons]
    if judged.department != conversation.department:
        said.insert(0, NAMED if _named_only(conversation) else _stays(turn, conversation))
    return tuple(said)


def _named_only(conversation: Conversation) -> bool:
    return conversation.last == 1


def _stays(turn: Turn, conversation: Conversation) -> str:
    return of_conversation(conversation.department, turn.served.taxonomy).sentence
