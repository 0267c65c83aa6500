"""What follows from the passing of time: each timer's name says what it is for, and of what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from schemas.events import Closing, Reason
from schemas.ids import derived
from services.router import conversations, orphans, replies, settle
from services.router.tables import CONVERSATIONS, ORPHANS, REPLIES
from services.router.turn import Served, Turn
from services.runtime.bus.handler import Outgoing, State, Table

MOST = 500
"""Timers of one tick: the others stay due, and the next tick comes at once after."""

_LATER = timedelta(days=1)


def tick(now: datetime, state: State, served: Mapping[str, Served]) -> list[Outgoing]:
    """Return what follows from the timers whose time has come; one of a tenant not served here waits."""
    out: list[Outgoing] = []
    for name, at in state.due(now)[:MOST]:
        oin = _tenant(state, name)
        if oin is None:
            state.clear_timer(name)
        elif oin not in served:
            state.set_timer(name, now + _LATER)
        else:
            out += _fired(Turn(served[oin], state, now, derived(name, at.isoformat())), name)
    return out


def _fired(turn: Turn, name: str) -> list[Outgoing]:
    turn.state.clear_timer(name)
    kind, _, what = name.partition("/")
    _RULES[kind + "/"](turn, what)
    return turn.out


def _expire(turn: Turn, reply: str) -> None:
    """Its author wanted it sent by now: one that waits will not leave, one that left is called back."""
    row = replies.get(turn, reply)
    if row is None or row.done:
        return
    conversation = turn.state.get(CONVERSATIONS, row.conversation)
    if conversation and row.id in conversation.queue:
        replies.fail_unsent(turn, row, Reason.EXPIRED)
    elif row.attempt not in row.settled:
        replies.call_back(turn, row, Reason.EXPIRED)


def _doubt(turn: Turn, reply: str) -> None:
    row = replies.get(turn, reply)
    if row:
        settle.doubt_remains(turn, row)


def _orphan(turn: Turn, key: str) -> None:
    orphans.forget(turn, key)


def _forget(turn: Turn, conversation: str) -> None:
    """One with a reply on its way is remembered until that has its outcome."""
    row = turn.state.get(CONVERSATIONS, conversation)
    if row is None or row.is_open:
        return
    if row.in_flight:
        turn.state.set_timer(conversations.FORGET + conversation, turn.now + _LATER)
    else:
        conversations.forget(turn, row)


def _idle(turn: Turn, conversation: str) -> None:
    row = turn.state.get(CONVERSATIONS, conversation)
    if row and row.is_open and row.open == 0:
        conversations.close(turn, row, Closing.ANSWERED if row.answered else Closing.NO_ANSWER_NEEDED)


_RULES: dict[str, Callable[[Turn, str], None]] = {
    replies.EXPIRE: _expire,
    replies.DOUBT: _doubt,
    orphans.ORPHAN: _orphan,
    conversations.FORGET: _forget,
    conversations.IDLE: _idle,
}


_TABLE_OF: dict[str, Table[Any]] = {
    replies.EXPIRE: REPLIES,
    replies.DOUBT: REPLIES,
    orphans.ORPHAN: ORPHANS,
    conversations.FORGET: CONVERSATIONS,
    conversations.IDLE: CONVERSATIONS,
}


def _tenant(state: State, name: str) -> str | None:
    """Return whose timer this is; None when what it is about is gone."""
    kind, _, what = name.partition("/")
    row = state.get(_TABLE_OF[kind + "/"], what)
    return row.tenant if row else None
