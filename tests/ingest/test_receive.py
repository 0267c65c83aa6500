"""Nothing genuine is lost for what it says: it becomes an event, or a dead letter with the bytes and the reason."""

import json
from base64 import b64decode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import encode
from schemas.events import Event, MessageEdited, MessageReceived, RecordSetAside
from schemas.parts import Document, Text
from schemas.topics import MAX_RECORD
from services.channels.base import Endpoint, Request
from services.ingest.owners import owners
from services.ingest.receive import NOBODYS, Received, Reception
from tests.ingest import toy
from tests.ingest.town import NOW, TENANTS, ZONNEDAEL, message

RECEPTION = Reception(toy.Toy(), Endpoint("main", "toy", "own"), owners(TENANTS))


def receive(body: bytes) -> Received:
    headers = [("x-signature", toy.sign(body)), ("content-type", "application/json")]
    return RECEPTION.receive(Request("POST", "https://hub.example/", headers, body), NOW)


def received(*items: dict[str, Any]) -> Received:
    return receive(json.dumps(items, ensure_ascii=False).encode())


def data(found: Received) -> list[Event]:
    return [one.event.data for one in found.outgoing if one.event]


def letters(found: Received) -> list[RecordSetAside]:
    return [one for one in data(found) if isinstance(one, RecordSetAside)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"\xff\x00", "no JSON", id="bytes that the channel cannot read"),
        pytest.param(b"crash", "the channel failed: RuntimeError", id="a channel that breaks its contract"),
        pytest.param(
            json.dumps([message(**{"from": []})]).encode(),
            "no event can hold it: addresses: too_short",
            id="a message from nobody",
        ),
        pytest.param(
            json.dumps([message(id="\ud800")]).encode(),
            "no event can hold it: UnicodeEncodeError",
            id="an id that is half a character",
        ),
        pytest.param(json.dumps([message(account="onbekend")]).encode(), NOBODYS, id="an account that is nobody's"),
        pytest.param(
            json.dumps([{"is": "rejected", "account": "onbekend"}]).encode(),
            NOBODYS,
            id="half a message for an account that is nobody's",
        ),
    ],
)
def test_it_is_set_aside_with_every_byte(body: bytes, reason: str) -> None:
    (letter,) = letters(receive(body))
    assert letter.reason == reason
    assert b64decode(letter.raw) == body
    assert (letter.origin.topic, letter.content_type) == ("toy/main", "application/json")


def test_a_bad_message_does_not_take_the_others_along_nor_their_order() -> None:
    found = received(message(id="a"), {"is": "rejected", "account": "zon-1"}, message(id="b"))
    kinds = [type(one).__name__ for one in data(found)]
    assert kinds == ["MessageReceived", "RecordSetAside", "MessageReceived"]
    (letter,) = letters(found)
    assert (letter.tenant, letter.reason, b64decode(letter.raw)) == (ZONNEDAEL, "half a message", b"half")


def test_an_account_that_is_nobodys_is_set_aside_once_a_request() -> None:
    found = received(*(message(id=str(n), account=f"onbekend-{n % 2}") for n in range(6)))
    assert [letter.raw_headers["account"] for letter in letters(found)] == ["onbekend-0", "onbekend-1"]
    assert found.nobodys


def test_the_same_unreadable_bytes_are_the_same_dead_letter() -> None:
    keys = {one.key for _ in range(2) for one in receive(b"\xff").outgoing}
    assert len(keys) == 1
    assert keys != {one.key for one in receive(b"\xfe").outgoing}


def test_a_dead_letter_of_many_bytes_keeps_them_as_a_file() -> None:
    body = b"\xff" * 200_000
    found = receive(body)
    (letter,) = letters(found)
    ((oin, file),) = found.files
    assert letter.raw == ""
    assert letter.file is not None
    assert (letter.file.sha256, letter.file.size) == (sha256(body).hexdigest(), len(body))
    assert (oin, file.sha256, file.content) == (None, letter.file.sha256, body)


def test_files_go_with_the_municipality_whose_message_they_came_with() -> None:
    found = received(message(files=["foto.jpg"]))
    ((oin, file),) = found.files
    (event,) = data(found)
    assert isinstance(event, MessageReceived)
    assert isinstance(event.parts[1], Document)
    assert event.parts[1].file is not None
    assert (oin, file.sha256) == (ZONNEDAEL, event.parts[1].file.sha256)


def record_size(found: Received) -> int:
    (one,) = found.outgoing
    assert one.event is not None
    headers, value = encode(one.event)
    return len(value) + len(one.key) + sum(len(name) + len(each) for name, each in headers)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"texts": ["a" * 16_000] * 10}, id="many long texts"),
        pytest.param({"texts": ["\x01" * 16_000]}, id="one text of control characters"),
        pytest.param({"texts": ["😀" * 16_000] * 2}, id="emoji, four bytes each"),
        pytest.param({"texts": ["kort"] * 3_000}, id="thousands of short texts"),
        pytest.param({"text": "kort", "subject": "s" * 100_000}, id="a subject without end"),
        pytest.param({"text": "kort", "from": ["+31612345601"] * 5_000}, id="a sender with thousands of addresses"),
        pytest.param({"text": "kort", "files": [f"bijlage-{n}.pdf" for n in range(500)]}, id="hundreds of files"),
    ],
)
def test_what_is_too_long_for_a_record_goes_in_short_and_is_kept_whole(given: dict[str, Any]) -> None:
    found = received(message(**given))
    (event,) = data(found)
    assert record_size(found) <= MAX_RECORD
    assert isinstance(event, MessageReceived)
    assert event.truncated
    assert event.external_id == "m1"


def test_the_whole_of_a_long_message_is_found_by_its_short_form() -> None:
    texts = [f"{n}: {'lang ' * 3_000}" for n in range(8)]
    found = received(message(texts=texts, subject="Lantaarnpaal", files=["foto.jpg"]))
    (event,) = data(found)
    assert isinstance(event, MessageReceived)
    words, photo, whole = event.parts
    kept = {file.sha256: file.content for _oin, file in found.files}
    assert isinstance(words, Text)
    assert isinstance(photo, Document)
    assert isinstance(whole, Document)
    assert words.text == "\n".join(texts)[:4_000]
    assert words.whole is not None
    assert whole.file is not None
    assert kept[words.whole.sha256].decode() == "\n".join(texts)
    everything = json.loads(kept[whole.file.sha256])
    assert [part["text"] for part in everything["parts"] if part["kind"] == "text"] == texts
    assert everything["subject"] == "Lantaarnpaal"
    assert photo.filename == "foto.jpg"


def test_a_long_edit_is_cut_as_a_message_is() -> None:
    edit = {"is": "edit", "account": "zon-1", "id": "m1", "edit": "e1", "texts": ["a" * 16_000] * 10}
    found = received(edit)
    (event,) = data(found)
    assert record_size(found) <= MAX_RECORD
    assert isinstance(event, MessageEdited)


def test_what_does_not_fit_even_in_short_is_set_aside_whole() -> None:
    found = received(message(id="m" * 100_000))
    (letter,) = letters(found)
    assert letter.reason == "no event can hold it: TooLong"
    assert letter.file is not None


def test_a_message_that_fits_is_left_as_it_is() -> None:
    (event,) = data(received(message(texts=["a" * 16_000] * 3)))
    assert isinstance(event, MessageReceived)
    assert [len(part.text) for part in event.parts if isinstance(part, Text)] == [16_000] * 3
    assert not event.truncated


@given(st.lists(st.text(max_size=16_000), max_size=12), st.text(max_size=2_000))
def test_any_message_becomes_one_record_that_fits(texts: list[str], subject: str) -> None:
    found = receive(json.dumps([message(texts=texts, subject=subject)]).encode())
    assert record_size(found) <= MAX_RECORD


@given(st.binary(max_size=300))
def test_any_bytes_are_kept_whole_or_read(body: bytes) -> None:
    found = receive(body)
    kept = letters(found)
    assert not kept or b64decode(kept[0].raw) == body
