"""The envelope: CloudEvents 1.0 in Kafka's binary mode, by the NL GOV profile 1.1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from schemas.events import EVENTS, Event

Headers = list[tuple[str, bytes]]

NOBODY = "0" * 20
"""In place of an OIN, where a record belongs to no municipality that the hub knows."""


class Unreadable(ValueError):
    """A record that is no event of ours. The message says what is wrong, never what the record says."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event: who says it (`source`), which one (`id`), when it was logged (`time`), and what (`data`).

    `source` and `id` together are unique. `type` follows from the class of `data`.
    """

    id: str
    source: str
    time: datetime
    data: Event
    sequence: str | None = None
    """Where the order of a series matters: the number in it (CloudEvents extension `sequence`)."""
    traceparent: str | None = None
    """W3C trace context (CloudEvents extension for distributed tracing)."""

    @property
    def type(self) -> str:
        """The event's type in reverse DNS, version last."""
        return self.data.TYPE


def source_of(oin: str | None) -> str:
    """Return the `source` of what the hub itself says for the municipality with this OIN; None is for nobody's."""
    return f"urn:nld:oin:{oin or NOBODY}:systeem:berichtenhub"


def encode(event: CloudEvent) -> tuple[Headers, bytes]:
    """Return the record of an event: headers (made afresh each time) and value."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.data.TYPE.encode()),
        ("ce_time", _rfc3339(event.time).encode()),
        ("content-type", b"application/json"),
    ]
    if event.sequence is not None:
        headers.append(("ce_sequence", event.sequence.encode()))
    if event.traceparent is not None:
        headers.append(("ce_traceparent", event.traceparent.encode()))
    return headers, event.data.model_dump_json(exclude_none=True).encode()


def decode(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> CloudEvent:
    """Read a record as an event; raises Unreadable when it is none of ours."""
    attributes = {name: raw.decode("utf-8", "replace") for name, raw in headers}
    model = EVENTS.get(attributes.get("ce_type", ""))
    if model is None:
        raise Unreadable("header ce_type names no event of the hub")
    if value is None:
        raise Unreadable("the record has no value")
    return CloudEvent(
        id=_required(attributes, "ce_id"),
        source=_required(attributes, "ce_source"),
        time=_time(_required(attributes, "ce_time")),
        data=read_data(model, value),
        sequence=attributes.get("ce_sequence"),
        traceparent=attributes.get("ce_traceparent"),
    )


def read_data(model: type[Event], value: bytes) -> Event:
    """Read the JSON of one event; raises Unreadable naming the fields, not their contents."""
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        raise Unreadable(f"{model.TYPE}: {faults(error)}") from None


def faults(error: ValidationError) -> str:
    """Return where and how validation failed, without a word of what was in it."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{_path(fault['loc'], fault['type'])}: {fault['type']}" for fault in found)


def declared(steps: Sequence[int | str], fault: str) -> list[str]:
    """Return the way to a fault without the names on it that whoever wrote the data chose: they may be anybody's."""
    chosen = {at + 1 for at, step in enumerate(steps) if step in _NAMED_BY_OTHERS}
    if fault.replace("-", "_") == "extra_forbidden":
        chosen.add(len(steps) - 1)
    return ["*" if at in chosen else str(step) for at, step in enumerate(steps)]


_NAMED_BY_OTHERS = {"fields", "raw_headers"}
"""Fields of our events that hold a mapping: its keys are data."""


def _path(steps: Sequence[int | str], fault: str) -> str:
    return ".".join(declared(steps, fault)) or "(whole)"


def _required(attributes: Mapping[str, str], name: str) -> str:
    if not attributes.get(name):
        raise Unreadable(f"header {name} is missing")
    return attributes[name]


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("header ce_time is no RFC 3339 time") from None
