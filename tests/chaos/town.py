"""Whom the chaos befalls: municipalities, each with one inbox and one token, and what their citizens write.

All of it follows from the seed and a number, so that a run can be told from its seed alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from bench.town import TEXTS, account, oin
from demo.graph import change, sign, webhook
from schemas.ids import message_id
from schemas.parts import Address, AddressKind, Text
from services.channels.base import Message
from services.classification.reading import default_taxonomy
from services.ingest.callers import Callers
from services.ingest.commands import judge
from services.ingest.envelopes import Envelope
from services.ingest.owners import Owner, owners
from services.ingest.translate import Arrival, event_of
from services.runtime.bus.handler import Outgoing
from services.runtime.process.tenants import Tenants, read

SECRET = "de-sleutel-van-de-chaos"
GRAPH_TOKEN = "token-van-de-chaos"
ENDPOINT = "/webhooks/whatsapp/chaos"
LONG = 80_000
"""Characters of a message of which the whole goes to a file."""
DEPARTMENTS = tuple(department.name for department in default_taxonomy().departments)


@dataclass(frozen=True)
class Note:
    """One message of one citizen: the `number`th of the run."""

    number: int
    tenant: int
    citizen: str
    """A phone number, without its plus."""
    long: bool = False
    """Whether it is too long for a record."""
    ordered: bool = True
    """Whether the order of its citizen's messages is promised: not when both replicas of ingest bring them."""

    @property
    def wamid(self) -> str:
        return f"wamid.{self.number:012d}"

    @property
    def text(self) -> str:
        text = TEXTS[self.number % len(TEXTS)]
        return text * (LONG // len(text)) if self.long else text


@dataclass(frozen=True)
class Town:
    """So many municipalities, and where their tenants file lies."""

    tenants: int
    file: Path

    def write(self, provider: int) -> None:
        """Write the tenants file; `provider` is the port of the stand-in that their inboxes send by."""
        document = {
            "tenants": [_tenant(number, provider) for number in range(self.tenants)],
            "endpoints": [
                {
                    "name": "chaos",
                    "channel": "whatsapp",
                    "provider": "meta",
                    "secrets": {"app_secret": [SECRET], "verify_token": ["x"]},
                }
            ],
        }
        self.file.write_text(yaml.safe_dump(document), "utf-8")

    @cached_property
    def served(self) -> Tenants:
        return read(self.file)

    @cached_property
    def names(self) -> dict[str, str]:
        """The short names by OIN."""
        return {tenant.oin: tenant.name for tenant in self.served.tenants}

    @cached_property
    def _owners(self) -> Mapping[tuple[str, str, str], Owner]:
        return owners(self.served)

    @cached_property
    def _callers(self) -> Callers:
        return Callers(self.served)

    # --- what is written ---

    def taken_in(self, note: Note) -> Outgoing:
        """Return the record that ingest makes of a message, by its own code."""
        owner, at = self._owner(note.tenant), datetime.now(UTC)
        item = Message(
            account=account(note.tenant),
            external_id=note.wamid,
            happened=at,
            addresses=(Address(kind=AddressKind.TEL, value=f"+{note.citizen}"),),
            parts=(Text(text=note.text),),
            name="A. Inwoner",
        )
        event = event_of(item, Arrival(owner, at))
        return Outgoing("inbound", event.id, owner.oin, event)

    def id_of(self, note: Note) -> str:
        """Return the id of a message, as the hub gives it."""
        owner = self._owner(note.tenant)
        return message_id(owner.key, owner.via.channel, owner.via.inbox, note.wamid)

    def asked(self, wish: Mapping[str, Any], tenant: int) -> Outgoing:
        """Return the record that ingest makes of a command, by its own code."""
        caller = self._callers.holding(token(tenant))
        assert caller
        judged = judge(Envelope(dict(wish)), caller, datetime.now(UTC))
        assert judged.outgoing, judged.faults
        return judged.outgoing

    def _owner(self, tenant: int) -> Owner:
        return self._owners["whatsapp", "meta", account(tenant)]


def post(note: Note) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of the webhook that brings a message."""
    stamp = str(int(datetime.now(UTC).timestamp()))
    message = {"id": note.wamid, "from": note.citizen, "timestamp": stamp, "type": "text", "text": {"body": note.text}}
    contacts = [{"profile": {"name": "A. Inwoner"}, "wa_id": note.citizen}]
    return signed(webhook(change(account(note.tenant), messages=[message], contacts=contacts)))


def signed(payload: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return a body as Meta posts it, and its headers."""
    body = json.dumps(payload).encode()
    return body, {"X-Hub-Signature-256": sign(SECRET, body), "Content-Type": "application/json"}


def token(tenant: int) -> str:
    """Return the bearer token of a municipality's operator."""
    return f"chaos-{tenant}"


def tenant_of(short_name: str) -> int:
    """Return a municipality's number, by its short name."""
    return int(short_name.removeprefix("gemeente-"))


def _tenant(number: int, provider: int) -> dict[str, Any]:
    settings = {"base_url": f"http://127.0.0.1:{provider}", "token": GRAPH_TOKEN, "version": "v23.0"}
    inbox = {
        "name": f"inbox-{number}",
        "channel": "whatsapp",
        "provider": "meta",
        "account": account(number),
        "settings": settings,
    }
    publisher = {
        "name": f"gemeente-{number}-beheer",
        "token_sha256": hashlib.sha256(token(number).encode()).hexdigest(),
        "scopes": ["operate"],
    }
    return {
        "name": f"gemeente-{number}",
        "oin": oin(number),
        "title": f"Gemeente {number}",
        "secret": hashlib.sha256(str(number).encode()).hexdigest(),
        "inboxes": [inbox],
        "publishers": [publisher],
    }
