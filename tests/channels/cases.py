"""The cases of a channel's folder, read: README.md describes the format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

import services.channels
from schemas.parts import Address, Part
from services.channels.base import Channel, Endpoint, Inbox, Outbound, Request
from services.channels.loader import available, load

ROOM = Path(services.channels.__file__).parent
PART: TypeAdapter[Part] = TypeAdapter(Part)
"""Reads any part from its JSON."""


@dataclass(frozen=True)
class Case:
    """One folder of `cases/`: what comes in or goes out, and what must come of it."""

    folder: str
    path: Path

    @property
    def id(self) -> str:
        return f"{self.folder}/{self.path.name}"

    @cached_property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.path / "case.json").read_text())
        return told

    @property
    def kind(self) -> str:
        return str(self.told["kind"])

    @property
    def expected(self) -> dict[str, Any]:
        return dict(self.told.get("expected", {}))

    @property
    def error(self) -> dict[str, Any] | None:
        return self.expected.get("error")

    @property
    def channel(self) -> Channel:
        return load(self.folder)

    @cached_property
    def body(self) -> bytes:
        found = sorted(self.path.glob("body.*"))
        assert len(found) <= 1, f"{self.id} has more than one body"
        if not found:
            return b""
        raw = found[0].read_bytes()
        return bytes.fromhex(raw.decode()) if found[0].suffix == ".hex" else raw

    @property
    def request(self) -> Request:
        told = self.told.get("request", {})
        return Request(
            method=told.get("method", "POST"),
            url=told.get("url", "https://hub.example/"),
            headers=_headers(told.get("headers", [])),
            body=self.body,
            envelope=told.get("envelope", {}),
        )

    @property
    def endpoint(self) -> Endpoint:
        secrets = {name: tuple(values) for name, values in self.told.get("secrets", {}).items()}
        return Endpoint(self.folder, self.folder, self.provider, secrets)

    @property
    def provider(self) -> str:
        return str(self.told.get("provider", self.channel.providers[0]))

    def outbound(self, settings: Mapping[str, str]) -> Outbound:
        told = self.told["outbound"]
        return Outbound(
            inbox=self.inbox(told["inbox"], settings),
            address=Address.model_validate(told["address"]),
            part=PART.validate_python(told["part"]),
            our_id=told["our_id"],
            in_reply_to=told.get("in_reply_to"),
            references=tuple(told.get("references", ())),
            subject=told.get("subject"),
            automatic=told.get("automatic", False),
        )

    def inbox(self, told: Mapping[str, Any], settings: Mapping[str, str]) -> Inbox:
        return Inbox(
            name=told.get("name", "inbox"),
            channel=self.folder,
            provider=self.provider,
            account=told["account"],
            settings={**told.get("settings", {}), **settings},
        )


def _headers(told: Mapping[str, str] | list[list[str]]) -> list[tuple[str, str]]:
    pairs = told.items() if isinstance(told, Mapping) else [(name, value) for name, value in told]
    return [(name.lower(), value) for name, value in pairs]


def all_cases(*kinds: str) -> list[Case]:
    """Return every case of these kinds, of every channel there is."""
    return [case for folder in available() for case in cases_of(folder) if case.kind in kinds]


def cases_of(folder: str) -> list[Case]:
    """Return the cases of one channel."""
    return [Case(folder, path.parent) for path in sorted((ROOM / folder / "cases").glob("*/case.json"))]


# --- what nobody may read in a log ---------------------------------------------------------------------------

_OUT = ("outbound.part", "outbound.address", "outbound.subject")
_SECRETS = ("secrets", "outbound.inbox.settings.token", "outbound.inbox.settings.password")
_IN = ("addresses", "parts", "name", "subject", "recipient", "old", "new")
_SHORTEST = 5
_TYPES = frozenset({"kind", "type", "media_type"})


def unspeakable(case: Case) -> set[str]:
    """Return the words of this case that may stand in no log line and no exception: a citizen's, and secrets."""
    said = [word for path in (*_OUT, *_SECRETS) for word in _strings(_at(case.told, path))]
    read = [word for item in case.expected.get("items", []) for key in _IN for word in _strings(item.get(key))]
    return {word for told in said + read for word in (told, *told.split()) if len(word) >= _SHORTEST}


def _at(told: object, path: str) -> object:
    for key in path.split("."):
        told = told.get(key, {}) if isinstance(told, dict) else {}
    return told


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from () if key in _TYPES else _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
