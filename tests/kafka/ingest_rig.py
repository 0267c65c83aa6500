"""Ingest as a process on a real broker, for as many lives as a test wants; spool and files stay from life to life."""

import asyncio
import contextlib
import hmac
import json
import os
import smtplib
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import yaml

from schemas.cloudevents import CloudEvent, decode
from schemas.events import ReplyRequested
from schemas.topics import DEAD_LETTERS, INBOUND
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Raw

Process = subprocess.Popen[bytes]
SECRET, ACCOUNT, MAILBOX = "z" * 32, "106540352242001", "meldingen@zonnedael.example"
HOOK = "/webhooks/whatsapp/demo"
LAMP = "De lantaarnpaal voor mijn deur is kapot"
ENDPOINTS = [
    {"name": "demo", "channel": "whatsapp", "provider": "meta", "secrets": {"app_secret": ["geheim"]}},
    {"name": "mta", "channel": "email", "provider": "own", "settings": {"host": "127.0.0.1", "port": "0"}},
]
INBOXES = [
    {"name": "balie", "channel": "whatsapp", "provider": "meta", "account": ACCOUNT},
    {"name": "mail", "channel": "email", "provider": "own", "account": MAILBOX},
]
PUBLISHER = {"name": "zaken", "department": "public-space", "scopes": ["reply"]}


def tenants(oin: str) -> dict[str, Any]:
    publisher = PUBLISHER | {"token_sha256": sha256(b"token-zaken").hexdigest()}
    town = {"name": "zonnedael", "oin": oin, "title": "Gemeente Zonnedael", "secret": SECRET}
    return {"tenants": [town | {"inboxes": INBOXES, "publishers": [publisher]}], "endpoints": ENDPOINTS}


@dataclass
class Ingest:
    """The process, and where it listens."""

    process: Process
    log: Path
    http: aiohttp.ClientSession
    bootstrap: str
    oin: str
    """A municipality of this test's own: the broker is shared."""

    def logged(self, event: str, **fields: str) -> dict[str, Any]:
        """Return the log line of this event; waits for it."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for line in self.log.read_text().splitlines():
                found: dict[str, Any] = json.loads(line)
                if found["event"] == event and fields.items() <= found.items():
                    return found
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(f"no {event} in {self.log.read_text()}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.logged('http_listening')['port']}"

    async def told(self, page: str) -> tuple[int, str]:
        """Return what a page of the management port says."""
        port = self.logged("management_listening")["port"]
        async with self.http.get(f"http://127.0.0.1:{port}/{page}") as answer:
            return answer.status, await answer.text()

    async def spool(self) -> dict[str, Any]:
        """Return what /readyz tells of the spool."""
        found: dict[str, Any] = json.loads((await self.told("readyz"))[1])["spool"]
        return found

    async def emptied(self) -> None:
        """Return when nothing waits in the spool, which is opened before we listen."""
        assert self.url
        async with asyncio.timeout(60):
            while (await self.spool())["records"]:  # noqa: ASYNC110 - another process empties it
                await asyncio.sleep(0.05)

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        async with self.http.post(self.url + path, data=body, headers=headers) as answer:
            return answer.status, dict(answer.headers)

    async def whatsapp(
        self,
        name: str,
        *,
        secret: str = "geheim",  # noqa: S107 - an example's
        body: bytes | None = None,
        sender: int = 0,
    ) -> int:
        body = body or webhook(name, sender)
        signature = hmac.new(secret.encode(), body, sha256).hexdigest()
        return (await self.post(HOOK, body, {"X-Hub-Signature-256": f"sha256={signature}"}))[0]

    async def reply(self, name: str) -> int:
        event = {
            "specversion": "1.0",
            "id": name,
            "source": "urn:nld:oin:00000001823288444000:systeem:zaken",
            "type": ReplyRequested.TYPE,
            "data": {"conversation": "c1", "answers": 1, "parts": [{"kind": "text", "text": "Wij komen morgen."}]},
        }
        headers = {"content-type": "application/cloudevents+json", "authorization": "Bearer token-zaken"}
        return (await self.post("/v1/events", json.dumps(event).encode(), headers))[0]

    async def mail(self, name: str) -> int:
        """Deliver a mail by LMTP; returns the code after DATA."""
        return await asyncio.to_thread(self._mail, name)

    def _mail(self, name: str) -> int:
        port = self.logged("listening", endpoint="email/mta")["port"]
        with smtplib.LMTP("127.0.0.1", port) as mta:
            try:
                mta.sendmail("citizen@thuis.example", [MAILBOX], mail(name).as_bytes())
            except smtplib.SMTPDataError as error:
                return error.smtp_code
            except smtplib.SMTPRecipientsRefused as error:
                return error.recipients[MAILBOX][0]
        return 250


def webhook(name: str, sender: int = 0) -> bytes:
    message = {
        "from": f"316123456{sender:02d}",
        "id": name,
        "timestamp": "1795510800",
        "type": "text",
        "text": {"body": LAMP},
    }
    metadata = {"display_phone_number": "31970102000", "phone_number_id": ACCOUNT}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "messages": [message]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def mail(name: str) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Sanne <citizen@thuis.example>", MAILBOX, "Gft"
    made["Message-ID"] = f"<{name}@thuis.example>"
    made.set_content("Onze gft-bak is niet geleegd.")
    return made


@contextlib.contextmanager
def started(bootstrap: str, folder: Path, oin: str = "0" * 20, **more: str) -> Iterator[tuple[Process, Path]]:
    """Begin a life; gives its process and its log."""
    (folder / "tenants.yaml").write_text(yaml.safe_dump(tenants(oin)))
    settings = {
        "KAFKA_BOOTSTRAP": bootstrap,
        "HUB_TENANTS": str(folder / "tenants.yaml"),
        "INGEST_PORT": "0",
        "INGEST_ATTACHMENTS": str(folder / "attachments"),
        "INGEST_SPOOL": str(folder / "spool"),
    }
    path = folder / f"log-{len(list(folder.glob('log-*')))}"
    program = [sys.executable, "-m", "services.ingest"]
    with path.open("wb") as log, subprocess.Popen(program, env=os.environ | settings | more, stderr=log) as process:
        try:
            yield process, path
        finally:
            process.kill()


@contextlib.asynccontextmanager
async def life(bootstrap: str, folder: Path, oin: str, **more: str) -> AsyncIterator[Ingest]:
    with started(bootstrap, folder, oin, **more) as (process, log):
        async with aiohttp.ClientSession() as http:
            yield Ingest(process, log, http, bootstrap, oin)


async def town(bootstrap: str) -> str:
    """Make the topics; returns the OIN of a municipality of this test's own."""
    await make_topics(plain(bootstrap), [(topic.name, topic) for topic in (INBOUND, DEAD_LETTERS)])
    return str(uuid4().int)[:20]


@contextlib.asynccontextmanager
async def running(bootstrap: str, folder: Path) -> AsyncIterator[Ingest]:
    async with life(bootstrap, folder, await town(bootstrap)) as ingest:
        yield ingest


async def records(ingest: Ingest) -> list[Raw]:
    """Return what this test's municipality has on inbound."""
    async with reading(plain(ingest.bootstrap), [INBOUND.name], doubles=True) as reader:
        return [raw async for raw in reader.to_the_end() if ingest.oin in dict(raw.headers)["ce_source"].decode()]


async def events(ingest: Ingest) -> list[CloudEvent]:
    return [decode(record.headers, record.value) for record in await records(ingest)]
