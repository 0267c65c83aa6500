"""Two conversations are about one matter: linked, they stay two; merged, the younger goes on in the older."""

from __future__ import annotations

from schemas.events import Author, Closing, ConversationLinked, ConversationUnlinked, EntryKind, Move, Refusal
from services.router import conversations, facts, history, moves
from services.router.answer import owns
from services.router.tables import Conversation, Line, Taken
from services.router.turn import Turn

_LINKED = "Hoort bij gesprek {reference}."
_UNLINKED = "Hoort niet meer bij gesprek {reference}."
_MERGED = "Gaat verder in gesprek {reference}."
_CAME = "Dit bericht komt uit gesprek {reference}."


def link(turn: Turn, command: ConversationLinked, conversation: Conversation) -> Refusal | None:
    """Link two conversations, or merge them; returns why not."""
    other = conversations.get(turn, command.other)
    if other is None:
        return Refusal.UNKNOWN_CONVERSATION
    if other.id == conversation.id or (not command.merge and other.id in conversation.linked):
        return Refusal.ALREADY_THERE
    if command.merge:
        return _merge(turn, command.author, conversation, other)
    _note(turn, _add_link(turn, conversation, other), command.author, _LINKED, other)
    _note(turn, _add_link(turn, other, conversation), command.author, _LINKED, conversation)
    return None


def unlink(turn: Turn, command: ConversationUnlinked, conversation: Conversation) -> Refusal | None:
    """Take a link back; returns why not. What was merged stays merged."""
    other = conversations.get(turn, command.other)
    if other is None or not {conversation.id, other.id} & {*conversation.linked, *other.linked}:
        return Refusal.UNKNOWN_CONVERSATION
    _note(turn, _drop_link(turn, conversation, other), command.author, _UNLINKED, other)
    _note(turn, _drop_link(turn, other, conversation), command.author, _UNLINKED, conversation)
    return None


def _add_link(turn: Turn, conversation: Conversation, other: Conversation) -> Conversation:
    others = (each for each in conversation.linked if each != other.id)
    return conversations.change(turn, conversation, linked=(*others, other.id))


def _drop_link(turn: Turn, conversation: Conversation, other: Conversation) -> Conversation:
    others = tuple(each for each in conversation.linked if each != other.id)
    return conversations.change(turn, conversation, linked=others)


def _note(turn: Turn, conversation: Conversation, author: Author, text: str, other: Conversation) -> Conversation:
    row = conversations.change(turn, conversation, last=conversation.last + 1)
    history.deed(turn, row, EntryKind.LINK, author, text.format(reference=other.reference))
    return row


# --- merging -------------------------------------------------------------------------------------------------


def _merge(turn: Turn, author: Author, one: Conversation, other: Conversation) -> Refusal | None:
    if not (owns(author, one) and owns(author, other)):
        return Refusal.NOT_YOURS
    if not (one.is_open and other.is_open):
        return Refusal.CLOSED
    older, younger = sorted((one, other), key=lambda each: each.opened_at)
    waiting = _unanswered(turn, younger)
    younger = _note(turn, younger, author, _MERGED, older)
    _take_in(turn, _note(turn, older, author, _LINKED, younger), younger, waiting)
    _end(turn, younger, older, author)
    return None


def _unanswered(turn: Turn, conversation: Conversation) -> list[Taken]:
    found = (conversations.line(turn, conversation.id, n) for n in conversations.unanswered(turn, conversation))
    return [line.taken for line in found if line and line.taken]


def _take_in(turn: Turn, older: Conversation, younger: Conversation, waiting: list[Taken]) -> None:
    """What the younger still had to answer is the older's now, as entries of its own."""
    reason = _CAME.format(reference=younger.reference)
    for taken in waiting:
        older = conversations.change(
            turn, older, last=older.last + 1, open=older.open + 1, via=taken.via, last_at=turn.now
        )
        line = Line(kind=EntryKind.MESSAGE, at=taken.received, taken=taken)
        conversations.put_line(turn, older.id, older.last, line)
        history.moved_in(turn, older, older.last, taken, reason)
        moves.send(turn, older, older.last, taken, reason)
    conversations.watch_silence(turn, older)
    if waiting:
        came = facts.Came(younger.id, min(taken.received for taken in waiting))
        facts.moved(turn, older, younger.department, Move.HAND_OVER, len(waiting), came)


def _end(turn: Turn, younger: Conversation, older: Conversation, author: Author) -> None:
    """The younger has nothing left to answer; replies that it has on their way still go out."""
    emptied = conversations.change(turn, younger, open=0)
    row = conversations.close(turn, emptied, Closing.MERGED, author, _MERGED.format(reference=older.reference))
    conversations.change(turn, row, merged_into=older.id)
