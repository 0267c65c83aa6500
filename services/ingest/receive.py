"""From a request to what has to be kept: verified, read, given to its owner. Pure; the time is handed in.

Nothing that is genuine is refused for what it says: what cannot be handled becomes a dead letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import ValidationError

from schemas.cloudevents import CloudEvent, faults
from schemas.topics import INBOUND, MAX_RECORD
from services.channels.base import (
    Channel,
    Echo,
    Edit,
    Endpoint,
    File,
    Item,
    Message,
    Parsed,
    Rejected,
    Request,
    Windows,
)
from services.ingest.abridge import abridged
from services.ingest.owners import Account, Owner
from services.ingest.setaside import Unhandled, set_aside
from services.ingest.translate import Arrival, event_of
from services.runtime.bus.handler import Outgoing
from services.runtime.process.log import get_logger

log = get_logger()

ROOM = 1_500
"""Bytes of a record that are not the event's data: headers and key."""
SURELY_FITS = 8_000
"""Bytes of a request whose events fit a record whatever is in it: each byte takes at most 6 there, if escaped."""
NOBODYS = "no inbox here has this account"


class TooLong(ValueError):
    """Not even the short form fits a record."""


@dataclass(slots=True)
class Received:
    """What one request comes to: records in the order of the request, and the files they refer to."""

    outgoing: list[Outgoing] = field(default_factory=list)
    files: list[tuple[str | None, File]] = field(default_factory=list)
    """Each with the OIN of whose it is."""
    owned: int = 0
    """How many items were for an inbox of ours."""
    strangers: dict[str, None] = field(default_factory=dict)
    """Accounts that are nobody's here, in the order of the request."""

    @property
    def nobodys(self) -> bool:
        """Whether it named inboxes, and none of them is ours."""
        return bool(self.strangers) and not self.owned

    def add(self, outgoing: Outgoing, files: Iterable[File], oin: str | None) -> None:
        """Add a record and its files."""
        self.outgoing.append(outgoing)
        self.files.extend((oin, file) for file in files)


@dataclass(frozen=True, slots=True)
class _Case:
    """One request, while it is being read."""

    request: Request
    at: datetime
    received: Received = field(default_factory=Received)


class Reception:
    """Takes in what comes for one endpoint."""

    def __init__(self, channel: Channel, endpoint: Endpoint, owners: Mapping[Account, Owner]) -> None:
        self.channel, self.endpoint = channel, endpoint
        self.origin = f"{endpoint.channel}/{endpoint.name}"
        self._owners = owners
        self._window: timedelta | None = channel.window if isinstance(channel, Windows) else None

    def receive(self, request: Request, at: datetime) -> Received:
        """Return what has to be kept of a request that came in `at`; raises VerificationError when it is forged."""
        self.channel.verify(request, self.endpoint)
        return self.taken(self._read(request), request, at)

    def taken(self, items: Iterable[Item], request: Request, at: datetime) -> Received:
        """Return what has to be kept of a genuine request, of which these items were read."""
        case = _Case(request, at)
        for item in items:
            self._take(item, case)
        for account in case.received.strangers:
            self._set_aside(NOBODYS, case, request.body, about={"account": account})
        return case.received

    def _read(self, request: Request) -> list[Item]:
        """A channel that breaks its contract costs nobody's words: the bytes are set aside."""
        try:
            return self.channel.parse(request, self.endpoint)
        except Exception as error:
            log.exception("channel_failed", channel=self.endpoint.channel, endpoint=self.endpoint.name)
            return [Rejected(reason=f"the channel failed: {type(error).__name__}", raw=request.body)]

    def _take(self, item: Item, case: _Case) -> None:
        owner = self._owner(item.account)
        case.received.owned += owner is not None
        if item.account is not None and owner is None:
            case.received.strangers[item.account] = None
        elif isinstance(item, Rejected):
            self._set_aside(item.reason, case, item.raw, owner)
        elif owner is not None:
            self._keep(item, owner, case)

    def _owner(self, account: str | None) -> Owner | None:
        if account is None:
            return None
        return self._owners.get((self.endpoint.channel, self.endpoint.provider, account))

    def _keep(self, item: Parsed, owner: Owner, case: _Case) -> None:
        try:
            event, files = _fitted(item, Arrival(owner, case.at, self._window), len(case.request.body))
        except (ValueError, OverflowError) as error:
            self._set_aside(_cannot(error), case, case.request.body, owner)
        else:
            outgoing = Outgoing(topic=INBOUND.name, key=event.id, home=owner.oin, event=event)
            case.received.add(outgoing, files, owner.oin)

    def _set_aside(
        self, reason: str, case: _Case, raw: bytes, owner: Owner | None = None, about: Mapping[str, str] | None = None
    ) -> None:
        unhandled = Unhandled(
            origin=self.origin,
            reason=reason,
            raw=raw,
            oin=None if owner is None else owner.oin,
            content_type=case.request.header("content-type"),
            about={"method": case.request.method, **case.request.envelope, **(about or {})},
        )
        case.received.add(*set_aside(unhandled, case.at), unhandled.oin)


def _fitted(item: Parsed, arrival: Arrival, size: int) -> tuple[CloudEvent, list[File]]:
    """Return the event of an item that fits a record, and its files; `size` is that of the request, bytes."""
    files = list(item.files) if isinstance(item, Message | Edit) else []
    event = event_of(item, arrival)
    if size <= SURELY_FITS or _fits(event):
        return event, files
    short, whole = _shortened(item)
    event = event_of(short, arrival)
    if not _fits(event):
        raise TooLong
    return event, files + whole


def _shortened(item: Parsed) -> tuple[Parsed, list[File]]:
    return abridged(item) if isinstance(item, Message | Edit | Echo) else (item, [])


def _fits(event: CloudEvent) -> bool:
    return len(event.data.model_dump_json(exclude_none=True).encode()) <= MAX_RECORD - ROOM


def _cannot(error: ValueError | OverflowError) -> str:
    if isinstance(error, ValidationError):
        return f"no event can hold it: {faults(error)}"
    return f"no event can hold it: {type(error).__name__}"
