"""A webhook is kept before it is answered, and its answer tells nobody more than they must know."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.events import MessageReceived, RecordSetAside
from tests.ingest.town import MAANDORP, ZONNEDAEL, Hub, message, running
from tests.ingest.toy import sign

PATH = "/webhooks/toy/main"


async def test_a_message_is_on_inbound_before_the_provider_hears_200(hub: Hub) -> None:
    answer = await hub.post(json.dumps([message()]).encode())
    (written,) = hub.bus.outgoing
    assert (answer.status, answer.body) == (200, b"")
    (event,) = hub.bus.events
    assert (written.topic, written.key, written.home) == ("inbound", event.id, ZONNEDAEL)
    assert isinstance(event.data, MessageReceived)
    assert event.source == f"urn:nld:oin:{ZONNEDAEL}:systeem:berichtenhub"


@pytest.mark.parametrize(
    ("method", "path", "body", "signature", "expected"),
    [
        pytest.param("POST", PATH, b"[]", sign(b"[]"), 200, id="an empty delivery is fine"),
        pytest.param("POST", PATH, b"[]", sign(b"[ ]"), 401, id="another body's signature is refused"),
        pytest.param("POST", PATH, b"[]", None, 401, id="no signature is refused"),
        pytest.param("POST", PATH, b"[]", "é", 401, id="a signature that is no ASCII is refused"),
        pytest.param("POST", PATH, b"\xff{", sign(b"\xff{"), 200, id="genuine but unreadable is taken"),
        pytest.param("POST", PATH, b"x" * 256_001, sign(b""), 413, id="a body of more than 256 kB is too large"),
        pytest.param("PUT", PATH, b"[]", sign(b"[]"), 405, id="a method that no provider uses"),
        pytest.param("POST", "/webhooks/toy/other", b"[]", sign(b"[]"), 404, id="a path at which nobody listens"),
        pytest.param("POST", "/webhooks", b"[]", sign(b"[]"), 404, id="no endpoint at all"),
        pytest.param("GET", f"{PATH}?token=goed", None, None, 200, id="a challenge by who knows the token"),
        pytest.param("GET", f"{PATH}?token=fout", None, None, 401, id="a challenge by somebody else"),
    ],
)
async def test_a_request_is_answered(
    hub: Hub, method: str, path: str, body: bytes | None, signature: str | None, expected: int
) -> None:
    headers = {} if signature is None else {"x-signature": signature}
    answer = await hub.ask(method, path, body, headers)
    assert answer.status == expected
    if expected >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == expected


async def test_a_challenge_is_answered_with_the_url_as_the_provider_called_it(hub: Hub) -> None:
    answer = await hub.ask("GET", f"{PATH}?token=goed&x=%C3%A9")
    assert answer.body == b"https://hub.example/webhooks/toy/main?token=goed&x=%C3%A9"


async def test_every_forgery_gets_the_same_answer_and_leaves_nothing(hub: Hub) -> None:
    body = json.dumps([message()]).encode()
    genuine = sign(body)
    flipped = [genuine[:at] + ("0" if genuine[at] != "0" else "1") + genuine[at + 1 :] for at in (0, 31, 63)]
    answers = [await hub.ask("POST", PATH, body, {"x-signature": one}) for one in (*flipped, "", genuine[:-1])]
    assert {(answer.status, answer.body) for answer in answers} == {(401, answers[0].body)}
    assert not hub.bus.outgoing


async def test_a_doubled_signature_is_no_signature(hub: Hub) -> None:
    body = b"[]"
    twice = [("x-signature", sign(body)), ("x-signature", sign(body))]
    assert (await hub.ask("POST", PATH, body, twice)).status == 401


async def test_a_provider_that_wants_its_own_words_gets_them(hub: Hub) -> None:
    taken = await hub.post(b"[]", path="/webhooks/own-words/main")
    forged = await hub.ask("POST", "/webhooks/own-words/main", b"[]")
    assert (taken.status, taken.body, taken.headers["Content-Type"]) == (202, b"<Response/>", "text/xml")
    assert (forged.status, forged.body) == (403, b'{"errcode":"M_FORBIDDEN"}')


async def test_a_channel_without_challenge_takes_deliveries_by_get(hub: Hub) -> None:
    answer = await hub.ask("GET", "/webhooks/own-words/main", None, {"x-signature": sign(b"")})
    assert answer.status == 202
    assert [letter.reason for letter in hub.bus.set_aside] == ["no JSON"]


async def test_with_the_broker_away_nobody_hears_that_it_was_kept(hub: Hub) -> None:
    hub.bus.away = True
    answer = await hub.post(json.dumps([message()]).encode())
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    hub.bus.away = False
    assert await hub.deliver(message()) == 200


async def test_a_fault_of_our_own_is_a_500_and_the_next_request_is_served(hub: Hub) -> None:
    hub.bus.fault = RuntimeError("a bug")
    assert await hub.deliver(message()) == 500
    hub.bus.fault = None
    assert await hub.deliver(message()) == 200


async def test_one_delivery_with_several_inboxes_is_written_at_once_and_in_order(hub: Hub) -> None:
    items = [
        message(id="a"),
        {"is": "receipt", "account": "zon-2", "id": "r", "status": "read"},
        message(id="b", account="maan-1"),
        {"is": "receipt", "account": "zon-1", "id": "r", "status": "sent"},
        message(id="c"),
    ]
    assert await hub.deliver(*items) == 200
    assert hub.bus.calls == 1
    assert [data.model_dump()["external_id"] for data in hub.bus.data] == ["a", "r", "b", "r", "c"]
    assert [one.home for one in hub.bus.outgoing] == [ZONNEDAEL, ZONNEDAEL, MAANDORP, ZONNEDAEL, ZONNEDAEL]


async def test_the_same_webhook_five_times_at_once_is_the_same_event_each_time(hub: Hub) -> None:
    statuses = await asyncio.gather(*(hub.deliver(message()) for _ in range(5)))
    assert statuses == [200] * 5
    assert len({event.id for event in hub.bus.events}) == 1


async def test_an_account_that_is_nobodys_stops_nobody_else(hub: Hub) -> None:
    body = json.dumps([message(account="onbekend"), message(id="b")]).encode()
    assert (await hub.post(body)).status == 200
    kept, letter = hub.bus.data
    assert isinstance(kept, MessageReceived)
    assert isinstance(letter, RecordSetAside)
    assert (letter.tenant, letter.raw_headers["account"]) == (None, "onbekend")


@pytest.mark.parametrize(
    "send",
    [
        pytest.param([b"POST /webhooks/toy/main HTTP/1.1\r\nhost: x\r\n"], id="half a header"),
        pytest.param([b""], id="nothing at all"),
        pytest.param(
            [b"POST /webhooks/toy/main HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf"], id="half a body"
        ),
    ],
)
async def test_who_never_finishes_is_let_go(send: list[bytes], tmp_path: Path) -> None:
    async with running(tmp_path, header_seconds=0.2, body_seconds=0.2) as hub:
        host, port = hub.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"".join(send))
        async with asyncio.timeout(5):
            heard = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert heard == b"" or heard.startswith(b"HTTP/1.1 408")


async def test_a_body_that_grows_beyond_what_it_announced_is_cut_off(tmp_path: Path) -> None:
    async with running(tmp_path, body_bytes=1000) as hub:

        async def drops() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"x" * 100

        async with hub.http.post(hub.url + PATH, data=drops()) as answer:
            assert answer.status == 413


async def test_more_than_may_wait_are_sent_away_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, width=1) as hub:
        held, release = asyncio.Event(), asyncio.Event()

        async def slow(outgoings: object) -> None:
            held.set()
            await release.wait()

        hub.bus.publish = slow  # type: ignore[method-assign]
        first = asyncio.create_task(hub.deliver(message()))
        await held.wait()
        assert await hub.deliver(message(id="b")) == 503
        release.set()
        assert await first == 200


async def test_what_comes_in_is_counted_by_how_it_ended(hub: Hub) -> None:
    await hub.deliver(message(), {"is": "receipt", "account": "zon-1", "id": "r", "status": "read"})
    await hub.post(b"\xff")
    await hub.ask("POST", PATH, b"[]")
    assert hub.count("hub_requests_total", channel="toy", outcome="accepted") == 2
    assert hub.count("hub_requests_total", channel="toy", outcome="refused") == 1
    assert hub.count("hub_taken_in_total", channel="toy", event="message.received.v1") == 1
    assert hub.count("hub_taken_in_total", channel="toy", event="receipt.received.v1") == 1
    assert hub.count("hub_dead_letters_total", service="ingest", topic="toy/main") == 1
    assert hub.count("hub_request_seconds_count", channel="toy") == 3
