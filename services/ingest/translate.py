"""From what a channel read to the hub's own events: pure, a function for each kind of item.

Ids follow from the cause alone, so the same webhook twice gives the same events. They are keyed with the
municipality's secret, so nobody else can guess or link them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.cloudevents import CloudEvent
from schemas.events import (
    AccountChanged,
    AddressLinked,
    Event,
    MessageEchoed,
    MessageEdited,
    MessageReceived,
    MessageRevoked,
    ReceiptReceived,
    Sender,
    Times,
)
from schemas.ids import derived, message_id, pseudonym
from services.channels.base import AccountChange, Echo, Edit, Link, Message, Parsed, Receipt, Revocation
from services.ingest.owners import Owner


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where and when an item came in, and for how long the channel then lets us answer."""

    owner: Owner
    received: datetime
    window: timedelta | None = None


def event_of(item: Parsed, arrival: Arrival) -> CloudEvent:
    """Return the event of an item; raises ValidationError when the contract cannot hold what it says."""
    identity, data = _TRANSLATIONS[type(item)](item, arrival)
    return CloudEvent(id=identity, source=arrival.owner.source, time=arrival.received, data=data)


def _message(item: Message, arrival: Arrival) -> tuple[str, Event]:
    identity, times = _identity(item, arrival), _times(item, arrival)
    return identity, MessageReceived(
        tenant=arrival.owner.oin,
        message=identity,
        via=arrival.owner.via,
        sender=Sender(addresses=item.addresses, name=item.name),
        external_id=item.external_id,
        parts=item.parts,
        subject=item.subject,
        thread=item.thread,
        times=times,
        sequence=item.sequence,
        answerable_until=times.happened + arrival.window if arrival.window else None,
        automatic=item.automatic,
        truncated=item.truncated,
    )


def _edit(item: Edit, arrival: Arrival) -> tuple[str, Event]:
    message = _identity(item, arrival)
    return derived("message.edited", message, _keyed(arrival, item.edit_id)), MessageEdited(
        tenant=arrival.owner.oin,
        message=message,
        via=arrival.owner.via,
        external_id=item.external_id,
        parts=item.parts,
        times=_times(item, arrival),
    )


def _revocation(item: Revocation, arrival: Arrival) -> tuple[str, Event]:
    message = _identity(item, arrival)
    return derived("message.revoked", message), MessageRevoked(
        tenant=arrival.owner.oin,
        message=message,
        via=arrival.owner.via,
        external_id=item.external_id,
        times=_times(item, arrival),
    )


def _echo(item: Echo, arrival: Arrival) -> tuple[str, Event]:
    message = _identity(item, arrival)
    return derived("message.echoed", message), MessageEchoed(
        tenant=arrival.owner.oin,
        message=message,
        via=arrival.owner.via,
        recipient=item.recipient,
        external_id=item.external_id,
        our_id=item.our_id,
        parts=item.parts,
        times=_times(item, arrival),
    )


def _receipt(item: Receipt, arrival: Arrival) -> tuple[str, Event]:
    cause = ("receipt.received", _identity(item, arrival), item.our_id or "", item.status.value)
    return derived(*cause), ReceiptReceived(
        tenant=arrival.owner.oin,
        via=arrival.owner.via,
        external_id=item.external_id,
        our_id=item.our_id,
        status=item.status,
        reason=item.reason,
        code=item.code,
        permanent=item.permanent,
        recipient=item.recipient,
        cost=item.cost,
        times=_times(item, arrival),
    )


def _link(item: Link, arrival: Arrival) -> tuple[str, Event]:
    pair = _keyed(arrival, item.old.kind, item.old.value, item.new.kind, item.new.value)
    return derived("address.linked", _identity(item, arrival), pair), AddressLinked(
        tenant=arrival.owner.oin,
        via=arrival.owner.via,
        external_id=item.external_id,
        old=item.old,
        new=item.new,
        times=_times(item, arrival),
    )


def _account_change(item: AccountChange, arrival: Arrival) -> tuple[str, Event]:
    cause = ("account.changed", _identity(item, arrival), item.change, item.code or "")
    return derived(*cause), AccountChanged(
        tenant=arrival.owner.oin,
        via=arrival.owner.via,
        external_id=item.external_id,
        change=item.change,
        code=item.code,
        times=_times(item, arrival),
    )


_TRANSLATIONS: Mapping[type[Parsed], Callable[[Any, Arrival], tuple[str, Event]]] = {
    Message: _message,
    Edit: _edit,
    Revocation: _revocation,
    Echo: _echo,
    Receipt: _receipt,
    Link: _link,
    AccountChange: _account_change,
}


def _identity(item: Parsed, arrival: Arrival) -> str:
    via = arrival.owner.via
    return message_id(arrival.owner.key, via.channel, via.inbox, item.external_id)


def _keyed(arrival: Arrival, *words: str) -> str:
    return pseudonym(arrival.owner.key, *words)


def _times(item: Parsed, arrival: Arrival) -> Times:
    """Nobody wrote later than we received it: a clock that runs ahead is set back to ours."""
    claimed = arrival.received if item.happened is None else _utc(item.happened)
    return Times(happened=min(claimed, arrival.received), received=arrival.received)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
