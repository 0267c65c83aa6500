"""Which conversation a message belongs to: what it says of itself first, then where its sender is.

A thread (the external id of an earlier message, a token) is proof: nobody else knows it. Eight digits are not, so a
reference only joins its own contact's message; another's becomes a conversation of its own, linked, for people to join.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.events import MessageReceived
from schemas.parts import Reaction, text_of
from services.router import contacts, conversations, references
from services.router.tables import EXTERNALS, Conversation
from services.router.turn import Turn

TOKEN = "token:"  # noqa: S105 - the word before a thread token in `thread`


@dataclass(frozen=True, slots=True)
class Found:
    """Where a message belongs. `sure`: it says so itself, so its words do not lead it elsewhere."""

    conversation: Conversation | None = None
    sure: bool = False
    named: Conversation | None = None
    """Another contact's conversation whose reference the message gives."""


def find(turn: Turn, contact: str, message: MessageReceived) -> Found:
    """Return where a message belongs; an empty answer means a new conversation."""
    by_thread = next((each for each in _threads(turn, message) if _is_current(turn, each)), None)
    if by_thread:
        return Found(by_thread, sure=True)
    named = next((each for each in _named(turn, message) if _is_current(turn, each)), None)
    if named and named.contact == contact:
        return Found(named, sure=True)
    return Found(_latest(turn, contact, message.via.inbox), named=named)


def open_at(turn: Turn, contact: str, inbox: str, department: str) -> Conversation | None:
    """Return the contact's open conversation in an inbox that this department has."""
    theirs = _in_inbox(turn, contact, inbox)
    return next((each for each in theirs if each.is_open and each.department == department), None)


def _is_current(turn: Turn, conversation: Conversation) -> bool:
    return conversation.is_open or conversations.may_reopen(turn, conversation)


def _latest(turn: Turn, contact: str, inbox: str) -> Conversation | None:
    """An open one before a closed one, the latest first."""
    closed = None
    for conversation in _in_inbox(turn, contact, inbox):
        if conversation.is_open:
            return conversation
        if closed is None and conversations.may_reopen(turn, conversation):
            closed = conversation
    return closed


def _in_inbox(turn: Turn, contact: str, inbox: str) -> Iterator[Conversation]:
    for conversation in reversed(contacts.conversations(turn, contact)):
        found = conversations.get(turn, conversation)
        if found and found.via.inbox == inbox:
            yield found


def _threads(turn: Turn, message: MessageReceived) -> Iterator[Conversation]:
    for external_id in (*message.thread, *_reacted_to(message)):
        found = _by_external_id(turn, message.via.inbox, external_id)
        if found:
            yield found


def _reacted_to(message: MessageReceived) -> Iterator[str]:
    return (part.to_external_id for part in message.parts if isinstance(part, Reaction))


def _by_external_id(turn: Turn, inbox: str, external_id: str) -> Conversation | None:
    if external_id.startswith(TOKEN):
        return conversations.get(turn, external_id.removeprefix(TOKEN))
    known = turn.state.get(EXTERNALS, conversations.external_key(turn, inbox, external_id))
    return conversations.get(turn, known.conversation) if known else None


def _named(turn: Turn, message: MessageReceived) -> Iterator[Conversation]:
    for reference in _references(message):
        known = references.conversation_of(turn, reference)
        found = conversations.get(turn, known) if known else None
        if found:
            yield found


def _references(message: MessageReceived) -> Iterator[str]:
    for external_id in message.thread:
        yield from references.written_in(external_id.removeprefix(TOKEN))
    yield from references.written_in(message.subject or "")
    yield from references.written_in(text_of(message.parts))
