"""The NL GOV profile for CloudEvents 1.1, as checks on the attributes of one event.

Source: Logius, "NL GOV profile for CloudEvents", section Context Attributes. What is a MUST or SHOULD there and can be
seen from the outside is checked here; each finding names the attribute, never its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

MAX_BYTES = 64_000
_NAME = re.compile(r"[a-z0-9]{1,20}")
_TYPE = re.compile(r"nl(\.[a-z0-9]+(-[a-z0-9]+)*)+\.v[0-9]+")
_SOURCE = re.compile(r"urn:nld:(oin:[0-9]{20}|kvknr:[0-9]{8})(:[a-z0-9-]+)*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_ID = re.compile(r"[A-Za-z0-9._:/-]{1,200}")
_CITIZEN = re.compile(r"@|\+\d{8,}")

_RULES: Mapping[str, re.Pattern[str]] = {
    "id": _ID,
    "source": _SOURCE,
    "type": _TYPE,
    "specversion": re.compile(r"1\.0"),
    "time": _TIME,
    "traceparent": _TRACE,
    "sequence": re.compile(r"\d+"),
}
_REQUIRED = ("id", "source", "specversion", "type", "time")


def findings(headers: Iterable[tuple[str, bytes]], value: bytes | None) -> list[str]:
    """Return what in this record breaks the profile; empty when nothing does."""
    pairs = [(name, raw.decode("utf-8", "replace")) for name, raw in headers]
    attributes = {name.removeprefix("ce_"): text for name, text in pairs if name.startswith("ce_")}
    return [
        *(f"{name}: given twice" for name in _twice(name for name, _ in pairs)),
        *(f"{name}: missing" for name in _REQUIRED if name not in attributes),
        *(f"{name}: not a name of the profile" for name in attributes if not _NAME.fullmatch(name)),
        *(f"{name}: not written as the profile asks" for name, text in attributes.items() if not _fits(name, text)),
        *(f"{name}: holds an address of a person" for name, text in attributes.items() if _CITIZEN.search(text)),
        *_findings_in_content(dict(pairs), value),
    ]


def _findings_in_content(headers: Mapping[str, str], value: bytes | None) -> list[str]:
    wrong_type = headers.get("content-type") != "application/json"
    too_big = len(value or b"") > MAX_BYTES
    return ["content-type: not JSON"] * wrong_type + ["data: over 64 kB"] * too_big


def _fits(name: str, text: str) -> bool:
    return name not in _RULES or bool(_RULES[name].fullmatch(text))


def _twice(names: Iterable[str]) -> list[str]:
    listed = list(names)
    return sorted({name for name in listed if listed.count(name) > 1})
