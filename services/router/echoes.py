"""An answer typed outside the hub, in the provider's own app. Ours come back so too: only the rest are answers.

One that nobody knows waits while a reply of ours is in flight, since it may be that reply.
"""

from __future__ import annotations

from schemas.events import Closing, DeliveryChanged, DeliveryStatus, EntryKind, MessageEchoed
from schemas.ids import read_our_id
from services.router import contacts, conversations, facts, history
from services.router.tables import ECHOES, EXTERNALS, REPLIES, Conversation, Line, WaitingEcho
from services.router.turn import Turn


def echoed(turn: Turn, echo: MessageEchoed) -> None:
    """Take in what was answered outside, or recognise our own."""
    key = conversations.external_key(turn, echo.via.inbox, echo.external_id)
    if _is_ours(turn, echo, key):
        return
    conversation = _known(turn, echo)
    if conversation is None:
        _begin(turn, echo, key)
    elif conversation.in_flight:
        turn.state.put(ECHOES, key, WaitingEcho(conversation=conversation.id, echo=echo))
        conversations.change(turn, conversation, echoes=(*conversation.echoes, key))
    else:
        _count(turn, conversation, echo, key)


def release(turn: Turn, conversation: Conversation) -> Conversation:
    """Nothing is in flight any more: what still waits was answered outside, unless it proved ours meanwhile."""
    for key in conversation.echoes:
        waiting = turn.state.get(ECHOES, key)
        turn.state.drop(ECHOES, key)
        if waiting and not _is_ours(turn, waiting.echo, key):
            conversation = _count(turn, conversation, waiting.echo, key)
    return conversations.change(turn, conversation, echoes=()) if conversation.echoes else conversation


def _is_ours(turn: Turn, echo: MessageEchoed, key: str) -> bool:
    ours = read_our_id(echo.our_id) if echo.our_id else None
    return turn.state.get(EXTERNALS, key) is not None or (
        ours is not None and turn.state.get(REPLIES, ours.reply) is not None
    )


def _known(turn: Turn, echo: MessageEchoed) -> Conversation | None:
    """The citizen's latest conversation in that inbox."""
    contact = contacts.of_address(turn, echo.recipient)
    theirs = reversed(contacts.conversations(turn, contact)) if contact else ()
    found = (conversations.get(turn, each) for each in theirs)
    return next((each for each in found if each and each.via.inbox == echo.via.inbox), None)


def _begin(turn: Turn, echo: MessageEchoed, key: str) -> None:
    """The municipality wrote first: nothing is asked, and what the citizen answers opens it."""
    conversation = conversations.open_new(turn, contacts.of_new(turn, echo.recipient), echo.via, turn.served.triage)
    conversations.close(turn, _count(turn, conversation, echo, key), Closing.NO_ANSWER_NEEDED)


def _count(turn: Turn, conversation: Conversation, echo: MessageEchoed, key: str) -> Conversation:
    row, answered = conversations.answer(turn, conversation, conversation.last)
    row = conversations.change(turn, row, last=row.last + 1, last_at=turn.now)
    line = Line(kind=EntryKind.ECHO, at=turn.now, external=key, reply=echo.message)
    conversations.put_line(turn, row.id, row.last, line)
    history.echo(turn, row, row.last, echo)
    facts.accepted(turn, row, echo.message, row.last, answered)
    _tell(turn, row, echo)
    conversations.watch_silence(turn, row)
    return row


def _tell(turn: Turn, conversation: Conversation, echo: MessageEchoed) -> None:
    changed = DeliveryChanged(
        tenant=turn.oin,
        conversation=conversation.id,
        reply=echo.message,
        number=conversation.last,
        status=DeliveryStatus.SENT,
    )
    turn.tell(conversation.department, conversation.id, changed, about=echo.message)
