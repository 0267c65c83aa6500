"""Ingest as a process, on a real broker: a 2xx is a promise that outlives us, and without the broker there is none."""

import asyncio
import contextlib
import hmac
import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import yaml

from deploy.kafka.broker import Broker
from schemas.cloudevents import CloudEvent, decode
from schemas.events import MessageReceived, RecordSetAside, ReplyRequested
from schemas.ids import message_id
from schemas.parts import text_of
from schemas.profile import findings
from schemas.topics import DEAD_LETTERS, INBOUND
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Raw

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

    process: subprocess.Popen[bytes]
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

    async def post(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        async with self.http.post(self.url + path, data=body, headers=headers) as answer:
            return answer.status, dict(answer.headers)

    async def whatsapp(self, name: str, *, secret: str = "geheim", body: bytes | None = None) -> int:  # noqa: S107
        body = body or webhook(name)
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


def webhook(name: str) -> bytes:
    message = {"from": "31612345601", "id": name, "timestamp": "1795510800", "type": "text", "text": {"body": LAMP}}
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
def started(bootstrap: str, folder: Path, oin: str = "0" * 20) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "tenants.yaml").write_text(yaml.safe_dump(tenants(oin)))
    environment = os.environ | {
        "KAFKA_BOOTSTRAP": bootstrap,
        "HUB_TENANTS": str(folder / "tenants.yaml"),
        "INGEST_PORT": "0",
        "INGEST_ATTACHMENTS": str(folder / "attachments"),
    }
    program = [sys.executable, "-m", "services.ingest"]
    with (folder / "log").open("wb") as log, subprocess.Popen(program, env=environment, stderr=log) as process:
        yield process
        process.kill()


@contextlib.asynccontextmanager
async def running(bootstrap: str, folder: Path) -> AsyncIterator[Ingest]:
    await make_topics(plain(bootstrap), [(topic.name, topic) for topic in (INBOUND, DEAD_LETTERS)])
    oin = str(uuid4().int)[:20]
    with started(bootstrap, folder, oin) as process:
        async with aiohttp.ClientSession() as http:
            yield Ingest(process, folder / "log", http, bootstrap, oin)


@pytest.fixture
async def ingest(bootstrap: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    async with running(bootstrap, tmp_path) as ingest:
        yield ingest


async def records(ingest: Ingest) -> list[Raw]:
    """Return what this test's municipality has on inbound."""
    async with reading(plain(ingest.bootstrap), [INBOUND.name], doubles=True) as reader:
        return [raw async for raw in reader.to_the_end() if ingest.oin in dict(raw.headers)["ce_source"].decode()]


async def events(ingest: Ingest) -> list[CloudEvent]:
    return [decode(record.headers, record.value) for record in await records(ingest)]


async def test_what_citizens_and_departments_say_is_on_inbound_as_the_profile_asks(ingest: Ingest) -> None:
    assert await ingest.whatsapp("wamid.1") == 200
    assert await ingest.reply("r1") == 202
    assert await ingest.mail("m1") == 250
    assert await ingest.whatsapp("wamid.2", secret="ander") == 401
    raws, (lamp, reply, bin_not_emptied) = await records(ingest), await events(ingest)
    assert [finding for raw in raws for finding in findings(raw.headers, raw.value)] == []
    assert {raw.partition for raw in raws} == {raws[0].partition}
    assert isinstance(lamp.data, MessageReceived)
    assert isinstance(reply.data, ReplyRequested)
    assert isinstance(bin_not_emptied.data, MessageReceived)
    assert (lamp.id, text_of(lamp.data.parts)) == (message_id(SECRET.encode(), "whatsapp", "balie", "wamid.1"), LAMP)
    assert reply.data.author.department == "public-space"
    assert bin_not_emptied.data.subject == "Gft"


async def test_what_is_genuine_and_cannot_be_read_is_taken_and_set_aside_whole(ingest: Ingest) -> None:
    body = f"geen JSON {ingest.oin}".encode()
    assert await ingest.whatsapp("", body=body) == 200
    async with reading(plain(ingest.bootstrap), [DEAD_LETTERS.name]) as reader:
        letters = [decode(raw.headers, raw.value).data async for raw in reader.to_the_end()]
    raws = [b64decode(letter.raw) for letter in letters if isinstance(letter, RecordSetAside)]
    assert raws.count(body) == 1


async def test_while_the_broker_is_silent_everybody_has_to_come_again_and_nothing_is_lost(
    broker: Broker, tmp_path: Path
) -> None:
    async with running(broker.bootstrap, tmp_path) as ingest:
        await try_while_paused(ingest, broker)


async def try_while_paused(ingest: Ingest, broker: Broker) -> None:
    assert await ingest.whatsapp("wamid.0") == 200
    broker.pause()
    began = time.monotonic()
    statuses = await asyncio.gather(ingest.whatsapp("wamid.1"), ingest.reply("r1"), ingest.mail("m1"))
    assert [*statuses] == [503, 503, 451]
    assert time.monotonic() - began < 5
    broker.resume()
    assert await again(ingest) == [200, 202, 250]
    found = await events(ingest)
    assert {type(event.data).__name__ for event in found} == {"MessageReceived", "ReplyRequested"}
    assert len({event.id for event in found}) == 4


async def again(ingest: Ingest) -> list[int]:
    """Come again, as providers do, until everything was taken."""
    statuses = [503]
    async with asyncio.timeout(30):
        while max(statuses) >= 300:
            statuses = [await ingest.whatsapp("wamid.1"), await ingest.reply("r1"), await ingest.mail("m1")]
    return statuses


async def test_the_same_webhook_five_times_at_once_is_one_event_five_times(ingest: Ingest) -> None:
    assert await asyncio.gather(*(ingest.whatsapp("wamid.1") for _ in range(5))) == [200] * 5
    assert len({event.id for event in await events(ingest)}) == 1


async def test_what_was_promised_is_there_after_we_are_killed(ingest: Ingest) -> None:
    promised: list[str] = []
    _ = ingest.url

    async def deliver(name: str) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            if await ingest.whatsapp(name) == 200:
                promised.append(message_id(SECRET.encode(), "whatsapp", "balie", name))

    waves = asyncio.gather(*(deliver(f"wamid.{n}") for n in range(500)))
    while len(promised) < 50:  # noqa: ASYNC110 - there is no event but the count
        await asyncio.sleep(0.001)
    ingest.process.kill()
    await waves
    kept = {event.id for event in await events(ingest)}
    assert set(promised) <= kept
    assert len(promised) < 500


async def test_told_to_stop_it_answers_what_it_began_and_ends(ingest: Ingest) -> None:
    _ = ingest.url
    under_way = asyncio.gather(*(ingest.whatsapp(f"wamid.{n}") for n in range(20)))
    assert await ingest.whatsapp("wamid.20") == 200
    ingest.process.send_signal(signal.SIGTERM)
    assert set(await under_way) == {200}
    assert await asyncio.to_thread(ingest.process.wait, 10) == 0


def test_told_to_stop_while_its_broker_does_not_answer_yet_it_ends(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(20)
        host, port = mute.getsockname()
        with started(f"{host}:{port}", tmp_path) as process, mute.accept()[0]:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def test_without_a_broker_it_says_so_and_ends(tmp_path: Path) -> None:
    with started("127.0.0.1:1", tmp_path) as process:
        assert process.wait(20) == 1
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["why"] for line in lines if line["event"] == "process_gave_up"] == ["no broker: KafkaConnectionError"]
