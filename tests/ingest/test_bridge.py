"""What a publisher says by the bridge is kept once, under the name of its token, or refused with every fault."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import COMMANDS, Command, ReplyRequested
from schemas.ids import derived
from services.ingest.callers import ALLOWED_BY, Callers
from services.ingest.commands import judge
from services.ingest.envelopes import Envelope
from services.runtime.process.tenants import Scope
from tests.ingest.town import MAANDORP, NOW, TENANTS, TOKENS, ZONNEDAEL, Hub, command, running

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
SOURCE = command()["source"]


def data(**more: object) -> dict[str, Any]:
    return {**command()["data"], **more}


def event_id(publisher: str = "waste", name: str = "reply-1") -> str:
    return derived("bridge", ZONNEDAEL, publisher, SOURCE, name)


async def test_a_reply_is_on_inbound_before_its_publisher_hears_202(hub: Hub) -> None:
    answer = await hub.publish(command())
    (written,) = hub.bus.outgoing
    assert answer.status == 202
    assert answer.json == {"accepted": [{"source": SOURCE, "id": "reply-1", "event": written.key}]}
    assert (written.topic, written.home, written.key) == ("inbound", ZONNEDAEL, event_id())
    assert written.event is not None
    assert written.event.type == "nl.berichtenhub.reply.requested.v1"
    assert isinstance(written.event.data, ReplyRequested)
    assert written.event.data.tenant == ZONNEDAEL


async def test_the_same_event_again_is_the_same_event(hub: Hub) -> None:
    answers = [await hub.publish(command()) for _ in range(3)]
    assert {one.event.id for one in hub.bus.outgoing if one.event} == {event_id()}
    assert len({answer.body for answer in answers}) == 1


async def test_one_publisher_cannot_take_the_id_of_another(hub: Hub) -> None:
    await hub.publish(command(), publisher="waste")
    await hub.publish(command(), publisher="operator")
    assert [event.id for event in hub.bus.events] == [event_id("waste"), event_id("operator")]


@pytest.mark.parametrize(
    ("claimed", "agent"),
    [
        pytest.param(
            {"author": {"publisher": "kcc", "department": "kcc", "agent": "a.bakker"}}, "a.bakker", id="a lie"
        ),
        pytest.param({"author": "wie dan ook"}, None, id="nonsense"),
        pytest.param({"author": {"agent": "x" * 500}}, "x" * 100, id="an employee's id without end"),
        pytest.param({}, None, id="nothing"),
    ],
)
async def test_the_author_is_who_holds_the_token_whatever_was_claimed(
    hub: Hub, claimed: dict[str, Any], agent: str | None
) -> None:
    assert (await hub.publish(command(data=data(**claimed)))).status == 202
    (found,) = hub.bus.data
    assert isinstance(found, Command)
    assert found.author.model_dump() == {"publisher": "waste", "department": "waste", "agent": agent}


async def test_a_batch_is_kept_whole_at_once_and_in_order(hub: Hub) -> None:
    answer = await hub.publish(*(command(id=f"r{n}") for n in range(5)))
    assert answer.status == 202
    assert hub.bus.calls == 1
    assert [one["id"] for one in answer.json["accepted"]] == [f"r{n}" for n in range(5)]
    assert [event.id for event in hub.bus.events] == [event_id(name=f"r{n}") for n in range(5)]


async def test_an_empty_batch_is_fine(hub: Hub) -> None:
    answer = await hub.send(b"[]", BATCH)
    assert (answer.status, answer.json) == (202, {"accepted": []})


async def test_the_binary_form_is_the_same_event(hub: Hub) -> None:
    kind = "nl.berichtenhub.conversation.noted.v1"
    headers = {"ce_specversion": "1.0", "ce_id": "n%C3%A9", "ce_source": SOURCE, "ce_type": kind}
    answer = await hub.send(b'{"conversation":"c1","text":"Gebeld"}', "application/json; charset=utf-8", **headers)
    assert answer.status == 202
    assert answer.json["accepted"][0]["id"] == "né"
    assert hub.bus.events[0].id == event_id(name="né")


@pytest.mark.parametrize(
    ("event", "faults"),
    [
        pytest.param(command(id=""), [("#/id", "string-too-short")], id="an empty id"),
        pytest.param(command(specversion="0.3"), [("#/specversion", "literal-error")], id="another CloudEvents"),
        pytest.param(command(time="gisteren"), [("#/time", "datetime-from-date-parsing")], id="a time that is none"),
        pytest.param(command("message.received"), [("#/type", "type-unknown")], id="what only citizens say"),
        pytest.param(
            command(data={}),
            [("#/data/conversation", "missing"), ("#/data/parts", "missing"), ("#/data/answers", "missing")],
            id="every field that is missing",
        ),
        pytest.param(command(data=data(forsed=True)), [("#/data/forsed", "extra-forbidden")], id="a misspelt field"),
        pytest.param(
            command(data=data(parts=[{"kind": "text", "text": "x"}, {"kind": "text", "text": "x", "bold": True}])),
            [("#/data/parts/1/text/bold", "extra-forbidden")],
            id="a field that a part has not",
        ),
        pytest.param(
            command(data=data(parts=[{"kind": "text", "text": "x"}, {"kind": "txet", "text": "x"}])),
            [("#/data/parts/1", "kind-unknown")],
            id="a kind of part that is none",
        ),
        pytest.param(
            command(data=data(parts=[{"kind": "text", "text": " \n"}])),
            [("#/data/parts/0", "text-empty")],
            id="an answer without words",
        ),
        pytest.param(command() | {"data": "Hallo"}, [("#/data", "dict-type")], id="data that is no object"),
        pytest.param(
            command(data=data(parts=[{"kind": "text", "text": "é" * 16_000}] * 3)),
            [("#/data", "too-long")],
            id="more than a record holds",
        ),
    ],
)
async def test_it_is_refused_naming(hub: Hub, event: dict[str, Any], faults: list[tuple[str, str]]) -> None:
    answer = await hub.publish(event)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == faults
    assert [type(one).__name__ for one in hub.bus.data] == ["RecordSetAside"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["specversion", "id", "source", "type", "time", "datacontenttype", "data"])
DATA = st.dictionaries(st.sampled_from(["conversation", "answers", "parts", "tenant", "author", "not_after"]), JSON)


@given(st.dictionaries(NAMES, JSON | DATA))
def test_whatever_is_sent_is_taken_or_has_a_fault(changed: dict[str, Any]) -> None:
    caller = Callers(TENANTS).holding(TOKENS["waste"])
    assert caller is not None
    judged = judge(Envelope(command() | changed), caller, NOW)
    assert (judged.outgoing is None) == bool(judged.faults)
    assert all(fault.pointer.startswith("#/") for fault in judged.faults)


async def test_one_bad_event_stops_its_batch_and_every_fault_is_named(hub: Hub) -> None:
    answer = await hub.publish(command(), command(id=""), command("no.such"), command("contact.erased", {}))
    assert answer.status == 400
    pointers = [fault["pointer"] for fault in answer.json["errors"]]
    assert pointers == ["#/1/id", "#/2/type", "#/3/type", "#/3/data/conversation"]
    assert not [event for event in hub.bus.data if isinstance(event, Command)]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        pytest.param(b"{", STRUCTURED, 400, id="half a JSON"),
        pytest.param(b"[" * 100_000, BATCH, 400, id="JSON without bottom"),
        pytest.param(b'{"id": NaN}', STRUCTURED, 400, id="a number that is none"),
        pytest.param(b"\xff", STRUCTURED, 400, id="no UTF-8"),
        pytest.param(b"[]", STRUCTURED, 400, id="a list where an event should be"),
        pytest.param(b"{}", BATCH, 400, id="an event where a batch should be"),
        pytest.param(b"[1]", BATCH, 400, id="a number in a batch"),
        pytest.param(b"{}", "application/json", 415, id="JSON without ce- headers"),
        pytest.param(b"{}", "text/plain", 415, id="plain text"),
        pytest.param(b" " * 256_001, STRUCTURED, 413, id="more than 256 kB"),
    ],
)
async def test_a_body_that_is_no_cloudevents(hub: Hub, body: bytes, kind: str, status: int) -> None:
    answer = await hub.send(body, kind)
    assert (answer.status, answer.json["status"]) == (status, status)
    if status == 400:
        assert [(fault["pointer"], fault["code"]) for fault in answer.json["errors"]] == [("#", "not-json")]


@pytest.mark.parametrize("token", [None, "", "onbekend", "é"])
async def test_without_a_token_of_ours_nothing_is_read(hub: Hub, token: str | None) -> None:
    answer = await hub.send(b"{", STRUCTURED, publisher=token)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="hub"')
    assert not hub.bus.outgoing


@pytest.mark.parametrize("model", COMMANDS.values(), ids=lambda model: model.__name__)
@pytest.mark.parametrize(
    ("token", "scopes"),
    [
        pytest.param("maandorp", {Scope.REPLY}, id="who may answer"),
        pytest.param("router-only", {Scope.ROUTE}, id="who may route"),
        pytest.param("operator", {Scope.OPERATE}, id="an operator"),
    ],
)
def test_a_scope_allows_just_its_own_commands(model: type[Command], token: str, scopes: set[Scope]) -> None:
    caller = Callers(TENANTS).holding(TOKENS[token])
    assert caller is not None
    judged = judge(Envelope(command() | {"type": model.TYPE, "data": {}}), caller, NOW)
    assert ("scope-missing" not in {fault.code for fault in judged.faults}) == bool(ALLOWED_BY[model] & scopes)


def test_every_command_is_allowed_to_somebody_and_all_of_them_to_operators() -> None:
    assert set(ALLOWED_BY) == set(COMMANDS.values())
    assert all(Scope.OPERATE in scopes for scopes in ALLOWED_BY.values())


@pytest.mark.parametrize(
    ("event", "token", "code"),
    [
        pytest.param(command("contact.erased", {"conversation": "c1"}), "waste", "scope-missing", id="not your scope"),
        pytest.param(command(data=data(tenant=MAANDORP)), "waste", "tenant-foreign", id="not your municipality"),
    ],
)
async def test_what_the_token_does_not_allow_is_forbidden(
    hub: Hub, event: dict[str, Any], token: str, code: str
) -> None:
    answer = await hub.publish(event, publisher=token)
    assert (answer.status, [fault["code"] for fault in answer.json["errors"]]) == (403, [code])
    assert not hub.bus.outgoing


async def test_with_the_broker_away_a_publisher_comes_again_with_the_same_id(hub: Hub) -> None:
    hub.bus.away = True
    answer = await hub.publish(command())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    hub.bus.away = False
    assert (await hub.publish(command())).status == 202


async def test_a_refused_event_is_seen_by_operators_too(hub: Hub) -> None:
    body = b'{"specversion": "1.0"}'
    await hub.send(body, STRUCTURED)
    (letter,) = hub.bus.set_aside
    assert (letter.tenant, letter.origin.topic, b64decode(letter.raw)) == (ZONNEDAEL, "bridge/waste", body)
    assert letter.reason == "#/id: missing; #/source: missing; #/type: missing; #/data: missing"
    assert hub.count("hub_schema_rejected_total", reason="missing") == 4
    assert hub.count("hub_requests_total", channel="bridge", outcome="invalid") == 1


async def test_a_refusal_is_given_also_when_it_cannot_be_kept(hub: Hub) -> None:
    hub.bus.away = True
    assert (await hub.publish(command(id=""))).status == 400


async def test_a_body_that_does_not_end_is_let_go(tmp_path: Path) -> None:
    async with running(tmp_path, body_seconds=0.1) as hub:

        async def never() -> AsyncIterator[bytes]:
            yield b"{"
            async with asyncio.timeout(2):
                await asyncio.Event().wait()

        headers = {"content-type": STRUCTURED, "authorization": "Bearer token-afval"}
        async with hub.http.post(f"{hub.url}/v1/events", data=never(), headers=headers) as answer:
            assert answer.status == 408
