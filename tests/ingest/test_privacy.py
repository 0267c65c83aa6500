"""What a citizen wrote, and who they are, is in the event's data and nowhere else."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog
from prometheus_client import generate_latest

from schemas.cloudevents import encode
from services.runtime.process import log
from tests.ingest.town import Hub, command, message

WORDS, NUMBER, NAME = "Kanarie van de Kade 12", "+31612345699", "kanarie@thuis.test"
CANARIES = (WORDS, NUMBER, NAME, "Kanarie", "31612345699", "thuis.test")


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """Logs as the process writes them, for one test: no logger may remember that it was set up so."""
    saved, written = structlog.get_config(), StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    log.configure("ingest", "debug")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(written), cache_logger_on_first_use=False)
    yield written
    structlog.configure(**saved)
    structlog.contextvars.clear_contextvars()


async def everything(hub: Hub) -> list[bytes]:
    """Let every kind of thing go right and wrong, and return what was answered."""
    whose = {"from": [NUMBER], "text": WORDS, "subject": NAME}
    answers = [
        await hub.post(json.dumps([message(**whose)]).encode()),
        await hub.post(json.dumps([message(**whose, account=NAME)]).encode()),
        await hub.post(f"{WORDS} {NUMBER}".encode()),
        await hub.post(b"crash"),
        await hub.post(json.dumps([message(**(whose | {"from": []}))]).encode()),
        await hub.ask("POST", "/webhooks/toy/main", WORDS.encode()),
        await hub.ask("GET", f"/webhooks/toy/main?q={NAME}"),
        await hub.publish(
            command(data={"conversation": "c1", "answers": -1, "parts": [{"kind": "text", "text": WORDS}]})
        ),
        await hub.send(WORDS.encode(), "application/cloudevents+json"),
        await hub.publish(command(id=WORDS)),
    ]
    for fault in (RuntimeError(WORDS), ValueError(NAME)):
        hub.bus.fault = fault
        answers.append(await hub.post(json.dumps([message(**whose)]).encode()))
        answers.append(await hub.publish(command()))
    return [answer.body for answer in answers]


def events(logged: StringIO) -> set[str]:
    return {json.loads(line)["event"] for line in logged.getvalue().splitlines()}


async def test_no_log_line_metric_key_or_header_holds_a_word_of_it(hub: Hub, logged: StringIO) -> None:
    await everything(hub)
    metrics = generate_latest(hub.metrics.registry).decode()
    around = [f"{one.topic} {one.key} {one.home} {encode(one.event)[0]}" for one in hub.bus.outgoing if one.event]
    assert {"request_failed", "channel_failed", "library_warned"} <= events(logged)
    assert len(hub.bus.outgoing) >= 7
    for canary in CANARIES:
        assert canary not in logged.getvalue() + metrics + "\n".join(around)


async def test_no_reason_of_a_dead_letter_holds_a_word_of_it(hub: Hub) -> None:
    await everything(hub)
    reasons = " ".join(letter.reason for letter in hub.bus.set_aside)
    assert hub.bus.set_aside
    assert not [canary for canary in CANARIES if canary in reasons]


async def test_no_answer_to_a_provider_holds_a_word_of_it(hub: Hub) -> None:
    webhooks = (await everything(hub))[:6]
    assert not [body for body in webhooks for canary in CANARIES if canary.encode() in body]
