"""A citizen changed what they wrote, or took it back: the departments' copies and the history follow."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.events import MessageEdited, MessageRevoked
from services.router import conversations, history
from services.router.tables import CONVERSATIONS, EXTERNALS, LINES, Conversation, Line
from services.router.turn import Turn
from services.runtime.bus.handler import Harmless


def reworded(turn: Turn, event: MessageEdited | MessageRevoked) -> None:
    """Tell whoever has the message; raises Harmless for a message that is not known (any more)."""
    conversation, number, line = _message(turn, event)
    if line.taken and line.taken.erased:
        _of_the_forgotten(event)
        return
    for each in ((conversation, number, line), *_copies(turn, conversation, line)):
        _reword(turn, event, *each)


def _reword(
    turn: Turn, event: MessageEdited | MessageRevoked, conversation: Conversation, number: int, line: Line
) -> None:
    if line.taken:
        taken = line.taken.model_copy(update={"at_hand": False})
        key = conversations.line_key(conversation.id, number)
        turn.state.put(LINES, key, line.model_copy(update={"taken": taken}))
    told = event.model_copy(update={"conversation": conversation.id, "number": number})
    for department in _departments(event, conversation):
        turn.tell(department, conversation.id, told, about=number)
    history.changed(turn, conversation, number, line, getattr(event, "parts", ()))


def _copies(turn: Turn, conversation: Conversation, line: Line) -> Iterator[tuple[Conversation, int, Line]]:
    """What was unanswered at a merge is an entry of the other conversation too."""
    other = conversations.get(turn, conversation.id) if conversation.merged_into else None
    if other is None:
        return
    for number, each in conversations.lines(turn, other, 1, other.last):
        if each.taken and line.taken and each.taken.message == line.taken.message:
            yield other, number, each


def _departments(event: MessageEdited | MessageRevoked, conversation: Conversation) -> tuple[str, ...]:
    """New words are for who answers; what was taken back goes from every copy, also that of who had it before."""
    before = conversation.before if isinstance(event, MessageRevoked) else ()
    return (conversation.department, *before)


def _of_the_forgotten(event: MessageEdited | MessageRevoked) -> None:
    """What was erased need not be taken back; new words are set aside for people, since nothing is left to change."""
    if isinstance(event, MessageEdited):
        raise Harmless("a change of a message that was erased")


def _message(turn: Turn, event: MessageEdited | MessageRevoked) -> tuple[Conversation, int, Line]:
    key = conversations.external_key(turn, event.via.inbox, event.external_id)
    known = turn.state.get(EXTERNALS, key)
    if known is None:
        raise Harmless("a change of a message that is not known, or not any more")
    conversation = turn.state.get(CONVERSATIONS, known.conversation)
    line = conversations.line(turn, known.conversation, known.number)
    if conversation is None or line is None:
        raise Harmless("a change of a message whose conversation is forgotten")
    return conversation, known.number, line
