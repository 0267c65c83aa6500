"""What departments and operators ask, besides a reply: every command is carried out or refused, never dropped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas import events as e
from schemas.events import Closing, Command, ConversationCommand, EntryKind, Move, Refusal
from services.router import conversations, facts, history, links, moves
from services.router.answer import owns
from services.router.refusals import refuse
from services.router.tables import Conversation
from services.router.turn import Turn


def requested(turn: Turn, command: Command) -> None:
    """Carry out a command, or refuse it and say why."""
    if not isinstance(command, ConversationCommand):
        refuse(turn, command, Refusal.NOT_SUPPORTED)
        return
    conversation = conversations.get(turn, command.conversation)
    if conversation is None:
        refuse(turn, command, Refusal.UNKNOWN_CONVERSATION)
    elif not owns(command.author, conversation):
        refuse(turn, command, Refusal.NOT_YOURS, conversation)
    else:
        _carry_out(turn, command, conversation)


def _carry_out(turn: Turn, command: ConversationCommand, conversation: Conversation) -> None:
    deed = _DEEDS.get(type(command))
    why = deed(turn, command, conversation) if deed else Refusal.NOT_SUPPORTED
    if why:
        refuse(turn, command, why, conversation)


def _correct(turn: Turn, command: e.RoutingCorrected, conversation: Conversation) -> Refusal | None:
    wanted = moves.Wanted(command.department, Move.CORRECTION, command.author, command.note, command.from_number)
    return _move(turn, conversation, wanted)


def _hand_over(turn: Turn, command: e.ConversationHandedOver, conversation: Conversation) -> Refusal | None:
    wanted = moves.Wanted(command.department, Move.HAND_OVER, command.author, command.note)
    return _move(turn, conversation, wanted)


def _move(turn: Turn, conversation: Conversation, wanted: moves.Wanted) -> Refusal | None:
    if not turn.served.has(wanted.department):
        return Refusal.UNKNOWN_DEPARTMENT
    if wanted.department == conversation.department:
        return Refusal.ALREADY_THERE
    if not conversation.is_open:
        return Refusal.CLOSED
    moves.move(turn, conversation, wanted)
    return None


def _claim(turn: Turn, command: e.ConversationClaimed, conversation: Conversation) -> Refusal | None:
    if not conversation.is_open:
        return Refusal.CLOSED
    if conversation.claimed_by and conversation.claimed_by != command.author and not command.forced:
        return Refusal.CLAIMED
    row = _entered(turn, command, conversation, EntryKind.CLAIM)
    conversations.change(turn, row, claimed_by=command.author)
    facts.claimed(turn, row, released=False)
    return None


def _release(turn: Turn, command: e.ConversationReleased, conversation: Conversation) -> Refusal | None:
    if conversation.claimed_by is None:
        return Refusal.ALREADY_THERE
    row = _entered(turn, command, conversation, EntryKind.RELEASE)
    conversations.change(turn, row, claimed_by=None)
    facts.claimed(turn, row, released=True)
    return None


def _note(turn: Turn, command: e.ConversationNoted, conversation: Conversation) -> Refusal | None:
    _entered(turn, command, conversation, EntryKind.NOTE, command.text)
    return None


_THE_HUBS_OWN = frozenset({Closing.ERASED, Closing.MERGED})
"""Reasons that say what the hub did: nobody can say so in its stead."""


def _close(turn: Turn, command: e.ConversationClosed, conversation: Conversation) -> Refusal | None:
    if command.reason in _THE_HUBS_OWN:
        return Refusal.NOT_SUPPORTED
    if not conversation.is_open:
        return Refusal.CLOSED
    row = conversations.close(turn, conversation, command.reason, command.author)
    _tell(turn, command, row)
    return None


def _entered(
    turn: Turn, command: ConversationCommand, conversation: Conversation, kind: EntryKind, text: str | None = None
) -> Conversation:
    """Give the deed its entry, and tell the department."""
    row = conversations.change(turn, conversation, last=conversation.last + 1, last_at=turn.now)
    history.deed(turn, row, kind, command.author, text)
    _tell(turn, command, row)
    return row


def _tell(turn: Turn, command: ConversationCommand, conversation: Conversation) -> None:
    told = command.model_copy(update={"conversation": conversation.id, "number": conversation.last})
    turn.tell(conversation.department, conversation.id, told, about=conversation.last)


_Deed = Callable[[Turn, Any, Conversation], Refusal | None]
"""Carries out a command, or returns why not."""

_DEEDS: dict[type[ConversationCommand], _Deed] = {
    e.RoutingCorrected: _correct,
    e.ConversationHandedOver: _hand_over,
    e.ConversationClaimed: _claim,
    e.ConversationReleased: _release,
    e.ConversationNoted: _note,
    e.ConversationClosed: _close,
    e.ConversationLinked: links.link,
    e.ConversationUnlinked: links.unlink,
}
