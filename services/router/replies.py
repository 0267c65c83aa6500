"""One reply in flight per conversation: the next leaves when the last has its outcome, so they arrive in order."""

from __future__ import annotations

from schemas.events import DeliveryChanged, DeliveryStatus, Reason, SendCancelled, SendRequested
from services.router import conversations, echoes, facts, history, undelivered
from services.router.status import of_reply
from services.router.tables import CONVERSATIONS, REPLIES, Conversation, Reply
from services.router.turn import Turn

EXPIRE, DOUBT = "expire/", "doubt/"
"""Timers: followed by the reply's id."""


def get(turn: Turn, reply: str) -> Reply | None:
    """Return a reply of this tenant."""
    row = turn.state.get(REPLIES, reply)
    return row if row and row.tenant == turn.oin else None


def change(turn: Turn, reply: Reply, **changes: object) -> Reply:
    """Write what changed and return the reply as it is now."""
    row = reply.model_copy(update=changes)
    turn.state.put(REPLIES, row.id, row)
    return row


def send_in_turn(turn: Turn, conversation: Conversation, reply: Reply) -> Conversation:
    """Let a reply leave, or wait for the one in flight."""
    turn.state.put(REPLIES, reply.id, reply)
    turn.state.set_timer(EXPIRE + reply.id, reply.not_after)
    undelivered.begins(turn, reply)
    if conversation.in_flight:
        return conversations.change(turn, conversation, queue=(*conversation.queue, reply.id))
    send(turn, conversation, reply)
    return conversations.change(turn, conversation, in_flight=reply.id)


def send(turn: Turn, conversation: Conversation, reply: Reply, first_part: int = 0) -> None:
    """Ask the responder for one attempt at a reply, from a part on."""
    wanted = SendRequested(
        tenant=turn.oin,
        reply=reply.id,
        conversation=reply.conversation,
        via=reply.via,
        address=reply.address,
        parts=reply.parts,
        attempt=reply.attempt,
        first_part=first_part,
        not_after=reply.not_after,
        in_reply_to=reply.in_reply_to,
        references=reply.references,
        subject=reply.subject,
        reference=conversation.reference,
    )
    turn.ask(wanted, reply.via.inbox, bulk=reply.bulk)


def send_again(turn: Turn, reply: Reply, first_part: int) -> Reply:
    """Make another attempt, from a part on."""
    row = change(turn, reply, attempt=reply.attempt + 1)
    conversation = turn.state.get(CONVERSATIONS, row.conversation)
    if conversation:
        send(turn, conversation, row, first_part)
    return row


def cancel(turn: Turn, reply: Reply, reason: Reason) -> None:
    """Ask the responder to stop; only its outcome ends the reply."""
    cancelled = SendCancelled(tenant=turn.oin, reply=reply.id, inbox=reply.via.inbox, reason=reason)
    turn.ask(cancelled, reply.via.inbox, bulk=reply.bulk)


def call_back(turn: Turn, reply: Reply, reason: Reason) -> None:
    """Cancel it, and hand it to people when nothing is heard: an outcome that was lost must not hide an answer."""
    cancel(turn, reply, reason)
    turn.state.set_timer(DOUBT + reply.id, turn.now + turn.served.policy.doubt_for)


def report(turn: Turn, reply: Reply) -> Reply:
    """Tell what is new about a reply: how far it got, and what it costs."""
    conversation = turn.state.get(CONVERSATIONS, reply.conversation)
    if reply.total is None or conversation is None:
        return reply
    status = of_reply([reply.progress.get(part, DeliveryStatus.QUEUED) for part in range(reply.total)])
    if status is reply.reported and reply.priced == bool(reply.cost):
        return reply
    row = change(turn, reply, reported=status, priced=bool(reply.cost))
    if status is not reply.reported:
        tell(turn, conversation, row)
        history.reply(turn, conversation, row, status)
    facts.delivery(turn, conversation, row)
    return row


def tell(turn: Turn, conversation: Conversation, reply: Reply) -> None:
    """Tell the department how far a reply got."""
    changed = DeliveryChanged(
        tenant=turn.oin,
        conversation=conversation.id,
        reply=reply.id,
        number=reply.number,
        status=reply.reported,
        reason=reply.reason,
        code=reply.code,
    )
    turn.tell(conversation.department, conversation.id, changed, about=f"{reply.id}/{reply.reported}")


def give_up(turn: Turn, reply: Reply, why: str) -> Reply:
    """Hand what the reply was to answer to people, once."""
    conversation = turn.state.get(CONVERSATIONS, reply.conversation)
    if reply.worklisted or conversation is None:
        return reply
    facts.worklisted(turn, conversation, reply, why)
    return change(turn, reply, worklisted=True)


def end(turn: Turn, reply: Reply) -> None:
    """The reply has its outcome: the next one may leave."""
    if reply.done:
        return
    change(turn, reply, done=True)
    undelivered.ends(turn, reply)
    turn.state.clear_timer(EXPIRE + reply.id)
    turn.state.clear_timer(DOUBT + reply.id)
    conversation = turn.state.get(CONVERSATIONS, reply.conversation)
    if conversation and conversation.in_flight == reply.id:
        _next(turn, conversations.change(turn, conversation, in_flight=None))


def fail_unsent(turn: Turn, reply: Reply, reason: Reason) -> None:
    """End a reply that never left its queue."""
    conversation = turn.state.get(CONVERSATIONS, reply.conversation)
    if conversation:
        others = tuple(each for each in conversation.queue if each != reply.id)
        conversations.change(turn, conversation, queue=others)
    failed = change(turn, reply, reason=reason, total=1, progress={0: DeliveryStatus.FAILED})
    end(turn, give_up(turn, report(turn, failed), reason))


def _next(turn: Turn, conversation: Conversation) -> None:
    conversation = echoes.release(turn, conversation)
    if not conversation.queue:
        return
    first, *others = conversation.queue
    conversation = conversations.change(turn, conversation, queue=tuple(others), in_flight=first)
    reply = get(turn, first)
    if reply:
        send(turn, conversation, reply)
