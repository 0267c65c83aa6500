"""By which ids an event is known: what it shares with others of the same message, and of the same conversation."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass

from schemas.cloudevents import CloudEvent, Unreadable, decode
from schemas.events import Event, Outcome, RecordSetAside, ReplyRequested, SendRequested
from schemas.ids import derived, read_our_id

_WIDE = frozenset({"conversation", "reference"})
"""Names of more than one message: they are followed only when they are what was asked for."""


@dataclass(frozen=True)
class Names:
    """By which ids an event is known: its own and its message's, and the conversation that holds others too."""

    own: frozenset[str]
    wide: frozenset[str] = frozenset()


def names_of(event: CloudEvent) -> Names:
    """Return by which ids an event is known."""
    own, wide = set(_plain_names(event)), frozenset(_wide_names(event.data))
    match event.data:
        case ReplyRequested():
            own.add(derived(event.source, event.id))
        case SendRequested(in_reply_to=str(answered)):
            own.add(answered)
        case Outcome(sent=sent):
            own |= {part.external_id for part in sent}
        case RecordSetAside() as data:
            inner = _inner(data)
            return Names(frozenset(own) | inner.own, wide | inner.wide)
        case _:
            pass
    return Names(frozenset(own), wide)


def _plain_names(event: CloudEvent) -> Iterator[str]:
    yield event.id
    for field_name in ("external_id", "reply", "command"):
        value = getattr(event.data, field_name, None)
        if isinstance(value, str):
            yield value
    message = getattr(event.data, "message", None)
    if message is not None:
        yield from (message,) if isinstance(message, str) else (message.message, message.external_id)
    ours = read_our_id(getattr(event.data, "our_id", None) or "")
    if ours:
        yield ours.reply


def _wide_names(data: Event) -> Iterator[str]:
    values = (getattr(data, name, None) for name in _WIDE)
    yield from (value for value in values if isinstance(value, str))


def _inner(data: RecordSetAside) -> Names:
    """A dead letter is known by the names of what it holds too, when that can be read."""
    try:
        headers = [(name, value.encode()) for name, value in data.raw_headers.items()]
        return names_of(decode(headers, b64decode(data.raw)))
    except Unreadable:
        return Names(frozenset())
