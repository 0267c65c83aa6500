"""What is measured with: municipalities, their citizens' messages, as events and as signed webhooks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import yaml

from demo.graph import change, sign, webhook
from schemas.cloudevents import CloudEvent, source_of
from schemas.events import MessageReceived, Sender, Times, Via
from schemas.ids import derived
from schemas.parts import Address, AddressKind, Text
from schemas.topics import INBOUND
from services.runtime.bus.handler import Outgoing

SECRET = "de-sleutel-van-de-meting"  # noqa: S105 - of nobody
TEXTS = (
    "de lantaarnpaal voor mijn deur is kapot",
    "onze gft-bak is niet geleegd vanochtend",
    "er ligt een matras naast de container op het plein",
    "de stoep in de Dorpsstraat ligt helemaal los, mijn moeder is er bijna gevallen",
    "hallo?",
    "wanneer wordt het oud papier opgehaald in onze wijk",
    "er hangt een tak gevaarlijk laag boven het fietspad langs de vaart",
    "de prullenbak bij de bushalte puilt uit",
    "hoe vraag ik een grotere kliko aan",
    "het verkeerslicht op de kruising blijft op rood staan",
    "ik heb een vraag over mijn paspoort",
    "er zit een groot gat in de weg bij nummer 14",
)
FOLLOW_UPS = (
    "het is bij nummer 14, naast de brievenbus",
    "is hier al iets over bekend?",
    "ik ben morgen de hele dag thuis",
    "het is sinds vanochtend nog erger geworden",
)


def oin(number: int) -> str:
    """Return the OIN of a municipality of the measurement."""
    return f"0000000182328{number:07d}"


def account(number: int) -> str:
    """Return the phone_number_id of its inbox."""
    return f"1065403522{number:05d}"


def tenants_file(path: Path, tenants: int) -> Path:
    """Write a tenants file with so many municipalities, each with one inbox."""
    document = {
        "tenants": [_tenant(number) for number in range(tenants)],
        "endpoints": [
            {
                "name": "bench",
                "channel": "whatsapp",
                "provider": "meta",
                "secrets": {"app_secret": [SECRET], "verify_token": ["x"]},
            }
        ],
    }
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


def names(tenants: int) -> list[str]:
    """Return the short names of the municipalities."""
    return [f"gemeente-{number}" for number in range(tenants)]


def _tenant(number: int) -> dict[str, object]:
    inbox = {"name": f"inbox-{number}", "channel": "whatsapp", "provider": "meta", "account": account(number)}
    return {
        "name": f"gemeente-{number}",
        "oin": oin(number),
        "title": f"Gemeente {number}",
        "secret": hashlib.sha256(str(number).encode()).hexdigest(),
        "inboxes": [inbox],
    }


def messages(count: int, tenants: int, at: datetime) -> Iterator[Outgoing]:
    """Return so many messages, spread over the municipalities: two of three begin a conversation, one goes on."""
    for each in range(count):
        tenant, turn = each % tenants, each // tenants
        wrote_before = turn - turn // 3
        if turn % 3 == 2:  # noqa: PLR2004 - the third
            yield _message(each, tenant, wrote_before // 2, FOLLOW_UPS[turn % len(FOLLOW_UPS)], at)
        else:
            yield _message(each, tenant, wrote_before, TEXTS[each % len(TEXTS)], at)


def _message(number: int, tenant: int, citizen: int, text: str, at: datetime) -> Outgoing:
    message = derived("bench", number)
    data = MessageReceived(
        tenant=oin(tenant),
        message=message,
        via=Via(channel="whatsapp", provider="meta", inbox=f"inbox-{tenant}"),
        sender=Sender(addresses=(Address(kind=AddressKind.TEL, value=f"+316{citizen:08d}"),), name="A. Inwoner"),
        external_id=f"wamid.{number:012d}",
        parts=(Text(text=text),),
        times=Times(happened=at, received=at),
    )
    event = CloudEvent(message, source_of(oin(tenant)), at, data)
    return Outgoing(INBOUND.name, message, oin(tenant), event)


def posts(count: int, port: int, tenants: int, start: int = 0) -> Iterator[bytes]:
    """Return so many webhooks as whole HTTP requests, signed."""
    for number in range(start, start + count):
        yield post(
            f"wamid.{number:012d}", f"316{number % 5000:08d}", TEXTS[number % len(TEXTS)], port, number % tenants
        )


def post(external_id: str, sender: str, text: str, port: int, tenant: int) -> bytes:
    """Return one webhook as a whole HTTP request."""
    stamp = str(int(datetime.now(UTC).timestamp()))
    message = {"id": external_id, "from": sender, "timestamp": stamp, "type": "text", "text": {"body": text}}
    contacts = [{"profile": {"name": "A. Inwoner"}, "wa_id": sender}]
    body = json.dumps(webhook(change(account(tenant), messages=[message], contacts=contacts))).encode()
    head = (
        f"POST /webhooks/whatsapp/bench HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"x-hub-signature-256: {sign(SECRET, body)}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
