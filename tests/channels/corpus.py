"""The payload corpus: real and official requests, each with how it should be read. It lies beside the checkout.

`HUB_CORPUS` names another folder of the same layout.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from services.channels.base import Channel, Endpoint, Request
from services.channels.loader import load
from tests.needs import ROOT

SIDECAR = ".expected.json"
_MEDIA_TYPES = {".json": "application/json", ".form": "application/x-www-form-urlencoded", ".xml": "application/xml"}


def corpus() -> Path:
    """Return where the corpus is, or would be."""
    return Path(os.environ.get("HUB_CORPUS") or ROOT.parent / "shared/data/channels/payloads")


@dataclass(frozen=True)
class Corner:
    """One folder of the corpus, and the channel that reads it.

    `kinds` maps the sources' words for a message to our kinds of parts and items, `statuses` theirs for a receipt.
    `proof` is the header that proves a body, and `sign` makes its value where a source signed at run time.
    """

    folder: str
    channel: str
    provider: str
    secrets: tuple[str, ...]
    proof: str
    sign: Callable[[bytes, str], str]
    kinds: Mapping[str, str]
    statuses: Mapping[str, str]

    def payloads(self) -> list[Payload]:
        """Return all of the folder, by name; none where the corpus is absent."""
        sidecars = sorted((corpus() / self.folder).glob(f"*{SIDECAR}"))
        return [Payload(self, path.name.removesuffix(SIDECAR)) for path in sidecars]


@dataclass(frozen=True)
class Payload:
    """One request of the corpus and its sidecar."""

    corner: Corner
    name: str
    chosen: str = field(default="een-geheim-van-ons", repr=False)

    @property
    def id(self) -> str:
        return f"{self.corner.folder}/{self.name}"

    @property
    def folder(self) -> Path:
        return corpus() / self.corner.folder

    @cached_property
    def told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.folder / f"{self.name}{SIDECAR}").read_text())
        return told

    @property
    def expected(self) -> dict[str, Any]:
        return dict(self.told["expected"])

    @property
    def outcome(self) -> str:
        return str(self.expected["outcome"])

    @property
    def channel(self) -> Channel:
        return load(self.corner.channel)

    @cached_property
    def path(self) -> Path:
        (found,) = [path for path in self.folder.iterdir() if self._is_body(path)]
        return found

    def _is_body(self, path: Path) -> bool:
        return path.name.startswith(f"{self.name}.") and not path.name.endswith(SIDECAR)

    @property
    def secret(self) -> str:
        return str(self.told.get("secret") or self.chosen)

    @property
    def endpoint(self) -> Endpoint:
        secrets = dict.fromkeys(self.corner.secrets, (self.secret,))
        return Endpoint("corpus", self.corner.channel, self.corner.provider, secrets)

    @property
    def request(self) -> Request:
        """The request as it was sent: the exact bytes, signed by us where the source signed at run time."""
        request = self._bare()
        if self.outcome == "rejected_signature" or request.header(self.corner.proof) is not None:
            return request
        signed = [*request.headers, (self.corner.proof, self.corner.sign(request.body, self.secret))]
        return Request(request.method, request.url, signed, request.body)

    def _bare(self) -> Request:
        told = self.told["request"]
        headers = [(name.lower(), value) for name, value in told.get("headers", {}).items()]
        if self.path.name.endswith(".request.json"):
            asked = json.loads(self.path.read_bytes())
            url = asked.get("url") or f"https://hub.example/?{asked.get('query', '')}"
            return Request(asked.get("method", "GET"), url, headers, b"")
        url = told.get("url", "https://hub.example/")
        return Request(told["method"], url, self._typed(headers), self.path.read_bytes())

    def _typed(self, headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        given = any(name == "content-type" for name, _ in headers)
        found = _MEDIA_TYPES.get(self.path.suffix)
        return [*headers] if given or not found else [*headers, ("content-type", found)]
