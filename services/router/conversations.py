"""A conversation's life: opened, gone on with, closed, opened again within two weeks, forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from schemas.events import Author, Closing, EntryKind, Via
from services.router import contacts, facts, history, references
from services.router.tables import (
    CONVERSATIONS,
    ECHOES,
    EXTERNALS,
    LINES,
    REPLIES,
    Conversation,
    External,
    Line,
)
from services.router.turn import Turn

FORGET, IDLE = "forget/", "idle/"
"""Timers: followed by the conversation's id."""


def get(turn: Turn, conversation: str) -> Conversation | None:
    """Return a conversation of this tenant; the one it was merged into when it was. What was erased is not known."""
    row = turn.state.get(CONVERSATIONS, conversation)
    if row is None or row.tenant != turn.oin or row.closing is Closing.ERASED:
        return None
    return get(turn, row.merged_into) if row.merged_into else row


def moved_to(conversation: Conversation, department: str) -> dict[str, object]:
    """Return what changes when another department gets it."""
    before = dict.fromkeys((*conversation.before, conversation.department))
    return {
        "department": department,
        "before": tuple(each for each in before if each != department),
        "routing": conversation.routing + 1,
        "claimed_by": None,
    }


def change(turn: Turn, conversation: Conversation, **changes: object) -> Conversation:
    """Write what changed and return the conversation as it is now."""
    row = conversation.model_copy(update=changes)
    turn.state.put(CONVERSATIONS, row.id, row)
    return row


def open_new(turn: Turn, contact: str, via: Via, department: str, linked: tuple[str, ...] = ()) -> Conversation:
    """Open a conversation; the caller adds its first entry."""
    conversation = turn.id("conversation")
    row = Conversation(
        id=conversation,
        tenant=turn.oin,
        reference=references.take(turn, conversation),
        contact=contact,
        via=via,
        department=department,
        opened_at=turn.now,
        last_at=turn.now,
        linked=linked,
    )
    turn.state.put(CONVERSATIONS, row.id, row)
    contacts.add_conversation(turn, contact, row.id)
    facts.opened(turn, row)
    return row


def reopen(turn: Turn, conversation: Conversation) -> Conversation:
    """Open a closed conversation again."""
    turn.state.clear_timer(FORGET + conversation.id)
    row = change(
        turn,
        conversation,
        closed_at=None,
        closing=None,
        answered=False,
        opened_at=turn.now,
        last=conversation.last + 1,
    )
    history.deed(turn, row, EntryKind.REOPEN, None)
    facts.opened(turn, row, reopened=True)
    return row


def close(
    turn: Turn, conversation: Conversation, reason: Closing, author: Author | None = None, text: str | None = None
) -> Conversation:
    """Close a conversation; what nobody answered stays so. Replies on their way still go out."""
    facts.closed(turn, conversation, reason, conversation.open)
    row = change(
        turn,
        conversation,
        closed_at=turn.now,
        closing=reason,
        claimed_by=None,
        open=0,
        answered_to=conversation.last,
        last=conversation.last + 1,
    )
    history.deed(turn, row, EntryKind.CLOSE, author, text or reason)
    turn.state.clear_timer(IDLE + row.id)
    turn.state.set_timer(FORGET + row.id, turn.now + turn.served.policy.reopens_for)
    return row


def watch_silence(turn: Turn, conversation: Conversation) -> None:
    """Have the conversation close by itself when all is answered and nobody says a thing for long."""
    idle = turn.served.policy.idle_for
    if idle is None:
        return
    if conversation.is_open and conversation.open == 0:
        turn.state.set_timer(IDLE + conversation.id, turn.now + idle)
    else:
        turn.state.clear_timer(IDLE + conversation.id)


def may_reopen(turn: Turn, conversation: Conversation) -> bool:
    """Say whether it was closed so recently that it is still the same matter."""
    closed = conversation.closed_at
    return closed is not None and turn.now - closed <= turn.served.policy.reopens_for


def silence(turn: Turn, conversation: Conversation) -> timedelta:
    """Return how long ago its last entry was."""
    return max(turn.now - conversation.last_at, timedelta())


def answer(turn: Turn, conversation: Conversation, up_to: int) -> tuple[Conversation, facts.Answered]:
    """Take all messages up to an entry for answered."""
    waiting = unanswered(turn, conversation, up_to)
    answered = facts.Answered(len(waiting), not conversation.answered, _waited(turn, conversation, waiting))
    row = change(
        turn,
        conversation,
        open=conversation.open - len(waiting),
        answered_to=max(conversation.answered_to, min(up_to, conversation.last)),
        answered=True,
        ever_answered=True,
    )
    return row, answered


def _waited(turn: Turn, conversation: Conversation, waiting: list[int]) -> float:
    oldest = line(turn, conversation.id, waiting[0]) if waiting else None
    received = oldest.taken.received if oldest and oldest.taken else turn.now
    return max(0.0, (turn.now - received).total_seconds())


# --- its lines -----------------------------------------------------------------------------------------------


def put_line(turn: Turn, conversation: str, number: int, line: Line) -> None:
    """Remember an entry that later things refer to, and whose external id it has."""
    turn.state.put(LINES, line_key(conversation, number), line)
    if line.external:
        turn.state.put(EXTERNALS, line.external, External(conversation=conversation, number=number))


def line(turn: Turn, conversation: str, number: int) -> Line | None:
    """Return what is remembered of an entry."""
    return turn.state.get(LINES, line_key(conversation, number))


def lines(turn: Turn, conversation: Conversation, first: int, last: int) -> Iterator[tuple[int, Line]]:
    """Yield the remembered entries from `first` to `last`, both included."""
    for number in range(max(first, 1), min(last, conversation.last) + 1):
        found = line(turn, conversation.id, number)
        if found:
            yield number, found


def unanswered(turn: Turn, conversation: Conversation, up_to: int | None = None) -> list[int]:
    """Return the numbers of the messages that wait for an answer."""
    last = conversation.last if up_to is None else up_to
    found = lines(turn, conversation, conversation.answered_to + 1, last)
    return [number for number, each in found if each.taken and each.taken.asks]


def last_message(turn: Turn, conversation: Conversation, up_to: int | None = None) -> Line | None:
    """Return the citizen's last message, or the last up to an entry."""
    number = conversation.last if up_to is None else min(up_to, conversation.last)
    while number > 0:
        found = line(turn, conversation.id, number)
        if found and found.taken:
            return found
        number -= 1
    return None


def line_key(conversation: str, number: int) -> str:
    """Return the key of a line."""
    return f"{conversation}/{number}"


def external_key(turn: Turn, inbox: str, external_id: str) -> str:
    """Return the key of a provider's id, which is only sure to be unique within its inbox."""
    return turn.pseudonym("external", inbox, external_id)


# --- forgetting ----------------------------------------------------------------------------------------------


def forget(turn: Turn, conversation: Conversation) -> None:
    """Let go of all that is remembered of a conversation. Its history stays where it was written."""
    for number in range(1, conversation.last + 1):
        _forget_line(turn, conversation.id, number)
    for echo in conversation.echoes:
        turn.state.drop(ECHOES, echo)
    references.forget(turn, conversation.reference)
    contacts.remove_conversation(turn, conversation.contact, conversation.id)
    turn.state.drop(CONVERSATIONS, conversation.id)
    turn.state.clear_timer(FORGET + conversation.id)
    turn.state.clear_timer(IDLE + conversation.id)


def _forget_line(turn: Turn, conversation: str, number: int) -> None:
    found = line(turn, conversation, number)
    if found is None:
        return
    if found.external:
        turn.state.drop(EXTERNALS, found.external)
    if found.taken:
        contacts.forget_guest(turn, found.taken.sender)
    if found.reply:
        _forget_reply(turn, found.reply)
    turn.state.drop(LINES, line_key(conversation, number))


def _forget_reply(turn: Turn, reply: str) -> None:
    row = turn.state.get(REPLIES, reply)
    for external in row.externals if row else ():
        turn.state.drop(EXTERNALS, external)
    turn.state.drop(REPLIES, reply)
