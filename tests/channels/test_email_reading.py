"""What a mail says, whatever its bytes: nothing raises, nothing takes long, and no word is lost."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.parts import MAX_TEXT, Document, Text
from services.channels.base import Endpoint, Item, Message, Rejected, Request
from services.channels.email import reading
from services.channels.email.channel import Email
from services.channels.email.html import text_of_html
from services.channels.email.meanings import meaning
from services.channels.email.quotes import trimmed

ENDPOINT = Endpoint("mail", "email", "own")
HEAD = b"From: sanne@burger.example\r\nSubject: Lamp\r\nMessage-ID: <een@burger.example>\r\n"


def parsed(raw: bytes, to: str = "meldingen@gemeente.test") -> list[Item]:
    envelope = {"sender": "sanne@burger.example", "recipient": to}
    return Email().parse(Request("LMTP", "lmtp:mail", (), raw, envelope), ENDPOINT)


def message(raw: bytes) -> Message:
    (item,) = parsed(raw)
    assert isinstance(item, Message)
    return item


def text_of(item: Message) -> Text:
    (text,) = [part for part in item.parts if isinstance(part, Text)]
    return text


# --- nothing is lost -----------------------------------------------------------------------------------------


def test_a_long_text_is_cut_and_kept_whole_as_a_file() -> None:
    words = "de lamp is kapot " * 2000
    item = message(HEAD + b"\r\n" + words.encode())
    text = text_of(item)
    assert (item.truncated, len(text.text)) == (True, MAX_TEXT)
    assert text.whole is not None
    (whole,) = [file for file in item.files if file.sha256 == text.whole.sha256]
    assert whole.content.decode() == words.strip()


def test_a_subject_that_is_a_whole_letter_is_cut_and_kept_in_the_mail() -> None:
    raw = b"From: sanne@burger.example\r\nSubject: " + b"de lamp is kapot " * 100 + b"\r\n\r\n"
    item = message(raw)
    assert len(item.subject or "") == 500
    assert [file.content for file in item.files] == [raw]


def test_a_date_without_a_zone_is_utc_wherever_we_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    item = message(b"From: sanne@burger.example\r\nDate: Tue, 24 Nov 2026 09:00:00 -0000\r\n\r\nkapot")
    monkeypatch.undo()
    time.tzset()
    assert item.happened == datetime(2026, 11, 24, 9, tzinfo=UTC)


def test_one_mail_to_two_inboxes_is_the_same_mail_in_each() -> None:
    here, there = parsed(HEAD + b"\r\nkapot", "Een@g.test"), parsed(HEAD + b"\r\nkapot", "twee@g.test")
    assert [item.account for item in here + there] == ["een@g.test", "twee@g.test"]


WORDS = st.lists(st.sampled_from(["lamp", "kapot", "straat", "Groet", "3", "12:30", "graag"]), min_size=1, max_size=8)
MARKS = st.sampled_from([
    "", "-- ", "____________", "Verzonden vanaf mijn iPhone", "Van: Gemeente", "Aan: Sanne", "Onderwerp: Lamp",
    "Op ma 2 nov. 2026 om 10:00 schreef G <g@g.test>:", "-----Oorspronkelijk bericht-----", "Met groet,",
])  # fmt: skip
LINES = st.one_of(WORDS.map(" ".join), WORDS.map(lambda words: "> " + " ".join(words)), MARKS)


@settings(max_examples=500, deadline=None)
@given(st.lists(LINES, max_size=25))
def test_what_is_trimmed_is_in_the_mail_that_is_kept(lines: list[str]) -> None:
    raw = HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + "\r\n".join(lines).encode()
    item = message(raw)
    kept = [part.file.sha256 for part in item.parts if isinstance(part, Document) and part.file]
    if text_of(item).text.split() != "\n".join(lines).split():
        assert kept == [hashlib.sha256(raw).hexdigest()]
        assert item.files[-1].content == raw


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=25))
def test_the_new_words_are_lines_of_the_mail_in_their_order(lines: list[str]) -> None:
    new, _ = trimmed("\n".join(lines))
    left = iter(lines)
    assert all(line in left for line in new.split("\n") if line.strip())


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=25))
def test_a_mail_without_old_words_is_never_trimmed(lines: list[str]) -> None:
    assert trimmed("\n".join(lines)) == ("\n".join(lines), "")


@pytest.mark.parametrize(
    ("below", "program"),
    [
        ("Op ma 23 nov. 2026 om 16:12 schreef Gemeente <g@g.test>:\n\n> Beste", "Gmail"),
        (
            "Op maandag 23 november 2026 om 16:12 schreef Gemeente Voorbeeld\n<meldingen@gemeente.test>:\n> Beste",
            "wrapped",
        ),
        ("Op 23 nov. 2026, om 16:12 heeft Gemeente <g@g.test> het volgende geschreven:\n\nBeste", "Apple Mail"),
        ("Van: Gemeente <g@g.test>\nVerzonden: maandag\nAan: Sanne\nOnderwerp: Lamp\n\nBeste", "Outlook"),
        (
            "________________________________\nVan: Gemeente\nVerzonden: maandag\nAan: S\nOnderwerp: L\n\nBeste",
            "Outlook.com",
        ),
        ("-----Oorspronkelijk bericht-----\nVan: Gemeente\nAan: Sanne\n\nBeste", "older Outlook"),
        (
            "Verstuurd vanaf mijn iPhone\n\nOp 23 nov. 2026 om 16:12 heeft G <g@g.test> het volgende geschreven:\n\nB",
            "iPhone",
        ),
        ("-- \nSanne de Wit\nDorpsstraat 1", "a signature"),
        ("> Beste Sanne\n> We komen dinsdag", "only marks"),
    ],
    ids=lambda value: value if "\n" not in value and "<" not in value else "",
)
def test_what_dutch_programs_put_below_an_answer_is_not_new(below: str, program: str) -> None:
    new, whole = trimmed(f"De lamp is nog kapot.\n\n{below}")
    assert new == "De lamp is nog kapot."
    assert whole.endswith(below)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Op 2 november heeft mijn buurman geschreven:\nde boom moet weg. Wat nu?", id="somebody tells"),
        pytest.param("Van: mij\nAan: u\n\nDe lamp is kapot", id="two lines like headers"),
        pytest.param("> Wanneer komt u?\nMorgen graag.\n> Waar?\nIn de straat.", id="answers between the questions"),
        pytest.param("> Alleen een vraag van u", id="nothing but a quote"),
        pytest.param("Klachten:\n- de lamp\n- de bak\n- de heg", id="a list"),
        pytest.param("Eerst dit\n--\n" + "\n".join(f"regel {n}" for n in range(20)), id="a stroke in a long text"),
    ],
)
def test_what_only_looks_like_old_words_stays(text: str) -> None:
    assert trimmed(text) == (text, "")


# --- nothing raises, nothing takes long ----------------------------------------------------------------------

HEADER_NAMES = st.sampled_from([
    b"From", b"To", b"Reply-To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References", b"Content-Type",
    b"Content-Disposition", b"Content-Transfer-Encoding", b"Auto-Submitted", b"Return-Path", b"MIME-Version",
])  # fmt: skip
VALUES = st.binary(max_size=60) | st.sampled_from([
    b"multipart/mixed; boundary=a", b"multipart/alternative; boundary=a", b"multipart/report; boundary=a",
    b"message/rfc822", b"message/delivery-status", b"text/html; charset=nonsens", b"base64", b"=?utf-8?b?w6k?=",
    b"attachment; filename*0*=utf-8''%zz", b'"(((" <a@b>', b"<a@b", b"Tue, 99 Foo 2026", b"x; name==?utf-8?q?=ff?=",
])  # fmt: skip
BODY_LINES = st.binary(max_size=40) | st.sampled_from(
    [b"--a", b"--a--", b"", b"Content-Type: text/html", b"Status: 5.1.1"]
)


def _mail(headers: list[tuple[bytes, bytes]], body: list[bytes]) -> bytes:
    head = [name + b": " + value.replace(b"\n", b" ") for name, value in headers]
    return b"\r\n".join([*head, b"", *body])


MAILS = st.builds(
    _mail,
    st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=8),
    st.lists(BODY_LINES, max_size=12),
)


@settings(max_examples=1000, deadline=None)
@given(MAILS)
def test_any_mail_is_read_or_set_aside_and_can_be_written_down(raw: bytes) -> None:
    items = parsed(raw)
    assert len(items) >= 1
    for item in items:
        if isinstance(item, Message):
            assert all(part.model_dump_json() for part in (*item.parts, *item.addresses))
            "".join([item.external_id, item.subject or "", item.name or "", *item.thread]).encode()
        elif isinstance(item, Rejected):
            assert item.raw == raw


def _nested(depth: int) -> bytes:
    opening = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return HEAD + opening + b"\r\nkapot"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(_nested(100), "more than 64 parts inside each other", id="parts inside each other"),
        pytest.param(_nested(4000), "RecursionError", id="so deep that the standard library gives up"),
        pytest.param(
            HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 1000,
            "more than 200 parts", id="very many parts",
        ),
        pytest.param(HEAD + b"\r\n" + b"--x\r\n" * 6000, "more than 5000 borders of parts", id="very many borders"),
        pytest.param(HEAD + b"X: 1\r\n" * 2000 + b"\r\nkapot", "more than 1000 headers", id="very many headers"),
        pytest.param(HEAD + b"\r\n" + b"\r\n" * 700_000, "more than 600000 lines", id="very many lines"),
        pytest.param(HEAD + b"\r\n" + b"x" * reading.MAX_BYTES, "bytes", id="very many bytes"),
        pytest.param(b"", "it has no header that a mail has", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", "it has no header that a mail has", id="something else"),
    ],
)  # fmt: skip
def test_what_costs_too_much_is_set_aside_whole(raw: bytes, reason: str) -> None:
    began = time.perf_counter()
    (item,) = parsed(raw)
    assert isinstance(item, Rejected)
    assert reason in item.reason
    assert item.raw == raw
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"From: " + b"(" * 3000 + b" <a@b.example>\r\nSubject: x\r\n\r\nkapot", id="deep comments"),
        pytest.param(b"Subject: " + b"=?utf-8?q?a?= " * 3000 + b"\r\n\r\nkapot", id="thousands of encoded words"),
        pytest.param(
            b"Subject: x\r\nTo: " + b"a@b.example, " * 20_000 + b"\r\n\r\nkapot", id="thousands of recipients"
        ),
        pytest.param(
            b"Subject: x\r\nReply-To: " + b"a@b.example, " * 20_000 + b"\r\n\r\nkapot", id="thousands to answer"
        ),
        pytest.param(b"Subject: x\r\nReferences: " + b"<a@b> " * 50_000 + b"\r\n\r\nkapot", id="an endless thread"),
        pytest.param(b"Subject: x\r\n\r\nkapot\r\n" + b"Op 12:30 <a@b\r\n" * 20_000, id="thousands of near quotes"),
        pytest.param(b"Subject: x\r\nContent-Type: text/html\r\n\r\nkapot" + b"<div>" * 200_000, id="deep html"),
    ],
)
def test_what_is_heavy_is_still_read_and_soon(raw: bytes) -> None:
    began = time.perf_counter()
    item = message(raw)
    assert "kapot" in text_of(item).text
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize(
    ("charset", "content", "read"),
    [
        pytest.param("utf-8", "café".encode(), "café", id="as it says"),
        pytest.param("utf-8", "café".encode("cp1252"), "café", id="not what it says"),
        pytest.param("us-ascii", "café".encode(), "café", id="more than it says"),
        pytest.param("nonsens", "café".encode(), "café", id="a charset that nobody knows"),
        pytest.param("iso-8859-15", "€ 10".encode("iso-8859-15"), "€ 10", id="an old one"),
    ],
)
def test_characters_are_read_as_meant(charset: str, content: bytes, read: str) -> None:
    raw = (
        HEAD
        + f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n".encode()
        + content
    )
    assert text_of(message(raw)).text == read


def test_html_is_read_as_a_person_sees_it() -> None:
    html = "<html><head><title>niet</title><style>p{}</style></head><body>Dag,<br>de&nbsp;lamp<p>kapot &amp; donker</p>"
    assert text_of_html(html).split() == ["Dag,", "de", "lamp", "kapot", "&", "donker"]


def test_parsed_twice_it_is_the_same() -> None:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "sanne@burger.example", "Lamp"
    mail.set_content("kapot")
    mail.add_attachment(b"x", maintype="image", subtype="png", filename="a.png")
    assert parsed(mail.as_bytes()) == parsed(mail.as_bytes())


@pytest.mark.parametrize(
    ("status", "words", "dead"),
    [
        pytest.param("5.1.1", "User unknown", True, id="nobody of that name"),
        pytest.param("5.1.10", "", True, id="by number alone"),
        pytest.param("5.0.0", "unknown host", True, id="a domain that is not there"),
        pytest.param("5.2.2", "mailbox full", False, id="full"),
        pytest.param("5.2.1", "disabled", False, id="closed for now"),
        pytest.param("5.7.1", "looks like spam", False, id="for what is in it"),
        pytest.param("5.7.26", "DMARC", False, id="for what we are"),
        pytest.param("5.4.7", "message expired", False, id="nobody answered"),
        pytest.param("550", "", False, id="a five and nothing more"),
        pytest.param(None, "", False, id="no word at all"),
    ],
)
def test_a_five_alone_does_not_make_an_address_dead(status: str | None, words: str, dead: bool) -> None:  # noqa: FBT001 - a column
    assert meaning(status, words).dead is dead
