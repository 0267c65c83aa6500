"""A conversation comes to another department: its unanswered messages go along, in order, and both are told."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.events import (
    Author,
    ConversationHandedOver,
    ConversationNoted,
    EntryKind,
    MessageReassigned,
    MessageRouted,
    Move,
)
from services.router import conversations, facts, history
from services.router.tables import Conversation, Taken
from services.router.turn import Turn
from services.runtime.bus.handler import Kept

_KIND = {Move.CORRECTION: EntryKind.CORRECTION, Move.HAND_OVER: EntryKind.HAND_OVER}
_SAYS = {
    Move.CORRECTION: "{department} zegt: dit hoort bij u.",
    Move.HAND_OVER: "{department} heeft dit gesprek aan u overgedragen.",
}
_REWORDED = "De burger heeft dit bericht veranderd of ingetrokken. Lees het in de geschiedenis van het gesprek."


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a conversation has to go, how, and who says so. `first`: the first entry that goes along."""

    department: str
    move: Move
    author: Author
    note: str | None = None
    first: int | None = None


def move(turn: Turn, conversation: Conversation, wanted: Wanted) -> Conversation:
    """Move a conversation; the citizen's next messages follow it."""
    numbers = _going_along(turn, conversation, wanted)
    before = conversation.department
    row = conversations.change(
        turn,
        conversation,
        last=conversation.last + 1,
        last_at=turn.now,
        **conversations.moved_to(conversation, wanted.department),
    )
    turn.tell(before, row.id, _reassigned(turn, row, before, wanted, numbers), about=row.last)
    _tell_note(turn, row, before, wanted)
    _send_along(turn, row, before, wanted, numbers)
    history.deed(turn, row, _KIND[wanted.move], wanted.author, wanted.note, wanted.department)
    facts.moved(turn, row, before, wanted.move, row.open)
    return row


def _going_along(turn: Turn, conversation: Conversation, wanted: Wanted) -> tuple[int, ...]:
    """What is unanswered, and all from an entry on; the last message when there is nothing else to show."""
    numbers = {*conversations.unanswered(turn, conversation), *_wanted_along(turn, conversation, wanted)}
    return tuple(sorted(numbers)) or tuple(_messages(turn, conversation, 1)[-1:])


def _wanted_along(turn: Turn, conversation: Conversation, wanted: Wanted) -> list[int]:
    return [] if wanted.first is None else _messages(turn, conversation, wanted.first)


def _messages(turn: Turn, conversation: Conversation, first: int) -> list[int]:
    return [number for number, line in conversations.lines(turn, conversation, first, conversation.last) if line.taken]


def _reassigned(
    turn: Turn, conversation: Conversation, before: str, wanted: Wanted, numbers: tuple[int, ...]
) -> MessageReassigned:
    return MessageReassigned(
        tenant=turn.oin,
        conversation=conversation.id,
        reference=conversation.reference,
        numbers=numbers,
        routing=conversation.routing,
        department=wanted.department,
        from_department=before,
        move=wanted.move,
        author=wanted.author,
    )


def _tell_note(turn: Turn, conversation: Conversation, before: str, wanted: Wanted) -> None:
    if wanted.move is Move.HAND_OVER:
        turn.tell(
            conversation.department,
            conversation.id,
            _handed_over(turn, conversation, before, wanted),
            about=conversation.last,
        )
    elif wanted.note:
        noted = ConversationNoted(
            tenant=turn.oin,
            author=wanted.author,
            conversation=conversation.id,
            text=wanted.note,
            number=conversation.last,
        )
        turn.tell(conversation.department, conversation.id, noted, about=conversation.last)


def _handed_over(turn: Turn, conversation: Conversation, before: str, wanted: Wanted) -> ConversationHandedOver:
    return ConversationHandedOver(
        tenant=turn.oin,
        author=wanted.author,
        conversation=conversation.id,
        department=wanted.department,
        note=wanted.note,
        from_department=before,
        reference=conversation.reference,
        routing=conversation.routing,
        number=conversation.last,
    )


def _send_along(turn: Turn, conversation: Conversation, before: str, wanted: Wanted, numbers: tuple[int, ...]) -> None:
    titles = turn.served.taxonomy.titles
    reason = _SAYS[wanted.move].format(department=titles.get(before, before))
    for number in numbers:
        found = conversations.line(turn, conversation.id, number)
        if found and found.taken:
            send(turn, conversation, number, found.taken, reason)


def send(turn: Turn, conversation: Conversation, number: int, taken: Taken, reason: str) -> None:
    """Put a message that was taken in before on its department's queue; its words are read back from `inbound`."""
    routed = MessageRouted(
        tenant=turn.oin,
        conversation=conversation.id,
        reference=conversation.reference,
        number=number,
        routing=conversation.routing,
        department=conversation.department,
        confidence=1.0,
        reasons=(reason,) if taken.at_hand else (reason, _REWORDED),
        versions=turn.served.versions,
    )
    kept = Kept(taken.offset, taken.message) if taken.at_hand else None
    turn.tell(conversation.department, conversation.id, routed, about=number, content=kept)
