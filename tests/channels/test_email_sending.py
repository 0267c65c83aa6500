"""A reply leaves by a real SMTP conversation: what the other side gets, and what we say became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Reason
from schemas.parts import Address, AddressKind, Text
from services.channels.base import Endpoint, Inbox, Limits, Message, Outbound, Request, SendError
from services.channels.email.channel import Email
from services.channels.email.codes import Stage, reason, reply
from services.channels.email.composing import MAX_REFERENCES, compose
from tests.channels.peers import BrokenNetwork, mail_server

DATE = "Tue, 24 Nov 2026 09:00:00 -0000"
EMAIL = Email(date=lambda: DATE)
NO_HTTP = BrokenNetwork(Reason.ACCOUNT)
INBOX = Inbox(
    "meldingen", "email", "own", "meldingen@gemeente.test", {"from": "Gemeente Voorbeeld <meldingen@gemeente.test>"}
)
OUTBOUND = Outbound(
    INBOX, Address(kind=AddressKind.MAILTO, value="sanne@burger.example"), Text(text="We komen dinsdag."), "t1/r1/0/1",
    in_reply_to="<een@burger.example>", subject="Lantaarnpaal kapot",
)  # fmt: skip


@dataclass
class Sink:
    """A real mail server of this process that keeps all it gets."""

    got: list[Envelope] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.got.append(envelope)
        return "250 2.0.0 kept"

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(bytes(one.original_content or b""), policy=policy.default) for one in self.got]


@asynccontextmanager
async def sink() -> AsyncIterator[tuple[Sink, dict[str, str]]]:
    handler = Sink()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0)
    try:
        yield handler, {"smtp_host": "127.0.0.1", "smtp_port": str(server.sockets[0].getsockname()[1])}
    finally:
        server.close()
        await server.wait_closed()


def at(outbound: Outbound, place: dict[str, str]) -> Outbound:
    return replace(outbound, inbox=replace(outbound.inbox, settings={**outbound.inbox.settings, **place}))


async def test_an_answer_reaches_a_real_mail_server_in_its_thread() -> None:
    async with sink() as (handler, place):
        sent = await EMAIL.send(at(OUTBOUND, place), NO_HTTP)
    (mail,) = handler.mails
    assert mail["Message-ID"] == sent.external_ids[0]
    assert mail["References"] == mail["In-Reply-To"] == "<een@burger.example>"
    assert mail["Date"] == DATE
    assert mail.get_content().strip() == "We komen dinsdag."
    assert handler.got[0].rcpt_tos == ["sanne@burger.example"]


async def test_a_send_that_is_repeated_is_the_same_mail_to_the_letter() -> None:
    async with sink() as (handler, place):
        first = await EMAIL.send(at(OUTBOUND, place), NO_HTTP)
        second = await EMAIL.send(at(OUTBOUND, place), NO_HTTP)
    assert first == second
    assert handler.got[0].original_content == handler.got[1].original_content


def test_another_send_is_another_mail() -> None:
    other = replace(OUTBOUND, our_id="t1/r1/0/2")
    assert compose(OUTBOUND, DATE).message_id != compose(other, DATE).message_id


def test_nothing_of_the_citizen_is_in_the_id() -> None:
    letter = compose(OUTBOUND, DATE)
    assert letter.message_id.endswith("@gemeente.test>")
    assert "sanne" not in letter.message_id


async def test_an_address_beyond_ascii_goes_where_the_server_takes_it() -> None:
    outbound = replace(OUTBOUND, address=Address(kind=AddressKind.MAILTO, value="renée@café.example"))
    async with sink() as (handler, place):
        await EMAIL.send(at(outbound, place), NO_HTTP)
    assert handler.got[0].rcpt_tos == ["renée@café.example"]
    assert handler.mails[0]["To"] == "renée@café.example"


async def test_an_address_beyond_ascii_is_refused_where_the_server_does_not() -> None:
    outbound = replace(OUTBOUND, address=Address(kind=AddressKind.MAILTO, value="renée@burger.example"))
    async with mail_server({"EHLO": "250 peer.test"}) as peer:
        failure = await failing(outbound, peer.port)
    assert (failure.reason, failure.code) == (Reason.RECIPIENT, "5.6.7")


async def failing(outbound: Outbound, port: int, email: Email = EMAIL) -> SendError:
    with pytest.raises(SendError) as failure:
        await email.send(at(outbound, {"smtp_host": "127.0.0.1", "smtp_port": str(port)}), NO_HTTP)
    assert "sanne" not in str(failure.value)
    return failure.value


class Hasty(Email):
    """The same channel with little patience."""

    limits = Limits(max_text=16_000, deadline=0.2)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        pytest.param("CONNECT", Reason.RETRY, id="silent from the start: nothing was sent"),
        pytest.param("RCPT", Reason.RETRY, id="silent before the content: nothing was sent"),
        pytest.param("END", Reason.UNKNOWN, id="silent after the content: it may have been sent"),
    ],
)
async def test_a_server_that_falls_silent_costs_no_more_than_the_deadline(stage: str, expected: Reason) -> None:
    loop = asyncio.get_running_loop()
    async with mail_server({stage: "(stall)"}) as peer:
        began = loop.time()
        failure = await failing(OUTBOUND, peer.port, Hasty())
    assert failure.reason is expected
    assert loop.time() - began < 2


async def test_a_server_that_is_slow_at_every_step_costs_no_more_than_the_deadline_in_all() -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    async def slow_at_every_step(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await _answer_slowly(reader, writer)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        done.set()

    server = await asyncio.start_server(slow_at_every_step, "127.0.0.1", 0)
    began = loop.time()
    failure = await failing(OUTBOUND, server.sockets[0].getsockname()[1], Hasty())
    took = loop.time() - began
    server.close()
    await done.wait()
    assert failure.reason is Reason.RETRY
    assert took < 2 * Hasty.limits.deadline


async def _answer_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answer = b"220 peer.test\r\n"
    while answer:
        await asyncio.sleep(Hasty.limits.deadline / 2)
        writer.write(answer)
        answer = b"250 ok\r\n" if await reader.readline() else b""


async def test_what_was_taken_stays_taken_when_the_goodbye_goes_wrong() -> None:
    async with mail_server({"QUIT": "(cut)"}) as peer:
        sent = await EMAIL.send(at(OUTBOUND, {"smtp_host": "127.0.0.1", "smtp_port": str(peer.port)}), NO_HTTP)
    assert sent.external_ids == (compose(OUTBOUND, DATE).message_id,)


async def test_without_a_server_in_the_settings_nothing_is_tried() -> None:
    with pytest.raises(SendError) as failure:
        await EMAIL.send(OUTBOUND, NO_HTTP)
    assert (failure.value.reason, failure.value.code) == (Reason.ACCOUNT, "settings")


def test_a_long_thread_keeps_its_first_and_its_last() -> None:
    ids = tuple(f"<{number}@burger.example>" for number in range(100))
    letter = compose(replace(OUTBOUND, references=ids, in_reply_to=ids[-1]), DATE)
    chain = message_from_bytes(letter.content, policy=policy.default)["References"].split()
    assert (chain[0], chain[-1], len(chain)) == (ids[0], ids[-1], MAX_REFERENCES)


@pytest.mark.parametrize(
    ("subject", "written"),
    [
        pytest.param("Lamp", "Re: Lamp", id="an answer says so"),
        pytest.param("Re: Lamp", "Re: Lamp", id="once"),
        pytest.param("ANTW: Lamp", "ANTW: Lamp", id="in the citizen's own program's way too"),
        pytest.param("Café is gesloten €", "Re: Café is gesloten €", id="in any letters"),
        pytest.param("  ", "Re: Uw bericht aan de gemeente", id="and never empty"),
    ],
)
def test_the_subject_is_that_of_the_citizen(subject: str, written: str) -> None:
    mail = message_from_bytes(compose(replace(OUTBOUND, subject=subject), DATE).content, policy=policy.default)
    assert mail["Subject"] == written


@pytest.mark.parametrize(
    ("code", "text", "stage", "expected"),
    [
        pytest.param(421, "te druk", Stage.CONNECT, Reason.RETRY, id="busy: later"),
        pytest.param(421, "4.7.0 rustig", Stage.CONNECT, Reason.RATE_LIMIT, id="too fast"),
        pytest.param(450, "4.2.1 grijs", Stage.RECIPIENT, Reason.RETRY, id="greylisted"),
        pytest.param(452, "4.2.2 vol", Stage.RECIPIENT, Reason.RETRY, id="full for now"),
        pytest.param(550, "5.1.1 nee", Stage.RECIPIENT, Reason.RECIPIENT, id="nobody of that name"),
        pytest.param(556, "5.1.10 nee", Stage.RECIPIENT, Reason.RECIPIENT, id="a domain without mail"),
        pytest.param(552, "5.2.2 vol", Stage.RECIPIENT, Reason.RECIPIENT, id="full for good"),
        pytest.param(552, "5.3.4 groot", Stage.CONTENT, Reason.CONTENT, id="too large"),
        pytest.param(552, "groot", Stage.CONTENT, Reason.CONTENT, id="too large, in three digits"),
        pytest.param(554, "5.7.1 spam", Stage.CONTENT, Reason.CONTENT, id="refused for what is in it"),
        pytest.param(550, "5.7.26 dmarc", Stage.CONTENT, Reason.ACCOUNT, id="not authenticated"),
        pytest.param(535, "5.7.8 nee", Stage.LOGIN, Reason.ACCOUNT, id="our password"),
        pytest.param(554, "5.4.6 rond", Stage.CONTENT, Reason.CONTENT, id="a loop"),
        pytest.param(554, "weg", Stage.CONNECT, Reason.ACCOUNT, id="we are not wanted at all"),
    ],
)
def test_a_refusal_means_what_the_table_says(code: int, text: str, stage: Stage, expected: Reason) -> None:
    assert reason(reply(code, text), stage) is expected


# --- any words whatever --------------------------------------------------------------------------------------

LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300)
WORDS = st.lists(LINES, min_size=1, max_size=5).map("\n".join)


@settings(max_examples=200, deadline=None)
@given(text=WORDS, subject=LINES)
def test_any_words_arrive_as_they_were_written(text: str, subject: str) -> None:
    mail = message_from_bytes(_composed(text, subject), policy=policy.default)
    assert mail.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert all(len(line) <= 998 for line in _composed(text, subject).split(b"\r\n"))


def _composed(text: str, subject: str) -> bytes:
    return compose(replace(OUTBOUND, part=Text(text=text), subject=subject), DATE).content


ANYTHING = st.text(max_size=30) | st.sampled_from(["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85", ">", ",", "@", " "])
SMUGGLED = st.tuples(ANYTHING, ANYTHING, ANYTHING).map(
    lambda parts: f"{parts[0]}{parts[1]}Bcc: x@elders.example{parts[2]}"
)
WRITTEN = {"From", "To", "Subject", "In-Reply-To", "References", "Date", "Message-ID", "X-Berichtenhub-Id"} | {
    "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
}  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(subject=SMUGGLED, address=SMUGGLED | st.just("sanne@burger.example"), thread=SMUGGLED)
def test_nothing_in_a_reply_can_write_a_header_of_its_own(subject: str, address: str, thread: str) -> None:
    to = Address(kind=AddressKind.MAILTO, value=address)
    outbound = replace(OUTBOUND, subject=subject, address=to, references=(thread, f"<{thread}>"))
    with suppress(SendError):
        letter = compose(outbound, DATE)
        assert set(message_from_bytes(letter.content).keys()) == WRITTEN
        assert letter.recipient == "sanne@burger.example"


def test_an_answer_to_our_own_mail_comes_back_into_its_thread() -> None:
    ours = compose(OUTBOUND, DATE)
    answer = f"From: sanne@burger.example\r\nIn-Reply-To: {ours.message_id}\r\n\r\nGoed.\r\n".encode()
    envelope = {"sender": "sanne@burger.example", "recipient": "meldingen@gemeente.test"}
    items: list[Any] = EMAIL.parse(Request("LMTP", "lmtp:mail", (), answer, envelope), Endpoint("mail", "email", "own"))
    assert isinstance(items[0], Message)
    assert items[0].thread == (ours.message_id,)
