"""A citizen asked to be forgotten: what is theirs goes, everywhere and for good; what was counted stays counted.

A conversation in which nobody else wrote goes whole: a tombstone for each line of its history, and its rows without
what is personal, until the last outcomes and receipts have come and it is forgotten like any other. Where others wrote
too, only this citizen's messages go, and the answers to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hmac import compare_digest

from schemas.events import (
    Author,
    Closing,
    ContactErased,
    ConversationClosed,
    EntryKind,
    MessageErased,
    Reason,
    Refusal,
    Sender,
)
from schemas.parts import Address, AddressKind
from services.router import contacts, conversations, history, orphans, replies
from services.router.refusals import refuse
from services.router.tables import CONVERSATIONS, ECHOES, LINES, ORPHANS, REPLIES, Conversation, Line, Reply
from services.router.turn import Turn

NOBODY = Address(kind=AddressKind.SENDER_NAME, value="-")
"""Stands where an address was; of a kind that cannot be answered."""

Numbered = tuple[int, Line]


@dataclass(frozen=True, slots=True)
class Citizen:
    """Who is to be forgotten."""

    contact: str
    addresses: frozenset[Address]

    def wrote(self, line: Line) -> bool:
        """Say whether this is a message of theirs."""
        return _is_message(line) and self._is_among(line)

    def did_not_write(self, line: Line) -> bool:
        """Say whether this is a message of somebody else."""
        return _is_message(line) and not self._is_among(line)

    def _is_among(self, line: Line) -> bool:
        return line.taken is not None and not self.addresses.isdisjoint(line.taken.sender.addresses)


def requested(turn: Turn, command: ContactErased) -> None:
    """Erase a citizen, or what is left of a conversation that is forgotten already; else refuse.

    Whose it is, is who is meant; where entries are named, who wrote them. It is for operators only: the bridge takes it
    from nobody else.
    """
    row = turn.state.get(CONVERSATIONS, command.conversation)
    known = row if row and row.tenant == turn.oin and row.closing is not Closing.ERASED else None
    citizen = _meant(turn, known, command) if known else None
    if citizen:
        _forget(turn, citizen, command.author)
    elif command.entries and _is_proven(turn, command):
        _erase_history(turn, command)
    else:
        refuse(turn, command, Refusal.UNKNOWN_CONVERSATION)


def _is_proven(turn: Turn, command: ContactErased) -> bool:
    return compare_digest((command.proof or "").encode(), turn.proof(command.conversation).encode())


def _erase_history(turn: Turn, command: ContactErased) -> None:
    """Only the history is left, and copies at departments: any of them may have had it."""
    for entry in command.entries:
        turn.erase(command.conversation, entry.number)
        if entry.message:
            departments = tuple(turn.served.taxonomy.titles)
            _tell_erased(turn, command.conversation, entry.number, entry.message, departments)


# --- who, and where they wrote -------------------------------------------------------------------------------


def _meant(turn: Turn, conversation: Conversation, command: ContactErased) -> Citizen | None:
    """Nobody, when who wrote the entries that are named is erased already."""
    if not command.entries:
        return _citizen(turn, conversation.contact, _senders(line for _, line in _lines(turn, conversation)))
    named = (conversations.line(turn, conversation.id, entry.number) for entry in command.entries)
    senders = _senders(line for line in named if line)
    contact = next((found for each in senders if (found := contacts.of_address(turn, each))), "")
    return _citizen(turn, contact, senders) if senders else None


def _citizen(turn: Turn, contact: str, senders: list[Address]) -> Citizen:
    return Citizen(contact, frozenset(contacts.addresses(turn, contact) or senders))


def _senders(lines: Iterable[Line]) -> list[Address]:
    messages = (line.taken.sender for line in lines if line.taken and not line.taken.erased)
    return [address for sender in messages for address in contacts.one_of_each_kind(sender.addresses)]


def _forget(turn: Turn, citizen: Citizen, author: Author) -> None:
    for conversation in _conversations(turn, citizen):
        others = [line for _, line in _lines(turn, conversation) if citizen.did_not_write(line)]
        if others:
            _erase_part(turn, conversation, citizen, others[-1])
        else:
            _erase_whole(turn, conversation, author)
    for key in _orphans(turn, citizen):
        orphans.forget(turn, key)
    contacts.forget(turn, citizen.contact)


def _conversations(turn: Turn, citizen: Citizen) -> list[Conversation]:
    """All that hold something of theirs: a contact names its latest only, and a thread leads into another's."""
    values = {address.value for address in citizen.addresses}
    own = {
        key
        for key, row in turn.state.rows(CONVERSATIONS, {citizen.contact})
        if citizen.contact and row.contact == citizen.contact
    }
    wrote = {key.rpartition("/")[0] for key, line in turn.state.rows(LINES, values) if citizen.wrote(line)}
    answered = {row.conversation for _, row in turn.state.rows(REPLIES, values) if row.address in citizen.addresses}
    found = (turn.state.get(CONVERSATIONS, each) for each in sorted(own | wrote | answered))
    return [row for row in found if row and row.tenant == turn.oin and row.closing is not Closing.ERASED]


def _orphans(turn: Turn, citizen: Citizen) -> list[str]:
    rows = ((key, row) for key, row in turn.state.rows(ORPHANS) if row.tenant == turn.oin)
    return [key for key, row in rows if any(each.recipient in citizen.addresses for each in row.receipts)]


def _lines(turn: Turn, conversation: Conversation) -> Iterator[Numbered]:
    return conversations.lines(turn, conversation, 1, conversation.last)


# --- a conversation ------------------------------------------------------------------------------------------


def _erase_whole(turn: Turn, conversation: Conversation, author: Author) -> None:
    for number in range(1, conversation.last + 1):
        turn.erase(conversation.id, number)
    for number, line in list(_lines(turn, conversation)):
        _erase_line(turn, conversation, number, line)
    row = _emptied(turn, _closed(turn, conversation.id, author))
    told = ConversationClosed(
        tenant=turn.oin, author=author, conversation=row.id, reason=Closing.ERASED, number=row.last
    )
    for department in _departments(row):
        turn.tell(department, row.id, told, about=row.last)


def _closed(turn: Turn, conversation: str, author: Author) -> Conversation:
    """Close it if it was open: then it is counted; and leave one line that says why there is no other."""
    row = turn.state.get(CONVERSATIONS, conversation)
    assert row is not None  # noqa: S101 - its lines were just erased
    if row.is_open:
        return conversations.close(turn, row, Closing.ERASED, author)
    row = conversations.change(turn, row, last=row.last + 1)
    history.deed(turn, row, EntryKind.CLOSE, author, Closing.ERASED)
    return row


def _emptied(turn: Turn, conversation: Conversation) -> Conversation:
    for echo in conversation.echoes:
        turn.state.drop(ECHOES, echo)
    return conversations.change(turn, conversation, closing=Closing.ERASED, contact="", echoes=(), linked=())


def _erase_part(turn: Turn, conversation: Conversation, citizen: Citizen, other: Line) -> None:
    """What others wrote stays, and so does the conversation, which is theirs from now on."""
    names = {line.taken.external_id for _, line in _lines(turn, conversation) if line.taken and citizen.wrote(line)}
    for number, line in list(_lines(turn, conversation)):
        if citizen.wrote(line) or _is_answer_to(turn, line, citizen, conversation):
            _erase_line(turn, conversation, number, line)
            history.erased(turn, conversation, number, line)
        else:
            _unthread(turn, conversation, number, line, names)
    _drop_echoes(turn, conversation.id, citizen)
    if conversation.contact == citizen.contact:
        _hand_to(turn, conversation.id, other)


def _unthread(turn: Turn, conversation: Conversation, number: int, line: Line, names: set[str]) -> None:
    """What others wrote in a thread names the messages before it, by ids that may hold a number or a name."""
    if line.taken:
        taken = line.taken.model_copy(update={"thread": _without(line.taken.thread, names)})
        key = conversations.line_key(conversation.id, number)
        turn.state.put(LINES, key, line.model_copy(update={"taken": taken}))
    reply = replies.get(turn, line.reply) if line.reply else None
    if reply:
        replies.change(turn, reply, references=_without(reply.references, names))


def _without(thread: tuple[str, ...], names: set[str]) -> tuple[str, ...]:
    return tuple(each for each in thread if each not in names)


def _drop_echoes(turn: Turn, conversation: str, citizen: Citizen) -> None:
    row = turn.state.get(CONVERSATIONS, conversation)
    waiting = {key: turn.state.get(ECHOES, key) for key in row.echoes} if row else {}
    theirs = {key for key, each in waiting.items() if each and each.echo.recipient in citizen.addresses}
    for key in theirs:
        turn.state.drop(ECHOES, key)
    if row and theirs:
        conversations.change(turn, row, echoes=tuple(key for key in row.echoes if key not in theirs))


def _is_answer_to(turn: Turn, line: Line, citizen: Citizen, conversation: Conversation) -> bool:
    """What was typed outside the hub went to whose conversation it is."""
    reply = replies.get(turn, line.reply) if line.reply else None
    if reply:
        return reply.address in citizen.addresses
    return line.kind is EntryKind.ECHO and conversation.contact == citizen.contact


def _hand_to(turn: Turn, conversation: str, other: Line) -> None:
    row = turn.state.get(CONVERSATIONS, conversation)
    if row and other.taken:
        contact = contacts.of_sender(turn, other.taken.sender)
        conversations.change(turn, row, contact=contact)
        contacts.add_conversation(turn, contact, row.id)


# --- an entry ------------------------------------------------------------------------------------------------


def _erase_line(turn: Turn, conversation: Conversation, number: int, line: Line) -> None:
    message = line.taken.message if line.taken else line.reply
    if message:
        _tell_erased(turn, conversation.id, number, message, _departments(conversation))
    if line.taken:
        bare = line.taken.model_copy(update=_WITHOUT_WORDS | {"sender": Sender(addresses=(NOBODY,))})
        key = conversations.line_key(conversation.id, number)
        turn.state.put(LINES, key, line.model_copy(update={"taken": bare}))
    reply = replies.get(turn, line.reply) if line.reply else None
    if reply:
        _erase_reply(turn, reply)


_WITHOUT_WORDS = {"external_id": "-", "subject": None, "thread": (), "at_hand": False, "erased": True}


def _erase_reply(turn: Turn, reply: Reply) -> None:
    """What has not left does not leave; of what did, only how far it got is still told. Nobody has to look at it."""
    gone = {"address": NOBODY, "parts": (), "in_reply_to": None, "references": (), "subject": None}
    bare = replies.change(turn, reply, **gone, resent=True, worklisted=True)
    conversation = turn.state.get(CONVERSATIONS, bare.conversation)
    if conversation and bare.id in conversation.queue:
        replies.fail_unsent(turn, bare, Reason.ERASED)
    elif not bare.done and bare.attempt not in bare.settled:
        replies.cancel(turn, bare, Reason.ERASED)


def _tell_erased(turn: Turn, conversation: str, number: int, message: str, departments: tuple[str, ...]) -> None:
    erased = MessageErased(tenant=turn.oin, conversation=conversation, message=message, number=number)
    for department in departments:
        turn.tell(department, conversation, erased, about=number)
    turn.tell_stores(erased)


def _departments(conversation: Conversation) -> tuple[str, ...]:
    return (conversation.department, *conversation.before)


def _is_message(line: Line) -> bool:
    return line.taken is not None and not line.taken.erased
