"""The router's table: which function answers which event. All it does is find whose record it is, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from schemas import events as e
from schemas.ids import derived
from schemas.topics import INBOUND, OUTCOMES
from services.router import answer, commands, contacts, echoes, erasure, facts, reworded, route, settle, tick
from services.router.turn import Served, Turn
from services.router.undelivered import OldestUndelivered
from services.runtime.bus.handler import Harmless, Outgoing, Poison, Record, State
from services.runtime.process.metrics import Metrics

_OUTCOMES = (e.ReplySent, e.ReplyFailed, e.ReplyUnknown, e.ReplyCancelled)
_OTHER_COMMANDS = tuple(each for each in e.COMMANDS.values() if each not in (e.ReplyRequested, e.ContactErased))

NumberOf = Callable[[str], int]
"""Which partition number a tenant lives in."""


class Router:
    """The hub: the one owner and writer of what is true about a conversation. It is a bus Handler."""

    inputs: tuple[str, ...] = (INBOUND.name, OUTCOMES.name)

    def __init__(
        self,
        served: Iterable[Served],
        number_of: NumberOf | None = None,
        metrics: Metrics | None = None,
        oldest: OldestUndelivered | None = None,
    ) -> None:
        self._served = {each.oin: each for each in served}
        self._number_of, self._metrics, self._oldest = number_of, metrics, oldest

    def handle(self, record: Record, state: State) -> list[Outgoing]:
        """Return what follows from a record; raises Poison."""
        if isinstance(record.event.data, e.HubTicked):
            return []
        served = self._owner(record)
        if self._number_of and self._number_of(served.oin) != record.partition:
            return [_sent_home(record, served)]
        turn = Turn(served, state, record.event.time, record.event.id, record.event.traceparent)
        _take(turn, record)
        self._count(turn, record)
        return turn.out

    def tick(self, now: datetime, state: State) -> list[Outgoing]:
        """Return what follows from the passing of time."""
        out = tick.tick(now, state, self._served)
        if self._oldest:
            self._oldest.look(now, state)
        return out

    def _owner(self, record: Record) -> Served:
        served = self._served.get(record.event.data.tenant)
        if served is None:
            raise Poison("the tenant of this record is not served here: add it to the tenants file, then replay")
        return served

    def _count(self, turn: Turn, record: Record) -> None:
        if self._metrics is None:
            return
        if turn.duplicate:
            self._metrics.duplicates.labels("router", record.event.type).inc()
        for outgoing in turn.out:
            data = outgoing.event.data if outgoing.event else None
            if isinstance(data, e.MessageRouted) and data.message:
                self._metrics.routed.labels(data.message.via.channel, data.department).inc()


def _sent_home(record: Record, served: Served) -> Outgoing:
    """A record in another tenant's partition goes to the right one, as it is."""
    return Outgoing(record.topic, record.key or record.event.id, served.oin, record.event)


def _take(turn: Turn, record: Record) -> None:
    """Hand an event to its function, unless it was handled before."""
    name = _unique_name(record)
    if name is not None and turn.state.seen(name):
        turn.duplicate = True
        return
    if name is not None:
        _check_age(turn, record)
        turn.state.see(name, turn.now)
    rule = _RULES.get(type(record.event.data))
    if rule is None:
        raise Poison(f"the router does not take {record.event.type}")
    rule(turn, record, record.event.data)


_Rule = Callable[[Turn, Record, Any], None]

_RULES: dict[type[e.Event], _Rule] = {
    e.MessageReceived: lambda turn, record, data: route.received(turn, record.offset, data),
    e.MessageEdited: lambda turn, _record, data: reworded.reworded(turn, data),
    e.MessageRevoked: lambda turn, _record, data: reworded.reworded(turn, data),
    e.MessageEchoed: lambda turn, _record, data: echoes.echoed(turn, data),
    e.ReceiptReceived: lambda turn, _record, data: settle.receipt(turn, data),
    e.AddressLinked: lambda turn, _record, data: contacts.link(turn, data),
    e.AccountChanged: lambda turn, record, data: facts.restricted(turn, data.via, record.event.id),
    e.ReplyRequested: lambda turn, record, data: answer.requested(turn, record.event.source, data),
    e.ContactErased: lambda turn, _record, data: erasure.requested(turn, data),
}
_RULES |= {command: lambda turn, _record, data: commands.requested(turn, data) for command in _OTHER_COMMANDS}
_RULES |= {outcome: lambda turn, _record, data: settle.outcome(turn, data) for outcome in _OUTCOMES}


def _unique_name(record: Record) -> str | None:
    """Under which name this happens once; None for what may come twice without harm."""
    match record.event.data:
        case e.MessageReceived(message=message) | e.MessageEchoed(message=message):
            return message
        case e.Command():
            return derived(record.event.source, record.event.id)
        case e.MessageEdited() | e.MessageRevoked() | e.AccountChanged() | e.AddressLinked():
            return record.event.id
        case _:
            return None


def _check_age(turn: Turn, record: Record) -> None:
    """Ids are remembered for a while only: what took longer to reach us may have been here before."""
    times = getattr(record.event.data, "times", None)
    received = times.received if isinstance(times, e.Times) else record.event.time
    if max(record.logged, record.event.time) - received > turn.served.policy.unique_for:
        raise Harmless("too old to prove unique: received longer ago than ids are remembered")
