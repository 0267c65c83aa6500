"""Canaries down every path of the whole hub: what a citizen says and who they are is in event data, and nowhere else.

Not in a log line of any process, a metric, a key, a header, a fact, a reason, nor in an answer to a provider; also not
dressed up as base64, as in WhatsApp's own ids.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from demo import town
from demo.graph import change, sign, webhook
from deploy.kafka.broker import Broker
from schemas import events as e
from schemas.cloudevents import CloudEvent, encode, source_of
from schemas.parts import Text
from schemas.topics import DEAD_LETTERS, ENTRIES, FACTS, INBOUND, OUTBOX, OUTCOMES, ROUTER_SEEN
from services.runtime.bus.batches import partition_of
from services.runtime.bus.connection import plain
from services.runtime.bus.producer import Producer
from services.runtime.bus.seat import Line, Raw
from services.runtime.process.clock import SystemClock
from tests.kafka.house import OIN, TOPICS, House, house, queue, wamid
from tests.kafka.rig import until

WORD, PLACE = "Kanariegeel", "Vogelstraat"
NUMBER, OTHER_NUMBER = "31633344455", "31633344466"
MAIL = "kanarie@vogelkooi.example"
BSUID = "NL.7766554433221100"
CANARIES = (WORD, PLACE, "333444", "vogelkooi", BSUID)
"""Parts of all that a citizen says and is called: the shortest that nothing else says."""
TEXT = f"de lantaarnpaal in de {PLACE} is kapot, zegt {WORD}"

CRASHES = """
import os, sys
sys.path.insert(0, os.getcwd())
from services.channels.whatsapp import channel, sending
from services.router import route
judge, body, read = route.judge, sending.request_body, channel.reading.read
def judged(turn, message, conversation):
    if "ROUTERFOUT" in str(message.parts): raise ValueError(f"cannot take {message!r}")
    return judge(turn, message, conversation)
def written(outbound):
    if "STUURFOUT" in str(outbound): raise RuntimeError(f"cannot send {outbound!r}")
    return body(outbound)
def parsed(raw):
    if b"LEESFOUT" in raw: raise KeyError(raw.decode())
    return read(raw)
route.judge, sending.request_body, channel.reading.read = judged, written, parsed
"""
"""Faults of our own, put into every process: exceptions that carry what they were given, as careless ones do."""


@pytest.fixture
async def hub(broker: Broker, tmp_path: Path) -> AsyncIterator[House]:
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "sitecustomize.py").write_text(CRASHES)
    careless = {"PYTHONPATH": str(tmp_path / "faults"), "HUB_LOG_LEVEL": "debug"}
    async with house(
        broker.bootstrap, tmp_path, names=("router", "responder", "insight"), environment=careless
    ) as made:
        yield made


# --- the paths -----------------------------------------------------------------------------------------------


async def good(hub: House) -> None:
    """Every kind of message that WhatsApp has, and a mail."""
    first = wamid(NUMBER)
    say: list[dict[str, Any]] = [
        {"id": first, "type": "text", "text": {"body": TEXT}},
        {"type": "image", "image": {"id": f"{WORD}-media", "mime_type": "image/jpeg", "caption": TEXT}},
        {"type": "document", "document": {"id": "1", "filename": f"{WORD}.pdf", "caption": PLACE}},
        {"type": "location", "location": {"latitude": 52.1, "longitude": 5.1, "name": WORD, "address": PLACE}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": WORD}, "phones": [{"phone": f"+{NUMBER}"}]}]},
        {"type": "reaction", "reaction": {"message_id": first, "emoji": "x"}},
        {"type": "button", "button": {"text": WORD, "payload": PLACE}},
        {"type": WORD, WORD: {"body": TEXT}},
    ]
    for content in say:
        assert await hub.writes(NUMBER, TEXT, name=WORD, **content) == 200
    assert await hub.writes(OTHER_NUMBER, TEXT, name=WORD, user_id=BSUID) == 200
    mail = _mail(MAIL)
    mail.add_attachment(TEXT.encode(), maintype="application", subtype="octet-stream", filename=f"{WORD}.txt")
    await hub.mail(mail)


async def answered(hub: House) -> None:
    """Granted, refused, throttled, sent, read; typed outside; moved, noted, claimed, linked, closed."""
    routed = await hub.until(queue("public-space"), e.MessageRouted, 2)
    told = {each.message.sender.addresses[0].value.lstrip("+"): each for each in routed if each.message}
    parts = [{"kind": "text", "text": TEXT}]
    conversation = told[NUMBER].conversation
    assert await hub.asks(e.ReplyRequested, "public-space", conversation=conversation, answers=1, parts=parts) == 202
    assert await hub.asks(e.ReplyRequested, "waste", conversation=conversation, answers=1, parts=parts) == 202
    assert await hub.asks(e.ConversationNoted, "public-space", conversation=conversation, text=TEXT) == 202
    assert await hub.asks(e.RoutingCorrected, conversation=conversation, department="kcc", note=TEXT) == 202
    await hub.until(OUTCOMES.name, e.ReplySent, 1)


def signed(body: bytes, secret: str = town.APP_SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": sign(secret, body), "Content-Type": "application/json"}


async def bad_webhooks(hub: House) -> list[str]:
    """Forged, unreadable, a stranger's, nobody's path; returns what was answered."""
    message = {"from": NUMBER, "id": wamid(NUMBER), "timestamp": "1", "type": "text", "text": {"body": TEXT}}
    stranger = json.dumps(webhook(change(f"{WORD}account", messages=[message]))).encode()
    crash = json.dumps(hub.message(NUMBER, f"LEESFOUT {TEXT}", name=WORD)).encode()
    no_id = json.dumps(webhook(change(town.WHATSAPP, messages=[{"from": NUMBER, "text": TEXT}]))).encode()
    long = json.dumps(webhook(change(town.WHATSAPP, messages=[message] * 60), {"x": TEXT * 900})).encode()
    hook = "/webhooks/whatsapp/demo"
    posts = [
        (hook, TEXT.encode(), signed(TEXT.encode())),
        (hook, TEXT.encode(), signed(TEXT.encode(), secret=WORD)),
        (hook, TEXT.encode(), {"X-Hub-Signature-256": WORD}),
        (hook, stranger, signed(stranger)),
        (hook, crash, signed(crash)),
        (hook, no_id, signed(no_id)),
        (hook, long, signed(long)),
        (f"/webhooks/whatsapp/{WORD}", TEXT.encode(), {}),
        (f"{hook}?{WORD}={MAIL}", TEXT.encode(), {WORD: MAIL}),
    ]
    return [await posted(hub, path, body, headers) for path, body, headers in posts]


async def posted(hub: House, path: str, body: bytes, headers: dict[str, str]) -> str:
    async with hub.http.post(hub.ingests[0] + path, data=body, headers=headers) as answer:
        return f"{answer.status} {dict(answer.headers)} {await answer.text()}"


async def bad_mails(hub: House) -> None:
    """To nobody, from nobody, without sense, and one that breaks off."""

    def deliver(sender: str, to: str, body: bytes) -> None:
        with smtplib.LMTP("127.0.0.1", hub.lmtp) as mta, suppress(smtplib.SMTPException):
            mta.sendmail(sender, [to], body)

    def break_off() -> None:
        mta = smtplib.LMTP("127.0.0.1", hub.lmtp)
        mta.mail(MAIL)
        mta.rcpt(town.MAILBOX)
        mta.putcmd("DATA")
        mta.send(TEXT.encode())
        mta.close()

    nonsense = b"From: ((((" + MAIL.encode() + b"\r\nContent-Type: multipart/mixed\r\n\r\n" + TEXT.encode()
    for sender, to, body in (
        (MAIL, f"{WORD}@zonnedael.example", TEXT.encode()),
        (MAIL, town.MAILBOX, nonsense),
        (MAIL, town.MAILBOX, b"\xff\xfe" + TEXT.encode("utf-16")),
        ("", town.MAILBOX, b"Subject: " + TEXT.encode() + b"\r\n\r\n" + TEXT.encode()),
        (MAIL, town.MAILBOX, b""),
    ):
        await asyncio.to_thread(deliver, sender, to, body)
    await asyncio.to_thread(break_off)


async def bad_commands(hub: House) -> None:
    """Everything that the bridge refuses."""
    parts = [{"kind": "text", "text": TEXT}]
    for data in (
        {"conversation": WORD, "answers": 1, "parts": parts},
        {"conversation": "x", "answers": -1, "parts": parts, WORD: PLACE},
        {"conversation": "x", "answers": 1, "parts": [{"kind": "text", "text": TEXT * 2000}]},
    ):
        await hub.asks(e.ReplyRequested, "public-space", **data)
    token = {"authorization": f"Bearer {town.TOKENS['kcc']}"}
    structured, binary = {"content-type": "application/cloudevents+json"}, {"content-type": "application/json"}
    named = json.dumps({"id": WORD, "type": WORD, "source": WORD, "data": {WORD: TEXT}})
    for body, headers in (
        (TEXT, structured | {"authorization": f"Bearer {WORD}"}),
        (TEXT, structured | token),
        (TEXT, token | {"content-type": f"application/{WORD}"}),
        (named, structured | token),
        ("{}", binary | token | {"ce-specversion": "1.0", "ce-id": WORD, "ce-type": PLACE, f"ce-{WORD}": MAIL}),
    ):
        await posted(hub, "/v1/events", body.encode(), headers)
    async with hub.http.get(f"{hub.ingests[0]}/v1/{WORD}?{WORD}={MAIL}") as answer:
        await answer.read()


async def poison(hub: House) -> None:
    """Records that the router and the responder cannot handle, and exceptions of our own making."""
    now = SystemClock().now()
    times = e.Times(happened=now, received=now)
    via = e.Via(channel="whatsapp", provider="meta", inbox="zonnedael-whatsapp")
    said = Text(text=TEXT)
    edited = e.MessageEdited(tenant=OIN, message="x", via=via, external_id=wamid(NUMBER), parts=(said,), times=times)
    nobodys = edited.model_copy(update={"tenant": "9" * 20})
    sent = e.ReplySent(tenant=OIN, reply="x", conversation="x", inbox="x", attempt=1, parts=1, code=WORD)
    events = [(INBOUND.name, edited), (INBOUND.name, nobodys), (OUTCOMES.name, sent)]
    lines = [_line(topic, *encode(CloudEvent(uuid4().hex, source_of(OIN), now, data))) for topic, data in events]
    lines += [_line(topic, [("ce_type", b"x")], TEXT.encode()) for topic in (INBOUND.name, OUTCOMES.name, OUTBOX.name)]
    lines += [
        _line(INBOUND.name, _typed(e.MessageReceived), json.dumps({"tenant": TEXT}).encode()),
        _line(OUTBOX.name, _typed(e.SendRequested), json.dumps({"parts": TEXT}).encode()),
        _line(FACTS.name, _typed(e.FactMessageReceived), json.dumps({"at": TEXT}).encode()),
    ]
    producer = Producer(plain(hub.bootstrap), wait=20)
    await producer.start()
    await producer.write(lines)
    await producer.stop()
    assert await hub.writes(NUMBER, f"ROUTERFOUT {TEXT}", name=WORD) == 200
    assert await hub.writes(NUMBER, TEXT, type="revoke", revoke={"original_message_id": wamid(NUMBER)}) == 200


GARBAGE = b"garbage"


def _typed(model: type[e.Event]) -> list[tuple[str, bytes]]:
    given = {"ce_type": model.TYPE, "ce_id": GARBAGE.decode(), "ce_source": "x", "ce_time": "2026-11-24T09:00:00Z"}
    return [(name, value.encode()) for name, value in given.items()]


def _line(topic: str, headers: list[tuple[str, bytes]], value: bytes) -> Line:
    return Line(topic, partition_of(OIN, TOPICS[topic].partitions), uuid4().hex.encode(), value, headers)


BAD_ANSWERS = {
    "31633344471": (400, json.dumps({"error": {"code": 131026, "message": f"{TEXT} +{NUMBER}"}})),
    "31633344472": (200, f"<html>{TEXT} {MAIL}</html>"),
    "31633344473": (500, json.dumps({"error": {"code": WORD, "message": TEXT}})),
    "31633344474": (418, TEXT),
}


OUR_FAULT = "31633344476"


async def bad_providers(hub: House) -> None:
    """The provider refuses, talks nonsense or breaks; a mail server names whom it refuses; we fail ourselves."""
    hub.graph.answers |= BAD_ANSWERS
    numbers, names = [*BAD_ANSWERS, OUR_FAULT], ("weigert", "gewoon")
    for number in numbers:
        assert await hub.writes(number, TEXT, name=WORD) == 200
    for name in names:
        await hub.mail(_mail(f"{name}.{MAIL}"))
    senders = {*(f"+{number}" for number in numbers), *(f"{name}.{MAIL}" for name in names)}

    async def routed() -> list[e.MessageRouted]:
        found = await hub.all(queue("public-space"), e.MessageRouted)
        return [each for each in found if each.message and each.message.sender.addresses[0].value in senders]

    async def all_routed() -> bool:
        return len(await routed()) == len(senders)

    await until(all_routed)
    for each in await routed():
        assert each.message
        ours = each.message.sender.addresses[0].value == f"+{OUR_FAULT}"
        parts = [{"kind": "text", "text": f"STUURFOUT {TEXT}" if ours else TEXT}]
        ask = {"conversation": each.conversation, "answers": each.number, "parts": parts}
        assert await hub.asks(e.ReplyRequested, "public-space", **ask) == 202
    await hub.until(OUTCOMES.name, e.Outcome, len(senders) + 1)


def _mail(sender: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"{WORD} <{sender}>", town.MAILBOX, TEXT
    mail["Message-ID"] = f"<{WORD}-{uuid4().hex}@vogelkooi.example>"
    mail.set_content(TEXT)
    return mail


# --- looking -------------------------------------------------------------------------------------------------


def spelled(canary: str) -> set[str]:
    """A canary as it is, and as it looks in base64 wherever it begins there; case is no disguise."""
    coded = {b64encode(b"\0" * n + canary.encode())[(0, 2, 3)[n] : -4].decode() for n in range(3)}
    return {canary.lower(), *(each.lower() for each in coded if len(each) > 6)}


SPELLED = set().union(*(spelled(each) for each in CANARIES))


def canaries_in(text: str) -> set[str]:
    lowered = text.lower()
    return {each for each in SPELLED if each in lowered}


def around(records: Iterable[Raw]) -> list[str]:
    """Keys and headers of which one holds a canary."""
    found = (f"{record.topic} {record.key!r} {list(record.headers)}" for record in records)
    return [each for each in found if canaries_in(each)]


def around_raw(letters: Iterable[e.RecordSetAside]) -> list[str]:
    """Dead letters of which more than what came in holds a canary; of a record's headers none may."""
    return [each for each in map(_metadata, letters) if canaries_in(each)]


def _metadata(letter: e.RecordSetAside) -> str:
    came_in = {"raw"} if letter.origin.partition is not None else {"raw", "raw_headers"}
    return letter.model_dump_json(exclude=came_in)


WITHOUT_CONTENT = (FACTS.name, ROUTER_SEEN.name, "insight.counts", "insight.open", "channels", "erased")


def holds_a_canary(record: Raw) -> bool:
    """But for the garbage that this test itself put there."""
    return dict(record.headers).get("ce_id") != GARBAGE and bool(canaries_in(str(record.value)))


@pytest.mark.timeout(240)
async def test_a_citizen_is_in_event_data_and_nowhere_else(hub: House) -> None:
    await good(hub)
    await answered(hub)
    answers = await bad_webhooks(hub)
    await bad_mails(hub)
    await bad_commands(hub)
    await poison(hub)
    await bad_providers(hub)
    letters = await hub.until(DEAD_LETTERS.name, e.RecordSetAside, 12)
    [first, *_] = await hub.all(queue("kcc"), e.MessageRouted)
    assert await hub.asks(e.ContactErased, conversation=first.conversation) == 202
    await hub.until("erased", e.MessageErased, 1)

    records = await hub.records(*TOPICS)
    metrics = "\n".join((await hub.metrics()).values())
    logs = hub.logs()
    reasons = {letter.reason for letter in letters}
    # The paths were really gone down.
    assert {"request_refused", "channel_failed", "handler_failed"} <= {line["event"] for line in lines(logs)}
    assert {"a change of a message that is not known, or not any more"} <= reasons
    assert canaries_in("".join(str(record.value) for record in records if record.topic == ENTRIES.name))
    assert canaries_in("".join(letter.raw for letter in letters))

    assert {name: found for name, text in logs.items() if (found := canaries_in(text))} == {}
    assert canaries_in(metrics) == set()
    assert around(records) == []
    assert around_raw(letters) == []
    assert [record for record in records if record.topic in WITHOUT_CONTENT and holds_a_canary(record)] == []
    assert canaries_in("".join(answers)) == set()


def lines(logs: dict[str, str]) -> list[dict[str, Any]]:
    return [json.loads(line) for text in logs.values() for line in text.splitlines()]
