"""How an item is written down: plain JSON, without what is at its default. README.md has the rules."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel

from services.channels.base import File, Item, Rejected

_NAMES = {"AccountChange": "account-change"}


def written(item: Item, body: bytes) -> dict[str, Any]:
    """Return an item as cases and people write it; `body` is what it was read from."""
    name = type(item).__name__
    plain = {"item": _NAMES.get(name, name.lower()), **_fields(item)}
    return {**plain, "raw": _raw(item.raw, body)} if isinstance(item, Rejected) else plain


def _fields(thing: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass of the contract
    values = {field: getattr(thing, field.name) for field in fields(thing)}
    return {field.name: _plain(value) for field, value in values.items() if _says_something(field, value)}


def _says_something(field: Field[Any], value: object) -> bool:
    return value is not None and (field.default is MISSING or value != field.default)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        dumped = value.model_dump(mode="json", exclude_defaults=True)
        return {"kind": value.kind, **dumped} if hasattr(value, "kind") else dumped
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return _fields(value) if is_dataclass(value) and not isinstance(value, File) else _simple(value)


def _simple(value: object) -> object:
    match value:
        case File():
            return {"sha256": value.sha256, "size": len(value.content)}
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Enum():
            return value.value
    return value


def _raw(raw: bytes, body: bytes) -> str:
    return "(whole)" if raw == body else raw.decode(errors="backslashreplace")
