"""What became of a reply: outcomes of the responder and receipts of the provider, in whatever order they come.

After either, the reply is looked at as a whole: did every part go, did one fail, is one in doubt, is something left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.events import DeliveryStatus, Outcome, Reason, ReceiptReceived, ReplyUnknown
from schemas.ids import read_our_id
from services.router import conversations, orphans, replies
from services.router.status import WENT, merged
from services.router.tables import EXTERNALS, External, Reply
from services.router.turn import Turn
from services.runtime.bus.handler import Poison

S = DeliveryStatus


# --- outcomes ------------------------------------------------------------------------------------------------


def outcome(turn: Turn, found: Outcome) -> None:
    """Take in what the responder found; raises Poison when nobody asked for this reply."""
    reply = replies.get(turn, found.reply)
    if reply is None or found.attempt > reply.attempt:
        raise Poison("an outcome of a reply, or an attempt, that the router did not ask for")
    if found.attempt in reply.settled:
        turn.duplicate = True
        return
    reply = replies.change(turn, reply, **_settled(reply, found))
    reply = replies.report(turn, _learn_ids(turn, reply, found))
    _watch_doubt(turn, reply)
    go_on(turn, reply)


def _settled(reply: Reply, found: Outcome) -> dict[str, object]:
    return {
        "settled": (*reply.settled, found.attempt),
        "total": max(found.parts, reply.total or 0),
        "progress": _with(reply.progress, _per_part(reply, found)),
        "reason": found.reason or reply.reason,
        "code": found.code or reply.code,
    }


def _per_part(reply: Reply, found: Outcome) -> Iterator[tuple[int, S]]:
    yield from ((sent.part, S.ACCEPTED) for sent in found.sent)
    yield from ((part, S.UNKNOWN) for part in found.doubtful)
    if not isinstance(found, ReplyUnknown):
        yield from ((part, S.FAILED) for part in _did_not_go(reply, found))


def _did_not_go(reply: Reply, found: Outcome) -> set[int]:
    """Parts that this attempt ended without sending; those of an earlier attempt went then."""
    named = {sent.part for sent in found.sent} | set(found.doubtful)
    before = {part for part, status in reply.progress.items() if status in WENT}
    return set(range(found.parts)) - named - before


def _learn_ids(turn: Turn, reply: Reply, found: Outcome) -> Reply:
    """Remember under which ids its parts went, and apply the receipts that came before."""
    for sent in found.sent:
        key = conversations.external_key(turn, reply.via.inbox, sent.external_id)
        reply = _learn(turn, reply, sent.part, key)
        reply = _applied(turn, reply, sent.part, orphans.take(turn, key))
    return reply


def _watch_doubt(turn: Turn, reply: Reply) -> None:
    if S.UNKNOWN in reply.progress.values():
        turn.state.set_timer(replies.DOUBT + reply.id, turn.now + turn.served.policy.doubt_for)


# --- receipts ------------------------------------------------------------------------------------------------


def receipt(turn: Turn, received: ReceiptReceived) -> None:
    """Take in what the provider reports; one of a reply that is not known yet waits for it."""
    key = conversations.external_key(turn, received.via.inbox, received.external_id)
    if _is_of_an_echo(turn, key):
        return
    reply, part = _of(turn, received, key)
    if reply is None:
        orphans.keep(turn, key, received)
        return
    reply = _applied(turn, _learn(turn, reply, part, key), part, [received])
    go_on(turn, replies.report(turn, reply))


def _is_of_an_echo(turn: Turn, key: str) -> bool:
    """What was typed outside the hub has receipts too; nobody here waits for them."""
    known = turn.state.get(EXTERNALS, key)
    return known is not None and known.reply is None


def _of(turn: Turn, received: ReceiptReceived, key: str) -> tuple[Reply | None, int]:
    ours = read_our_id(received.our_id) if received.our_id else None
    if ours:
        reply = replies.get(turn, ours.reply)
        return (reply, ours.part) if reply and ours.attempt <= reply.attempt else (None, 0)
    known = turn.state.get(EXTERNALS, key)
    if known is None or known.reply is None or known.part is None:
        return None, 0
    return replies.get(turn, known.reply), known.part


def _applied(turn: Turn, reply: Reply, part: int, received: Iterable[ReceiptReceived]) -> Reply:
    for each in received:
        reply = replies.change(turn, reply, **_reported(reply, part, each))
    return reply


def _reported(reply: Reply, part: int, received: ReceiptReceived) -> dict[str, object]:
    failed = received.status is S.FAILED
    return {
        "progress": _with(reply.progress, [(part, received.status)]),
        "reason": received.reason if failed else reply.reason,
        "code": received.code if failed else reply.code,
        "cost": received.cost or reply.cost,
    }


# --- both ----------------------------------------------------------------------------------------------------


def go_on(turn: Turn, reply: Reply) -> None:
    """Do what the reply's state asks for: hand it to people, end it, send what is left; in doubt, wait."""
    statuses = [reply.progress.get(part, S.QUEUED) for part in range(reply.total or 0)]
    if S.FAILED in statuses:
        reply = replies.give_up(turn, reply, reply.reason or "failed")
    if reply.done or reply.attempt not in reply.settled:
        return
    if S.FAILED in statuses or all(status in WENT for status in statuses):
        replies.end(turn, reply)
    elif S.UNKNOWN not in statuses and reply.erased:
        replies.end(turn, _left_unsent(turn, reply))
    elif S.UNKNOWN not in statuses:
        replies.send_again(turn, reply, statuses.index(S.QUEUED))


def _left_unsent(turn: Turn, reply: Reply) -> Reply:
    """Nobody wants the parts that did not go."""
    unsent = ((part, S.FAILED) for part in range(reply.total or 0) if part not in reply.progress)
    progress = _with(reply.progress, unsent)
    return replies.report(turn, replies.change(turn, reply, progress=progress, reason=Reason.ERASED))


def doubt_remains(turn: Turn, reply: Reply) -> None:
    """No receipt came in time: send again from the part in doubt, at most once; else it is people's."""
    doubtful = [part for part, status in sorted(reply.progress.items()) if status is S.UNKNOWN]
    if reply.done or (reply.attempt not in reply.settled and turn.now < reply.not_after):
        return
    if reply.attempt not in reply.settled:
        replies.end(turn, replies.give_up(turn, _unheard_of(turn, reply), "no-outcome"))
    elif not doubtful:
        return
    elif turn.served.policy.resends and not reply.resent and turn.now < reply.not_after:
        replies.send_again(turn, replies.change(turn, reply, resent=True), doubtful[0])
    else:
        replies.end(turn, replies.give_up(turn, reply, "unknown"))


def _unheard_of(turn: Turn, reply: Reply) -> Reply:
    """It was called back and the responder said nothing: none of what has no status is certain."""
    total = reply.total or 1
    doubtful = ((part, S.UNKNOWN) for part in range(total) if part not in reply.progress)
    return replies.report(turn, replies.change(turn, reply, total=total, progress=_with(reply.progress, doubtful)))


def _learn(turn: Turn, reply: Reply, part: int, key: str) -> Reply:
    if key in reply.externals:
        return reply
    turn.state.put(
        EXTERNALS,
        key,
        External(conversation=reply.conversation, number=reply.number, reply=reply.id, part=part),
    )
    return replies.change(turn, reply, externals=(*reply.externals, key))


def _with(progress: dict[int, S], news: Iterable[tuple[int, S]]) -> dict[int, S]:
    found = dict(progress)
    for part, status in news:
        found[part] = merged(found.get(part, S.QUEUED), status)
    return found
