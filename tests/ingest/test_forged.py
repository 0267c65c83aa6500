"""One constant answer for every forgery, and genuine nonsense is kept: at the real WhatsApp endpoint, by its app."""

import asyncio
import hmac
import json
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import RecordSetAside
from services.channels.loader import load
from services.ingest.settings import IngestSettings
from services.ingest.start import assemble
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics
from services.runtime.process.tenants import Tenants
from tests.ingest.town import NOW, TENANTS, Bus

PATH, SECRETS = "/webhooks/whatsapp/meta", ("geheim-van-nu", "geheim-van-straks")
ENDPOINT = {"name": "meta", "channel": "whatsapp", "provider": "meta", "secrets": {"app_secret": [*SECRETS]}}
TOWN = Tenants.model_validate(TENANTS.model_dump() | {"endpoints": [ENDPOINT]})
Headers = Sequence[tuple[bytes, bytes]]


class Heard(NamedTuple):
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Door:
    """Ingest without a socket: what is answered is exactly what the app says."""

    def __init__(self, folder: Path) -> None:
        self.bus = Bus()
        made = IngestSettings(attachments=folder)
        self.app = assemble(made, TOWN, self.bus, ManualClock(NOW), Metrics(), load).app

    def post(self, body: bytes, headers: Headers) -> Heard:
        return asyncio.run(self._post(body, headers))

    async def _post(self, body: bytes, headers: Headers) -> Heard:
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401 - ASGI's own
            said.append(message)

        scope = {"type": "http", "method": "POST", "path": PATH, "raw_path": PATH.encode(), "query_string": b""}
        await self.app({**scope, "headers": headers}, receive, send)
        start, end = said
        return Heard(start["status"], tuple(start["headers"]), end["body"])


def signature(body: bytes, secret: str = SECRETS[0]) -> bytes:
    return b"sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest().encode()


def signed(body: bytes, value: bytes | None = None) -> Headers:
    return [(b"x-hub-signature-256", signature(body) if value is None else value)]


def flipped(data: bytes, bit: int) -> bytes:
    at = bit % (len(data) * 8)
    return data[: at // 8] + bytes([data[at // 8] ^ (1 << at % 8)]) + data[at // 8 + 1 :]


BODY = json.dumps({"object": "whatsapp_business_account", "entry": []}).encode()


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Door:
    return Door(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def refusal(door: Door) -> Heard:
    return door.post(BODY, [])


def test_what_is_genuine_is_taken_with_either_secret(door: Door) -> None:
    assert {door.post(BODY, signed(BODY, signature(BODY, secret))).status for secret in SECRETS} == {200}


def test_the_refusal_holds_nothing_that_a_secret_went_into(refusal: Heard) -> None:
    assert refusal.status == 401
    assert b"sha256" not in refusal.body
    for secret in SECRETS:
        assert signature(BODY, secret)[7:] not in refusal.body


@settings(max_examples=400, deadline=None)
@given(bit=st.integers(0, 1 << 20), body=st.binary(min_size=1, max_size=200))
def test_any_flipped_bit_of_a_body_gives_the_same_bytes(door: Door, refusal: Heard, bit: int, body: bytes) -> None:
    assert door.post(flipped(body, bit), signed(body)) == refusal


@settings(max_examples=400, deadline=None)
@given(bit=st.integers(0, (7 + 64) * 8 - 1))
def test_any_flipped_bit_of_a_signature_gives_the_same_bytes(door: Door, refusal: Heard, bit: int) -> None:
    forged = flipped(signature(BODY), bit)
    if forged.lower() != signature(BODY):
        assert door.post(BODY, signed(BODY, forged)) == refusal


@settings(max_examples=200, deadline=None)
@given(value=st.binary(max_size=200), name=st.sampled_from([b"x-hub-signature-256", b"x-hub-signature", b"x-other"]))
def test_whatever_stands_where_a_signature_should_gives_the_same_bytes(
    door: Door, refusal: Heard, value: bytes, name: bytes
) -> None:
    assert door.post(BODY, [(name, value)]) == refusal


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([*signed(BODY), *signed(BODY)], id="the right signature twice"),
        pytest.param([*signed(BODY), *signed(b"")], id="the right one and another"),
        pytest.param(signed(BODY, signature(BODY)[7:]), id="without its algorithm"),
        pytest.param(signed(BODY, signature(BODY).replace(b"sha256", b"sha1")), id="with another algorithm"),
        pytest.param(signed(BODY, signature(BODY)[:-1]), id="a digit short"),
        pytest.param(signed(BODY, signature(BODY) + b"0"), id="a digit long"),
        pytest.param(signed(BODY, b" " + signature(BODY)[:-1]), id="shifted by a space"),
        pytest.param(signed(BODY, signature(b"{}")), id="another body's"),
        pytest.param(signed(BODY, signature(BODY, "geheim-van-vroeger")), id="an old secret's"),
    ],
)
def test_a_signature_that_is_nearly_right_gives_the_same_bytes(door: Door, refusal: Heard, headers: Headers) -> None:
    kept = len(door.bus.outgoing)
    assert door.post(BODY, headers) == refusal
    assert len(door.bus.outgoing) == kept


# --- genuine, and no good ------------------------------------------------------------------------------------

DEEP = 100_000
BOMBS = {
    "arrays 100,000 deep": b"[" * DEEP + b"]" * DEEP,
    "objects 20,000 deep": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "never closed": b'{"entry":[' * 15_000,
    "half a surrogate": b'{"object":"\\ud800"}',
    "not a number": b'{"entry":NaN}',
    "an integer of 100,000 digits": b'{"entry":' + b"9" * 100_000 + b"}",
    "15,000 keys": json.dumps({str(n): n for n in range(15_000)}).encode(),
    "the same key 20,000 times": b"{" + b'"entry":[],' * 20_000 + b'"entry":[]}',
    "NUL in a string": b'{"object":"\\u0000"}',
    "no UTF-8": b"\xff\xfe{}",
    "a number where the whole should be": b"1",
    "compressed": b"\x1f\x8b\x08\x00" + b"\x00" * 200,
    "nothing": b"",
    "10,000 entries": json.dumps(
        {"object": "whatsapp_business_account", "entry": [{"changes": [{}]}] * 10_000}
    ).encode(),
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS)
def test_genuine_nonsense_is_taken_in_time_and_set_aside_or_says_nothing(tmp_path: Path, body: bytes) -> None:
    assert len(body) <= 256_000
    door = Door(tmp_path)
    began = time.process_time()
    assert door.post(body, signed(body)).status == 200
    assert time.process_time() - began < 0.5 * max(1, len(body) / 10_000)
    letters = [event.data for event in door.bus.events]
    assert all(isinstance(letter, RecordSetAside) for letter in letters)
