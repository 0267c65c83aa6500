"""Whether two revisions of an event's schema can read each other: the check behind "never break a consumer".

Both ways: an older consumer reads what a newer hub writes, and a newer consumer reads what lies in the topics from
before. Readers ignore fields that they do not know, so only what a reader needs and may no longer get is a break.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_FALLBACK = "unknown"


def breaks(old: Schema, new: Schema) -> list[str]:
    """Return why these revisions cannot read each other, each with the place; empty when they can."""
    forward = (f"an older consumer: {why}" for why in _misfits(new, old, new, old, "$"))
    backward = (f"a newer consumer: {why}" for why in _misfits(old, new, old, new, "$"))
    return [*forward, *backward]


def _misfits(data: Schema, reader: Schema, data_root: Schema, reader_root: Schema, at: str) -> Iterator[str]:
    """Yield why some value written by `data` cannot be read by `reader`."""
    data, reader = _resolved(data, data_root), _resolved(reader, reader_root)
    if "oneOf" in reader or "anyOf" in reader or "oneOf" in data or "anyOf" in data:
        yield from _union_misfits(data, reader, data_root, reader_root, at)
        return
    yield from _value_misfits(data, reader, at)
    yield from _object_misfits(data, reader, data_root, reader_root, at)
    if "items" in reader and "items" in data:
        yield from _misfits(data["items"], reader["items"], data_root, reader_root, f"{at}[]")
    if isinstance(reader.get("additionalProperties"), dict) and isinstance(data.get("additionalProperties"), dict):
        inner = data["additionalProperties"], reader["additionalProperties"]
        yield from _misfits(*inner, data_root, reader_root, f"{at}.*")


def _union_misfits(data: Schema, reader: Schema, data_root: Schema, reader_root: Schema, at: str) -> Iterator[str]:
    readers = [_resolved(option, reader_root) for option in _options(reader)]
    for option in _options(data):
        variant = _resolved(option, data_root)
        candidates = [candidate for candidate in readers if _tag(candidate) == _tag(variant)]
        if not candidates and any(_tag(candidate) == _FALLBACK for candidate in readers):
            continue
        found = [list(_misfits(variant, candidate, data_root, reader_root, at)) for candidate in candidates]
        if not found:
            yield f"{at}: {_tag(variant) or variant.get('type')} is not among what it reads"
        elif all(found):
            yield from min(found, key=len)


def _value_misfits(data: Schema, reader: Schema, at: str) -> Iterator[str]:
    if (
        "type" in reader
        and data.get("type") != reader["type"]
        and (data.get("type"), reader["type"]) != ("integer", "number")
    ):
        yield f"{at}: type {data.get('type', 'any')} is read as {reader['type']}"
    if "enum" in reader or "const" in reader:
        extra = _values(data) - _values(reader) if _values(data) else {"anything"}
        if extra:
            yield f"{at}: {', '.join(sorted(map(str, extra)))} is not among the values it knows"
    for name in _UPPER:
        if name in reader and data.get(name, float("inf")) > reader[name]:
            yield f"{at}: {name} {data.get(name, 'none')} is over its {reader[name]}"
    for name in _LOWER:
        if name in reader and data.get(name, float("-inf")) < reader[name]:
            yield f"{at}: {name} {data.get(name, 'none')} is under its {reader[name]}"
    for name in ("pattern", "format"):
        if name in reader and data.get(name) != reader[name]:
            yield f"{at}: {name} differs"


def _object_misfits(data: Schema, reader: Schema, data_root: Schema, reader_root: Schema, at: str) -> Iterator[str]:
    written = data.get("properties", {})
    for name in reader.get("required", []):
        if name not in data.get("required", []):
            yield f"{at}.{name}: needed, and not always there"
    for name, schema in reader.get("properties", {}).items():
        if name in written:
            yield from _misfits(written[name], schema, data_root, reader_root, f"{at}.{name}")


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        found: Schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        schema = found
    return schema


def _options(schema: Schema) -> list[Schema]:
    return list(schema.get("oneOf") or schema.get("anyOf") or [schema])


def _tag(schema: Schema) -> str | None:
    kind = schema.get("properties", {}).get("kind", {}).get("const")
    return kind or schema.get("type")


def _values(schema: Schema) -> set[Any]:
    return set(schema["enum"]) if "enum" in schema else {schema["const"]} if "const" in schema else set()
