"""What goes between ingest and a reader: frames of bytes. Nothing of it is ever run, whoever wrote it (no pickle)."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic import TypeAdapter

from services.channels import base
from services.channels.base import Edit, Endpoint, File, Item, Message, Rejected, Request


class Nonsense(ValueError):
    """A frame that says nothing sensible."""


LENGTH = struct.Struct(">Q")
_COUNT = struct.Struct(">I")
_KINDS: Mapping[str, TypeAdapter[Item]] = {
    kind.__name__: TypeAdapter(kind)
    for kind in (
        base.Message,
        base.Edit,
        base.Revocation,
        base.Echo,
        base.Receipt,
        base.Link,
        base.AccountChange,
        base.Rejected,
    )
}

Frame = list[bytes]
"""The first part says in JSON what the others are."""


def packed(frame: Sequence[bytes]) -> bytes:
    """Return a frame as it goes over the wire: its length (LENGTH), and then so many bytes."""
    sizes = b"".join(_COUNT.pack(len(part)) for part in frame)
    payload = b"".join([_COUNT.pack(len(frame)), sizes, *frame])
    return LENGTH.pack(len(payload)) + payload


def unpacked(payload: bytes) -> Frame:
    """Return the frame in these bytes, without the length; raises struct.error."""
    (count,) = _COUNT.unpack_from(payload)
    sizes = struct.unpack_from(f">{count}I", payload, _COUNT.size)
    frame, at = [], _COUNT.size * (count + 1)
    for size in sizes:
        frame.append(payload[at : at + size])
        at += size
    return frame


def asked(channel: str, endpoint: Endpoint, request: Request, cpu_seconds: int) -> Frame:
    """Return the frame that asks to read a request; the secrets stay here."""
    about = {
        "channel": channel,
        "endpoint": [endpoint.name, endpoint.channel, endpoint.provider],
        "method": request.method,
        "url": request.url,
        "headers": list(request.headers),
        "envelope": dict(request.envelope),
        "cpu_seconds": cpu_seconds,
    }
    return [json.dumps(about).encode(), request.body]


def asking(frame: Frame) -> tuple[str, Endpoint, Request, int]:
    """Return what such a frame asks."""
    head, body = frame
    about = json.loads(head)
    headers = [(name, value) for name, value in about["headers"]]
    request = Request(about["method"], about["url"], headers, body, about["envelope"])
    return about["channel"], Endpoint(*about["endpoint"]), request, about["cpu_seconds"]


def said(items: Sequence[Item]) -> Frame:
    """Return the frame that says what was read."""
    aside: list[bytes] = []
    told = [_told(item, aside) for item in items]
    return [json.dumps(told).encode(), *aside]


def heard(frame: Frame) -> list[Item]:
    """Return what such a frame says; raises Nonsense."""
    try:
        head, *aside = frame
        return [_item(one, aside) for one in json.loads(head)]
    except (ValueError, LookupError, TypeError) as error:
        raise Nonsense(type(error).__name__) from error


def _told(item: Item, aside: list[bytes]) -> dict[str, Any]:
    """Bytes go beside the JSON: they may be many."""
    kept: list[tuple[str, int]] = []
    for digest, content in _contents(item):
        kept.append((digest, len(aside)))
        aside.append(content)
    kind = type(item).__name__
    return {"kind": kind, "aside": kept, "item": _KINDS[kind].dump_python(_without(item), mode="json")}


def _item(one: dict[str, Any], aside: Sequence[bytes]) -> Item:
    item = _KINDS[one["kind"]].validate_python(one["item"])
    contents = [(digest, aside[at]) for digest, at in one["aside"]]
    if isinstance(item, Rejected):
        return replace(item, raw=contents[0][1])
    if isinstance(item, Message | Edit):
        return replace(item, files=tuple(File(digest, content) for digest, content in contents))
    return item


def _contents(item: Item) -> Sequence[tuple[str, bytes]]:
    if isinstance(item, Rejected):
        return [("", item.raw)]
    return [(file.sha256, file.content) for file in item.files] if isinstance(item, Message | Edit) else []


def _without(item: Item) -> Item:
    if isinstance(item, Rejected):
        return replace(item, raw=b"")
    return cast("Item", replace(item, files=())) if isinstance(item, Message | Edit) else item
