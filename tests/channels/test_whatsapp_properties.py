"""What holds of every body that Meta could send: no word lost, nothing dropped, nothing believed that is not signed."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import timeit
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.parts import MAX_TEXT, Address, AddressKind, Text, text_of
from services.channels.base import (
    Echo,
    Endpoint,
    HttpResponse,
    Inbox,
    Item,
    Message,
    Outbound,
    Receipt,
    Rejected,
    Request,
    VerificationError,
)
from services.channels.loader import load
from services.channels.whatsapp.json_shape import moment
from tests.channels.written import written

CHANNEL = load("whatsapp")
CURRENT, OLD = "geheim", "oud-geheim"
ENDPOINT = Endpoint("wa", "whatsapp", "meta", {"app_secret": (CURRENT, OLD)})
thorough = settings(max_examples=150, deadline=None, derandomize=True)


def signed(body: bytes, secret: str = CURRENT) -> Request:
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return Request("POST", "https://hub.example/", [("x-hub-signature-256", signature)], body)


def read(post: object) -> list[Item]:
    return CHANNEL.parse(signed(json.dumps(post).encode()), ENDPOINT)


def post(*values: dict[str, Any]) -> dict[str, Any]:
    changes = [{"field": "messages", "value": value} for value in values]
    return {"object": "whatsapp_business_account", "entry": [{"id": "900100", "changes": changes}]}


def value(account: str = "100200300", **pieces: list[Any]) -> dict[str, Any]:
    return {"messaging_product": "whatsapp", "metadata": {"phone_number_id": account}, **pieces}


def message(number: object, **content: object) -> dict[str, Any]:
    return {"from": "31612345601", "id": number, "timestamp": "1795510800", **content}


# --- no word is lost -----------------------------------------------------------------------------------------

KNOWN = ["text", "image", "video", "audio", "document", "sticker", "location", "contacts", "button", "interactive"]
OBJECTS = [*KNOWN, "reaction", "order", "unsupported", "poll", "event", "iets_nieuws"]
FIELDS = ["body", "caption", "filename", "text", "payload", "title", "description", "name", "formatted_name", "address"]
DEEPER = ["button_reply", "list_reply", "poll", "org", "product_items", "question", "options", "emoji", "latitude"]
words = st.integers(0, 9_999).map(lambda number: f"woord-{number:04}-einde")
anything = st.recursive(
    st.one_of(words, st.none(), st.booleans(), st.integers(-5, 5), st.floats(-90, 90)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS + DEEPER), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.sampled_from([*FIELDS, *DEEPER, "id", "message_id"]), anything, min_size=1, max_size=5)
either = objects | st.lists(objects, max_size=2)
contents = st.dictionaries(st.sampled_from(OBJECTS), either, min_size=1, max_size=3)


@thorough
@given(
    content=st.dictionaries(st.sampled_from(OBJECTS), objects | st.lists(objects, max_size=2), min_size=1, max_size=3)
)
@example(content={"image": {"id": "1", "caption": {"body": "woord-0001-einde"}}})
@example(content={"text": {"body": "woord-0001-einde", "title": "woord-0002-einde"}})
@example(content={"contacts": [{"name": "woord-0001-einde"}]})
def test_every_word_of_a_message_ends_in_a_part_whatever_its_shape(content: dict[str, Any]) -> None:
    for kind in [*content, "nieuw"]:
        (item,) = read(post(value(messages=[message("wamid.1", type=kind, **content)])))
        assert isinstance(item, Message)
        kept = json.dumps(written(item, b""))
        assert [one for one in spoken(content) if one not in kept] == []


def spoken(content: object, key: str = "") -> list[str]:
    """The words, without ids: an id is no word, wherever it stands."""
    if isinstance(content, dict):
        return [one for name, inner in content.items() for one in spoken(inner, name)]
    if isinstance(content, list):
        return [one for inner in content for one in spoken(inner, key)]
    return [content] if isinstance(content, str) and key not in {"id", "message_id"} else []


@pytest.mark.parametrize("length", [MAX_TEXT, MAX_TEXT + 1, 60_000])
def test_a_text_of_any_length_is_kept_whole(length: int) -> None:
    text = "é" * length
    (item,) = read(post(value(messages=[message("wamid.1", type="text", text={"body": text})])))
    assert isinstance(item, Message)
    (part,) = item.parts
    whole = item.files[0].content.decode() if item.files else getattr(part, "text", "")
    assert whole == text
    assert item.truncated is (length > MAX_TEXT)


@pytest.mark.parametrize("length", [MAX_TEXT, MAX_TEXT + 1, 60_000])
def test_an_answer_typed_elsewhere_is_kept_whole_too(length: int) -> None:
    text = "".join(chr(97 + number % 26) for number in range(length))
    echo = {"to": "31612345601", "id": "wamid.1", "type": "text", "text": {"body": text}}
    (item,) = read(post(value(message_echoes=[echo])))
    assert isinstance(item, Echo)
    assert "".join(text_of((part,)) for part in item.parts) == text


# --- nothing is dropped, and one bad piece costs only itself -------------------------------------------------

GOOD = "good"
BAD: list[Any] = [None, "bla", 7, [], {}, {"id": "wamid.x"}, {"from": "31612345601"}, {"status": "sent"}, {"id": {}}]
pieces = st.lists(st.just(GOOD) | st.sampled_from(BAD), max_size=5)
accounts = st.sampled_from(["100200300", "100200301"])
told_changes = st.lists(
    st.tuples(accounts, pieces, pieces).filter(lambda told: told[1] or told[2]), min_size=1, max_size=4
)


@thorough
@given(told_changes)
def test_everything_in_one_post_comes_out_in_its_order_and_a_bad_piece_costs_only_itself(
    told: list[tuple[str, list[Any], list[Any]]],
) -> None:
    numbers = itertools.count(1)
    rooms = [(account, {"message": numbered(wrote, numbers), "receipt": numbered(reported, numbers)})
             for account, wrote, reported in told]  # fmt: skip
    values = [
        value(
            account,
            messages=[made("message", *one) for one in room["message"]],
            statuses=[made("receipt", *one) for one in room["receipt"]],
        )
        for account, room in rooms
    ]
    expected = [
        (kind, account, f"wamid.{number}") if piece == GOOD else ("rejected", account, None)
        for account, room in rooms
        for kind in room
        for number, piece in room[kind]
    ]
    assert [told_by(item) for item in read(post(*values))] == expected


def numbered(room: list[Any], numbers: Iterator[int]) -> list[tuple[int, Any]]:
    return [(next(numbers), piece) for piece in room]


def made(kind: str, number: int, piece: Any) -> Any:  # noqa: ANN401 - good or bad, it is JSON
    if piece != GOOD:
        return piece
    if kind == "message":
        return message(f"wamid.{number}", type="text", text={"body": "Hallo"})
    return {"id": f"wamid.{number}", "status": "sent", "timestamp": "1795510800", "recipient_id": "31612345601"}


def told_by(item: Item) -> tuple[str, str | None, str | None]:
    match item:
        case Message():
            return "message", item.account, item.external_id
        case Receipt():
            return "receipt", item.account, item.external_id
        case Rejected():
            return "rejected", item.account, None
    raise AssertionError(item)


@pytest.mark.parametrize("piece", [piece for piece in BAD if piece is not None], ids=json.dumps)
def test_what_was_set_aside_can_be_read_again_by_itself(piece: object) -> None:
    (first,) = read(post(value(messages=[piece])))
    assert isinstance(first, Rejected)
    (second,) = CHANNEL.parse(signed(first.raw), ENDPOINT)
    assert second == first


# --- any JSON at all -----------------------------------------------------------------------------------------

NAMES = ["object", "entry", "changes", "value", "field", "messages", "statuses", "errors", "contacts", "metadata"]
MORE = [
    "phone_number_id",
    "id",
    "from",
    "type",
    "edit",
    "revoke",
    "system",
    "message_echoes",
    "calls",
    "groups",
    "text",
]
LAST = ["user_id_update", "user_preferences", "context", "timestamp", "status", "body", "to", "user_id", "previous"]
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from(["messages", "edit"])
)
any_json = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES + MORE + LAST), inner, max_size=6)
    ),
    max_leaves=40,
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(any_json)
def test_no_json_whatever_makes_an_exception(told: object) -> None:
    for body in (told, {"object": "whatsapp_business_account", "entry": told}, post(*[{"messages": told}])):
        for item in read(body):
            json.dumps(written(item, b""))


HEAD = b'{"object":"whatsapp_business_account","entry":'


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 100_000, id="nested without end"),
        pytest.param(
            b'{"object":"whatsapp_business_account","entry":' + b"[" * 900 + b"]" * 900 + b"}", id="nested deep"
        ),
        pytest.param(
            json.dumps(post({"messages": [0]})).encode().replace(b"0]", b"9" * 5000 + b"]"), id="a huge number"
        ),
        pytest.param("{}".encode("utf-16"), id="another encoding"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"null", id="null"),
    ],
)
def test_a_hostile_body_is_set_aside(body: bytes) -> None:
    items = CHANNEL.parse(signed(body), ENDPOINT)
    assert items
    assert all(isinstance(item, Rejected) for item in items)


# --- who signed ----------------------------------------------------------------------------------------------


@thorough
@given(body=st.binary(max_size=200), secret=st.sampled_from([CURRENT, OLD]))
def test_what_any_of_our_secrets_signed_is_believed(body: bytes, secret: str) -> None:
    CHANNEL.verify(signed(body, secret), ENDPOINT)


@thorough
@given(body=st.binary(max_size=200), signature=st.text(max_size=80) | st.characters().map(lambda one: f"sha256={one}"))
@example(body=b"", signature="sha256=\ud83d")
@example(body=b"", signature="sha256=é")
def test_no_other_signature_is_believed_nor_breaks_anything(body: bytes, signature: str) -> None:
    with pytest.raises(VerificationError):
        CHANNEL.verify(Request("POST", "/", [("x-hub-signature-256", signature)], body), ENDPOINT)


# --- time ----------------------------------------------------------------------------------------------------


@thorough
@given(st.integers(200_000_000, 4_000_000_000))
def test_a_moment_is_the_same_in_every_unit_as_number_or_digits(seconds: int) -> None:
    wanted = datetime.fromtimestamp(seconds, UTC)
    assert moment(seconds) == moment(str(seconds)) == wanted
    for unit in (1_000, 1_000_000, 1_000_000_000):
        assert moment(seconds * unit) == wanted


@thorough
@given(any_json | st.text())
def test_what_is_no_moment_is_none(told: object) -> None:
    found = moment(told)
    assert found is None or found.tzinfo is UTC


# --- words out -----------------------------------------------------------------------------------------------


class Listening:
    """An API that takes everything and keeps what it heard."""

    heard: bytes = b""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> HttpResponse:
        self.heard = body
        return HttpResponse(200, {}, b'{"messages":[{"id":"wamid.out"}]}')


@thorough
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
async def test_every_text_goes_out_as_it_was_written(text: str) -> None:
    api, inbox = Listening(), Inbox("wa", "whatsapp", "meta", "100200300", {"token": "t"})
    address = Address(kind=AddressKind.TEL, value="+31612345601")
    sent = await CHANNEL.send(Outbound(inbox, address, Text(text=text), our_id="t/r/0/1"), api)
    assert sent.external_ids == ("wamid.out",)
    assert json.loads(api.heard)["text"]["body"] == text


# --- speed ---------------------------------------------------------------------------------------------------

ENOUGH = 60e-6
"""Seconds for one webhook, verified and read: the hot route has to keep up with thousands a second."""


def test_a_simple_webhook_is_verified_and_read_within_sixty_microseconds() -> None:
    request = signed(
        json.dumps(post(value(messages=[message("wamid.1", type="text", text={"body": "Lamp kapot"})]))).encode()
    )

    def once() -> None:
        CHANNEL.verify(request, ENDPOINT)
        CHANNEL.parse(request, ENDPOINT)

    fastest = min(timeit.repeat(once, number=100, repeat=30)) / 100
    assert fastest < ENOUGH
