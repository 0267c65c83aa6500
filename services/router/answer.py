"""A reply: is the author allowed, was nobody first, can the citizen still be answered; then it takes its turn."""

from __future__ import annotations

from datetime import datetime

from schemas.events import Author, Closing, DeliveryStatus, EntryKind, Refusal, ReplyRequested
from schemas.ids import derived
from schemas.parts import Address, AddressKind, text_of
from services.router import contacts, conversations, facts, history, replies
from services.router.refusals import Other, refuse, refuse_second
from services.router.tables import Conversation, Line, Reply, Taken
from services.router.turn import Turn

MOST_REFERENCES = 20
"""External ids of a thread that go along with an answer."""


def requested(turn: Turn, source: str, command: ReplyRequested) -> None:
    """Grant a reply or refuse it, and say why."""
    conversation = conversations.get(turn, command.conversation)
    if conversation is None:
        refuse(turn, command, Refusal.UNKNOWN_CONVERSATION)
        return
    why = _objection(turn, command, conversation)
    other = None if why or command.forced else _others_answer(turn, command, conversation)
    if why:
        refuse(turn, command, why, conversation)
    elif other:
        refuse_second(turn, command, conversation, other)
    else:
        _grant(turn, derived(source, turn.cause), command, conversation)


def owns(author: Author, conversation: Conversation) -> bool:
    """Say whether an author may act on a conversation: its department, or who acts for all of them."""
    return author.department is None or author.department == conversation.department


def _objection(turn: Turn, command: ReplyRequested, conversation: Conversation) -> Refusal | None:
    if not owns(command.author, conversation):
        return Refusal.NOT_YOURS
    if command.conversation != conversation.id:
        return Refusal.CLOSED
    if command.not_after and command.not_after <= turn.now:
        return Refusal.TOO_LATE
    answered = _answered(turn, command, conversation)
    if answered is None or not _can_be_answered(_address(turn, answered)):
        return Refusal.NO_ADDRESS
    return Refusal.WINDOW_CLOSED if _window_closed(turn, command, conversation, answered) else None


def _answered(turn: Turn, command: ReplyRequested, conversation: Conversation) -> Taken | None:
    """The last message that the author saw; the very last when they saw none."""
    seen = conversations.last_message(turn, conversation, command.answers)
    found = seen or conversations.last_message(turn, conversation)
    return found.taken if found else None


def _address(turn: Turn, answered: Taken) -> Address:
    return contacts.latest(turn, answered.sender.addresses[0])


def _can_be_answered(address: Address) -> bool:
    return address.kind is not AddressKind.SENDER_NAME


def _window_closed(turn: Turn, command: ReplyRequested, conversation: Conversation, answered: Taken) -> bool:
    """Every message of the citizen opens the window of its inbox again; a template may go without."""
    if all(part.kind == "template" for part in command.parts):
        return False
    same = conversation.via.inbox == answered.via.inbox
    until: datetime | None = conversation.answerable_until if same else answered.answerable_until
    return until is not None and turn.now > until


def _others_answer(turn: Turn, command: ReplyRequested, conversation: Conversation) -> Other | None:
    """The last answer of somebody else that the author had not seen; one given outside the hub counts too."""
    later = conversations.lines(turn, conversation, _seen(command, conversation) + 1, conversation.last)
    others = [(number, line) for number, line in later if line.reply and _is_anothers(line.author, command.author)]
    if not others:
        return None
    number, line = others[-1]
    reply = replies.get(turn, line.reply or "")
    return Other(number, reply.parts if reply else (), line.author)


def _seen(command: ReplyRequested, conversation: Conversation) -> int:
    """Who names an entry that is not there yet proves to have seen none."""
    return command.answers if command.answers <= conversation.last else 0


def _is_anothers(first: Author | None, second: Author) -> bool:
    """Without the employee's name two answers of one department may be two people's."""
    return second.agent is None or first != second


def _grant(turn: Turn, reply: str, command: ReplyRequested, conversation: Conversation) -> None:
    answered = _answered(turn, command, conversation)
    if answered is None:
        return
    conversation, settled = conversations.answer(turn, conversation, command.answers)
    conversation = _entered(turn, reply, command, conversation)
    row = _row(turn, reply, command, conversation, answered, settled.messages)
    history.reply(turn, conversation, row, DeliveryStatus.QUEUED)
    facts.accepted(turn, conversation, reply, row.number, settled)
    replies.tell(turn, conversation, row)
    conversation = replies.send_in_turn(turn, conversation, row)
    _close_if_asked(turn, command, conversation)


def _entered(turn: Turn, reply: str, command: ReplyRequested, conversation: Conversation) -> Conversation:
    asked = "?" in text_of(command.parts)
    row = conversations.change(turn, conversation, last=conversation.last + 1, last_at=turn.now, asked=asked)
    line = Line(kind=EntryKind.REPLY, at=turn.now, author=command.author, reply=reply)
    conversations.put_line(turn, row.id, row.last, line)
    return row


def _close_if_asked(turn: Turn, command: ReplyRequested, conversation: Conversation) -> None:
    """A message that the author had not seen keeps the conversation open."""
    if command.closes and conversation.is_open and conversation.open == 0:
        conversations.close(turn, conversation, Closing.ANSWERED, command.author)
    else:
        conversations.watch_silence(turn, conversation)


def _row(
    turn: Turn, reply: str, command: ReplyRequested, conversation: Conversation, answered: Taken, answers: int
) -> Reply:
    return Reply(
        id=reply,
        tenant=turn.oin,
        conversation=conversation.id,
        number=conversation.last,
        department=conversation.department,
        author=command.author,
        via=answered.via,
        address=_address(turn, answered),
        parts=command.parts,
        accepted_at=turn.now,
        not_after=command.not_after or turn.now + turn.served.policy.answer_within,
        answers=answers,
        in_reply_to=answered.external_id,
        references=_references(answered),
        subject=answered.subject,
        bulk=command.bulk,
    )


def _references(answered: Taken) -> tuple[str, ...]:
    """The thread, the oldest first, and the message itself last."""
    return (*reversed(answered.thread[: MOST_REFERENCES - 1]), answered.external_id)
