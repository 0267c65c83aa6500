"""Zonnedael and Maandorp: two municipalities that do not exist, with the inboxes and tokens of the story."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

OIN = "00000001823288444000"
OTHER_OIN = "00000001823288445000"
APP_SECRET = "de-geheime-sleutel-van-de-demo"  # noqa: S105 - of a town that does not exist
VERIFY_TOKEN = "demo-verificatie"  # noqa: S105
GRAPH_TOKEN = "demo-token-van-meta"  # noqa: S105
WHATSAPP = "106540352242001"
OTHER_WHATSAPP = "106540352242002"
MAILBOX = "meldingen@zonnedael.example"

TOKENS = {
    "public-space": "demo-openbare-ruimte",
    "waste": "demo-afval",
    "kcc": "demo-contactcentrum",
    "triage": "demo-verdeeltafel",
    "operator": "demo-beheer",
}
"""The bearer tokens of the demo, by department."""


@dataclass(frozen=True)
class Addresses:
    """Where the stand-ins listen, and where the hub must."""

    graph: int
    smtp: int
    lmtp: int


def tenants_file(path: Path, at: Addresses) -> Path:
    """Write the tenants file of the demo."""
    document = {
        "tenants": [
            _tenant("zonnedael", OIN, "Gemeente Zonnedael", [_whatsapp("zonnedael", WHATSAPP, at), _mail(at)]),
            _tenant("maandorp", OTHER_OIN, "Gemeente Maandorp", [_whatsapp("maandorp", OTHER_WHATSAPP, at)]),
        ],
        "endpoints": [
            {
                "name": "demo",
                "channel": "whatsapp",
                "provider": "meta",
                "secrets": {"app_secret": [APP_SECRET], "verify_token": [VERIFY_TOKEN]},
            },
            {
                "name": "mta",
                "channel": "email",
                "provider": "own",
                "settings": {"host": "127.0.0.1", "port": str(at.lmtp)},
            },
        ],
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return path


def _tenant(name: str, oin: str, title: str, inboxes: list[dict[str, Any]]) -> dict[str, Any]:
    publishers = [_publisher(name, department) for department in TOKENS] if name == "zonnedael" else []
    secret = hashlib.sha256(f"demo {name}".encode()).hexdigest()
    return {
        "name": name,
        "oin": oin,
        "title": title,
        "secret": secret,
        "inboxes": inboxes,
        "publishers": publishers,
    }


def _publisher(tenant: str, department: str) -> dict[str, Any]:
    token = hashlib.sha256(TOKENS[department].encode()).hexdigest()
    who = {"name": f"{tenant}-{department}", "token_sha256": token}
    if department == "operator":
        return who | {"scopes": ["operate"]}
    return who | {"department": department, "scopes": ["reply", "route"]}


def _whatsapp(tenant: str, account: str, at: Addresses) -> dict[str, Any]:
    return {
        "name": f"{tenant}-whatsapp",
        "channel": "whatsapp",
        "provider": "meta",
        "account": account,
        "settings": {"base_url": f"http://127.0.0.1:{at.graph}", "token": GRAPH_TOKEN, "version": "v23.0"},
    }


def _mail(at: Addresses) -> dict[str, Any]:
    return {
        "name": "zonnedael-mail",
        "channel": "email",
        "provider": "own",
        "account": MAILBOX,
        "settings": {
            "smtp_host": "127.0.0.1",
            "smtp_port": str(at.smtp),
            "from": f"Gemeente Zonnedael <{MAILBOX}>",
        },
    }
