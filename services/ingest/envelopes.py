"""CloudEvents over HTTP, in the three forms of its binding: structured, batch, binary. Only the form is read here.

NotCloudEvents      the body is none of the three
  WrongMediaType    415
  NotJson           400
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message as Mime
from typing import Any
from urllib.parse import unquote

from pydantic_core import from_json

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BINARY = "application/json"
_PREFIX = "ce-"


class NotCloudEvents(ValueError):
    """The request holds no CloudEvents."""


class WrongMediaType(NotCloudEvents):
    """The content type is none of the three forms."""


class NotJson(NotCloudEvents):
    """The body is no JSON, or not of the shape of its form."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One CloudEvent as it came, and the steps to it in the body."""

    attributes: dict[str, Any]
    at: tuple[int, ...] = ()


def envelopes(headers: Iterable[tuple[str, str]], body: bytes) -> list[Envelope]:
    """Return the events of a request, unjudged; raises NotCloudEvents. Header names are lower case."""
    named = dict(headers)
    form = _media_type(named.get("content-type", ""))
    if form == BATCH:
        return [Envelope(_object(one), (index,)) for index, one in enumerate(_list(_json(body)))]
    if form == STRUCTURED:
        return [Envelope(_object(_json(body)))]
    if form == BINARY and f"{_PREFIX}specversion" in named:
        return [Envelope({**_attributes(named), "data": _json(body)})]
    raise WrongMediaType(f"Use {STRUCTURED}, {BATCH}, or {BINARY} with ce- headers.")


def _media_type(content_type: str) -> str:
    parsed = Mime()
    parsed["content-type"] = content_type
    return parsed.get_content_type() if content_type else ""


def _attributes(headers: dict[str, str]) -> dict[str, Any]:
    """Header values are percent-encoded UTF-8 (CloudEvents HTTP binding, section 3.1.3.2)."""
    return {name.removeprefix(_PREFIX): unquote(value) for name, value in headers.items() if name.startswith(_PREFIX)}


def _json(body: bytes) -> Any:  # noqa: ANN401 - JSON is anything
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        raise NotJson("The body is no JSON (UTF-8, no NaN, at most 200 levels deep).") from None


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise NotJson("A batch is a JSON array of events.")
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NotJson("An event is a JSON object.")
    return value
