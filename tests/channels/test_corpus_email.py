"""Real mails of many programs and thirty years, read as somebody who knew them well says they should be.

The corpus lies beside the checkout (third-party mails, never copied into it); HUB_CORPUS names another folder of the
same layout. Where we read otherwise on purpose, the table says why.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.channels.base import Endpoint, Item, Request
from services.channels.email.channel import Email
from services.channels.email.reading import raw_headers, read
from tests.needs import ROOT

CORPUS = Path(os.environ.get("HUB_CORPUS", ROOT.parent / "shared/data/channels/payloads"))
EMAIL, ENDPOINT = Email(), Endpoint("mail", "email", "own")


@dataclass(frozen=True)
class Mail:
    name: str
    raw: bytes
    sidecar: dict[str, Any]

    @property
    def expected(self) -> dict[str, Any]:
        expected: dict[str, Any] = self.sidecar["expected"]
        return expected

    @property
    def envelope_sender(self) -> str:
        """What our own mail server would have said: the file only has what a last one wrote on top."""
        written = raw_headers(read(self.raw), "return-path")
        return written[0].strip("<> ") if written else "unknown@somewhere.example"

    def items(self) -> list[Item]:
        to = next(iter(self.expected.get("message", {}).get("to") or []), "meldingen@gemeente.example")
        request = Request("LMTP", "lmtp:mail", (), self.raw, {"sender": self.envelope_sender, "recipient": to})
        EMAIL.verify(request, ENDPOINT)
        return EMAIL.parse(request, ENDPOINT)


def corpus(folder: str) -> list[Mail]:
    sidecars = sorted((CORPUS / folder).glob("*.expected.json"))
    return [_mail(sidecar) for sidecar in sidecars]


def _mail(sidecar: Path) -> Mail:
    name = sidecar.name.removesuffix(".expected.json")
    (payload,) = [one for one in sidecar.parent.glob(f"{name}.*") if one != sidecar]
    return Mail(f"{sidecar.parent.name}/{name}", payload.read_bytes(), json.loads(sidecar.read_text()))
