"""Dead letters: what is genuine and cannot be handled is kept raw, with the reason, and never refused."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from schemas.cloudevents import CloudEvent, source_of
from schemas.events import Origin, RecordSetAside
from schemas.ids import derived
from schemas.topics import DEAD_LETTERS
from services.channels.base import File
from services.ingest.abridge import file_of
from services.runtime.bus.handler import Outgoing

IN_RECORD = 30_000
"""Bytes that still fit a record of 64 kB in base64; more are kept as a file."""
_REASON, _ABOUT, _ABOUTS = 2_000, 500, 20
"""Characters of the reason and of what is told about the request, and how many of those: so it always fits."""


@dataclass(frozen=True, slots=True)
class Unhandled:
    """Something that came in and stays aside.

    `origin` is where it came in, `reason` holds no word of a citizen, and `about` is what is worth keeping of the
    request, for whoever puts it back.
    """

    origin: str
    reason: str
    raw: bytes
    oin: str | None = None
    content_type: str | None = None
    about: Mapping[str, str] = field(default_factory=dict)


def set_aside(unhandled: Unhandled, at: datetime) -> tuple[Outgoing, list[File]]:
    """Return the dead letter of what could not be handled, and the file of its bytes when they are many."""
    identity = derived("record.set-aside", unhandled.origin, unhandled.reason, sha256(unhandled.raw).hexdigest())
    key = f"{unhandled.origin}/{identity}"
    data, files = _data(unhandled)
    event = CloudEvent(id=identity, source=source_of(unhandled.oin), time=at, data=data)
    return Outgoing(topic=DEAD_LETTERS.name, key=key, home=key, event=event), files


def _data(unhandled: Unhandled) -> tuple[RecordSetAside, list[File]]:
    small = len(unhandled.raw) <= IN_RECORD
    reference, kept = file_of(unhandled.raw)
    data = RecordSetAside(
        tenant=unhandled.oin,
        origin=Origin(topic=unhandled.origin),
        reason=unhandled.reason[:_REASON],
        raw=b64encode(unhandled.raw).decode() if small else "",
        file=None if small else reference,
        raw_headers=_short(unhandled.about),
        content_type=unhandled.content_type and unhandled.content_type[:_ABOUT],
    )
    return data, [] if small else [kept]


def _short(about: Mapping[str, str]) -> dict[str, str]:
    return {name[:_ABOUT]: value[:_ABOUT] for name, value in list(about.items())[:_ABOUTS]}
