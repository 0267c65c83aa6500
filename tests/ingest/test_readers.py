"""Costly mail is read apart: whatever it does to its reader, it is set aside whole and the next one is read."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.channels.base import Endpoint, Item, Message, Rejected, Request
from services.channels.email.channel import Email
from services.ingest import readers as module
from services.ingest.readers import Busy, Readers
from services.ingest.wire import LENGTH, Nonsense, asked, asking, heard, packed, unpacked
from tests.ingest import hogs

ENDPOINT = Endpoint("main", "hog", "own", {"app_secret": ("geheim",)})


@pytest.fixture
async def readers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Readers]:
    monkeypatch.setenv("KAFKA_PASSWORD", "geheim")
    monkeypatch.setattr(module, "WIDTH", 1)
    made = Readers([hogs.Hog()], "tests.ingest.hogs:load", patience=60)
    yield made
    await made.close()


async def read(readers: Readers, body: bytes) -> list[Item]:
    return await readers.read(hogs.Hog(), ENDPOINT, request(body))


def request(body: bytes) -> Request:
    return Request("LMTP", "lmtp:main", [("x", "é")], body, {"recipient": "m@z.example"})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"spin", "reading it took too much computing", id="it computes for ever"),
        pytest.param(b"sleep", "reading it took more than 2 s", id="it waits for ever"),
        pytest.param(b"die", "reading it ended the reader: IncompleteReadError", id="it ends the process"),
        pytest.param(b"abort", "reading it ended the reader: IncompleteReadError", id="it crashes the interpreter"),
        pytest.param(b"eat", "the channel failed: MemoryError", id="it wants all memory"),
        pytest.param(b"raise", "the channel failed: KeyError", id="the channel has a bug"),
        pytest.param(b"write", "the channel failed: FileNotFoundError", id="it writes a file"),
        pytest.param(b"secrets", "the channel failed: KeyError", id="it looks for our secrets"),
    ],
)
async def test_what_goes_wrong_is_set_aside_whole_for_its_inbox_and_the_next_is_read(
    readers: Readers, body: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await readers.start()
    if body == b"sleep":
        monkeypatch.setattr(hogs.Hog, "bounds", replace(hogs.Hog.bounds, seconds=2.0))
    (found,) = await read(readers, body)
    assert isinstance(found, Rejected)
    assert (found.reason, found.raw) == (reason, body)
    assert found.account == ("hog-1" if reason.startswith("reading") else None)
    after = await read(readers, b"next")
    assert isinstance(after[0], Message)


async def test_a_reader_says_what_it_read_and_knows_no_secret(readers: Readers) -> None:
    for body in (b"say", b"hello"):
        found = await read(readers, body)
        assert found == hogs.Hog().parse(request(body), Endpoint("main", "hog", "own"))


async def test_while_one_hangs_nothing_else_stands_still(readers: Readers) -> None:
    await readers.start()
    hanging = asyncio.create_task(read(readers, b"spin"))
    longest = 0.0
    while not hanging.done():
        began = time.monotonic()
        await asyncio.sleep(0.001)
        longest = max(longest, time.monotonic() - began)
    assert longest < 0.5


async def test_with_all_readers_at_work_for_too_long_it_must_come_again(readers: Readers) -> None:
    readers._patience = 0.05
    await readers.start()
    hanging = asyncio.create_task(read(readers, b"sleep"))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await read(readers, b"next")
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    readers._patience = 60
    assert isinstance((await read(readers, b"next"))[0], Message)


async def test_that_a_reader_cannot_begin_is_no_fault_of_the_mail() -> None:
    broken = Readers([hogs.Hog()], "tests.ingest.nowhere:load")
    await broken.start()
    with pytest.raises(Busy):
        await read(broken, b"next")
    await broken.close()


def test_where_no_channel_is_read_apart_there_are_no_readers() -> None:
    assert Readers([])._readers == []


@given(parts=st.lists(st.binary(max_size=50), min_size=1, max_size=6))
def test_a_frame_comes_over_as_it_was(parts: list[bytes]) -> None:
    sent = packed(parts)
    assert LENGTH.unpack_from(sent) == (len(sent) - LENGTH.size,)
    assert unpacked(sent[LENGTH.size :]) == parts


def test_what_is_asked_goes_without_the_secrets() -> None:
    frame = asked("hog", ENDPOINT, request(b"body"), 3)
    assert b"geheim" not in b"".join(frame)
    channel, endpoint, found, seconds = asking(frame)
    assert (channel, endpoint.secrets, found, seconds) == ("hog", {}, request(b"body"), 3)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"{"], id="no JSON"),
        pytest.param([b'[{"kind": "Rejected", "aside": [["", 0]], "item": {}}]'], id="half an item"),
        pytest.param([b'[{"kind": "__class__"}]'], id="a kind that is none"),
        pytest.param([b'[{"kind": "Revocation", "aside": [], "item": 3}]'], id="an item that is none"),
    ],
)
def test_an_answer_that_says_nothing_sensible_is_not_believed(frame: list[bytes]) -> None:
    with pytest.raises(Nonsense):
        heard(frame)


# --- real mail -----------------------------------------------------------------------------------------------

ENVELOPE = {"sender": "a@thuis.example", "recipient": "m@z.example"}
HEAD = b"From: a@thuis.example\r\nTo: m@z.example\r\nSubject: x\r\nMessage-ID: <1@thuis.example>\r\n"


def nested(depth: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level) for level in range(depth)
    )
    return HEAD + opened + b"\r\nHallo\r\n"


def of_parts(count: int) -> bytes:
    part = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * count + b"--b--\r\n"


BOMBS = {
    "parts 50 deep": nested(50),
    "parts 500 deep": nested(500),
    "parts 2,000 deep": nested(2_000),
    "1,000 parts": of_parts(1_000),
    "20,000 parts": of_parts(20_000),
    "100,000 headers": b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + HEAD + b"\r\nHallo\r\n",
    "a To of 5,000 addresses": HEAD + b"Cc: " + b", ".join(b"a%d@b.example" % n for n in range(5_000)) + b"\r\n\r\nx",
    "a Subject of 3,000 encoded words": HEAD.replace(b"x\r\n", b" ".join([b"=?utf-8?q?a?="] * 3_000) + b"\r\n")
    + b"\r\nx",
    "3,000 pieces of a name": HEAD
    + b"Content-Type: text/plain;"
    + b";".join(b" name*%d=a" % n for n in range(3_000))
    + b"\r\n\r\nx",
    "a From of 3,000 brackets": HEAD.replace(b"a@thuis", b"(" * 3_000 + b"a@thuis") + b"\r\nx",
    "one line of 20 MB": HEAD + b"\r\n" + b"x" * 20_000_000,
    "more than 25 MB": HEAD + b"\r\n" + b"x\r\n" * 9_000_000,
    "20 MB of HTML tags": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 200_000,
    "a borderless multipart": HEAD + b"Content-Type: multipart/mixed\r\n\r\n" + b"--\r\n" * 4_000,
}

COSTLY = {
    "signatures below nothing": b"--\r\n" * 4_000,
    "signatures below a word": b"x\r\n" + b"--\r\n" * 4_000,
    "signatures of empty lines": b"x\r\n" + b"--\r\n\r\n\r\n" * 1_600,
    "quotes of nothing": b"> \r\n" * 4_900,
    "introductions": b"Op 1 januari schreef x:\r\n" * 2_000,
    "headers of old mail": b"Van: x\r\nVerzonden: x\r\nAan: x\r\n" * 1_600,
}


@pytest.mark.parametrize("body", COSTLY.values(), ids=COSTLY)
def test_reading_a_mail_costs_what_its_length_explains(body: bytes) -> None:
    """Measured alone: at most 100 ms for each 10 kB. Half a second is for a machine with other things to do."""
    began = time.process_time()
    Email().parse(Request("LMTP", "", (), HEAD + b"\r\n" + body, ENVELOPE), ENDPOINT)
    assert time.process_time() - began < 0.5 * max(1, len(body) / 10_000)


@pytest.mark.timeout(120)
async def test_failure_6_of_the_field_one_bad_mail_stops_the_mailbox() -> None:
    """Every bomb among good mail: the good is read at once, the bad is read or set aside whole, and nothing is lost."""
    channel, good = Email(), HEAD + b"\r\nDe lantaarnpaal is kapot\r\n"
    endpoint, readers = Endpoint("mta", "email", "own"), Readers([channel])
    await readers.start()
    for name, bomb in BOMBS.items():
        began = time.monotonic()
        found = await readers.read(channel, endpoint, Request("LMTP", "", (), bomb, ENVELOPE))
        seconds = time.monotonic() - began
        assert seconds < channel.bounds.seconds + 2, name
        assert [item.account for item in found] == ["m@z.example"], name
        assert all(item.raw == bomb for item in found if isinstance(item, Rejected)), name
        (after,) = await readers.read(channel, endpoint, Request("LMTP", "", (), good, ENVELOPE))
        assert isinstance(after, Message), name
    await readers.close()
