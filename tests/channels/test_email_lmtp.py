"""Our mail server hands mail over: what it is told, and when, by a real LMTP conversation."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from services.channels.base import Endpoint, Message, Request, Verdict
from services.channels.email import lmtp
from services.channels.email.channel import Email
from services.channels.email.lmtp import LmtpListener
from services.channels.email.reading import MAX_BYTES

MAIL = b"From: sanne@burger.example\r\nSubject: Lamp\r\nMessage-ID: <een@burger.example>\r\n\r\nDe lamp is kapot.\r\n"
ENDPOINT = Endpoint("mail", "email", "own")
Answer = Callable[[Request], Awaitable[Verdict]]


@dataclass
class Hub:
    """What the listener hands mail to: it answers by the name of the mailbox, and keeps what it got."""

    got: list[Request] = field(default_factory=list)

    async def receive(self, request: Request) -> Verdict:
        self.got.append(request)
        name = request.envelope["recipient"].partition("@")[0]
        if name == "stuk":
            raise RuntimeError("De lamp is kapot")
        return {"later": Verdict.NOT_NOW, "niemand": Verdict.REFUSED}.get(name, Verdict.ACCEPTED)


@asynccontextmanager
async def listening(receive: Answer, **settings: str) -> AsyncIterator[LmtpListener]:
    listener = await Email().listen(ENDPOINT, {"port": "0", **settings}, receive)
    assert isinstance(listener, LmtpListener)
    try:
        yield listener
    finally:
        await listener.close()


@dataclass
class MailServer:
    """The other side: it says what it is told to say, and reads every answer."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: str = ""

    async def read(self) -> str:
        answer = b""
        while not answer or answer.splitlines()[-1][3:4] == b"-":
            line = await asyncio.wait_for(self.reader.readline(), 5)
            if not line:
                return answer.decode()
            answer += line
        return answer.decode().strip()

    async def say(self, line: str) -> str:
        self.writer.write(line.encode() + b"\r\n")
        return await self.read()

    async def hand_over(self, mail: bytes, *recipients: str) -> list[str]:
        await self.say("MAIL FROM:<sanne@burger.example>")
        for recipient in recipients:
            assert (await self.say(f"RCPT TO:<{recipient}>")).startswith("250")
        await self.say("DATA")
        self.writer.write(mail + b".\r\n")
        return [await self.read() for _ in recipients]


@asynccontextmanager
async def mail_server(listener: LmtpListener) -> AsyncIterator[MailServer]:
    reader, writer = await asyncio.open_connection(*listener.address)
    server = MailServer(reader, writer)
    try:
        await server.read()
        server.greeting = await server.say("LHLO mx.gemeente.test")
        yield server
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_an_ordinary_lmtp_client_is_told_250_and_the_mail_is_ours() -> None:
    hub = Hub()
    async with listening(hub.receive) as listener:
        await asyncio.to_thread(_by_smtplib, listener.address)
    (request,) = hub.got
    assert dict(request.envelope) == {"sender": "sanne@burger.example", "recipient": "Meldingen+x@gemeente.test"}
    assert request.body == MAIL
    Email().verify(request, ENDPOINT)
    (item,) = Email().parse(request, ENDPOINT)
    assert isinstance(item, Message)
    assert (item.account, item.external_id) == ("meldingen@gemeente.test", "<een@burger.example>")


def _by_smtplib(address: tuple[str, int]) -> None:
    with smtplib.LMTP(*address) as client:
        assert client.sendmail("sanne@burger.example", ["Meldingen+x@gemeente.test"], MAIL) == {}


async def test_each_recipient_gets_an_answer_of_its_own() -> None:
    hub = Hub()
    async with listening(hub.receive) as listener, mail_server(listener) as server:
        answers = await server.hand_over(MAIL, "meldingen@g.test", "later@g.test", "niemand@g.test", "afval@g.test")
    assert [answer[:3] for answer in answers] == ["250", "451", "550", "250"]
    assert [request.envelope["recipient"] for request in hub.got] == [
        "meldingen@g.test", "later@g.test", "niemand@g.test", "afval@g.test",
    ]  # fmt: skip


async def test_what_breaks_inside_is_not_now_and_no_word_of_it_is_told() -> None:
    with capture_logs() as logs:
        async with listening(Hub().receive) as listener, mail_server(listener) as server:
            (answer,) = await server.hand_over(MAIL, "stuk@g.test")
    assert answer.startswith("451")
    assert [(line["event"], line["error"]) for line in logs] == [("mail_not_kept", "RuntimeError")]
    assert "lamp" not in f"{logs}{answer}".lower()


async def test_a_bounce_has_an_empty_sender() -> None:
    hub = Hub()
    async with listening(hub.receive) as listener, mail_server(listener) as server:
        await server.say("MAIL FROM:<>")
        await server.say("RCPT TO:<meldingen@g.test>")
        await server.say("DATA")
        assert (await server.say("Subject: Bounce\r\n\r\n.")).startswith("250")
    assert hub.got[0].envelope["sender"] == ""


async def test_it_says_what_it_can_take() -> None:
    async with listening(Hub().receive) as listener, mail_server(listener) as server:
        greeting = server.greeting
    assert {"8BITMIME", "SMTPUTF8"} <= set(greeting.replace("250-", "250 ").replace("250 ", "").split())
    assert f"SIZE {MAX_BYTES}" in greeting


async def test_letters_beyond_ascii_in_address_and_mail_are_kept() -> None:
    hub = Hub()
    async with listening(hub.receive) as listener, mail_server(listener) as server:
        await server.say("MAIL FROM:<renée@burger.example> SMTPUTF8 BODY=8BITMIME")
        await server.say("RCPT TO:<meldingen@g.test>")
        await server.say("DATA")
        assert (await server.say("Subject: Café\r\n\r\nTe luid.\r\n.")).startswith("250")
    assert hub.got[0].envelope["sender"] == "renée@burger.example"
    assert "Café".encode() in hub.got[0].body


async def test_a_mail_that_says_it_is_too_large_is_refused_before_it_comes() -> None:
    async with listening(Hub().receive) as listener, mail_server(listener) as server:
        answer = await server.say(f"MAIL FROM:<a@b.example> SIZE={MAX_BYTES + 1}")
    assert answer.startswith("552")


async def test_a_mail_that_is_too_large_is_refused_to_each_recipient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmtp, "MAX_BYTES", 1000)
    hub = Hub()
    async with listening(hub.receive) as listener, mail_server(listener) as server:
        answers = await server.hand_over(MAIL + b"x" * 998 + b"\r\n", "een@g.test", "twee@g.test")
        after = await server.say("NOOP")
    assert [answer[:3] for answer in answers] == ["552", "552"]
    assert after.startswith("250")
    assert hub.got == []


async def test_a_line_longer_than_the_rules_allow_is_no_reason_to_bounce_a_citizen() -> None:
    hub = Hub()
    async with listening(hub.receive) as listener, mail_server(listener) as server:
        (answer,) = await server.hand_over(MAIL + b"x" * 100_000 + b"\r\n", "een@g.test")
    assert answer.startswith("250")
    assert len(hub.got[0].body) > 100_000


async def test_a_line_without_end_is_refused_to_each_recipient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmtp._Connection, "line_length_limit", 2000)
    async with listening(Hub().receive) as listener, mail_server(listener) as server:
        answers = await server.hand_over(b"x" * 10_000 + b"\r\n", "een@g.test", "twee@g.test")
    assert [answer[:3] for answer in answers] == ["500", "500"]


async def test_a_stranger_is_not_let_in() -> None:
    hub = Hub()
    async with listening(hub.receive, allow="192.0.2.1") as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        writer.write(b"LHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<een@g.test>\r\nDATA\r\n")
        told = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert b"554" in told
    assert b"250" not in told
    assert hub.got == []


async def test_who_says_nothing_is_hung_up_on() -> None:
    async with listening(Hub().receive, timeout="0.05") as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        told = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert told.startswith(b"220")


async def test_a_line_cut_in_the_middle_of_a_mail_hands_nothing_over() -> None:
    hub = Hub()
    async with listening(hub.receive) as listener:
        async with mail_server(listener) as server:
            await server.say("MAIL FROM:<sanne@burger.example>")
            await server.say("RCPT TO:<meldingen@g.test>")
            await server.say("DATA")
            server.writer.write(MAIL)
        async with mail_server(listener) as again:
            await again.hand_over(MAIL, "meldingen@g.test")
    assert [request.body for request in hub.got] == [MAIL]


async def test_closing_finishes_the_mail_in_hand_and_takes_no_other() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Verdict:
        arrived.set()
        await go_on.wait()
        return Verdict.ACCEPTED

    async with listening(slow) as listener, mail_server(listener) as server, mail_server(listener) as other:
        handing_over = asyncio.create_task(server.hand_over(MAIL, "meldingen@g.test"))
        await arrived.wait()
        closing = asyncio.create_task(listener.close())
        await asyncio.sleep(0)
        assert not closing.done()
        with pytest.raises(OSError):  # noqa: PT011 - refused, in whatever words of the system
            await asyncio.open_connection(*listener.address)
        await other.say("MAIL FROM:<a@b.example>")
        assert (await other.say("RCPT TO:<meldingen@g.test>")).startswith("451")
        go_on.set()
        assert (await handing_over)[0].startswith("250")
        await asyncio.wait_for(closing, 5)
        assert (await server.read()).startswith("421")


async def test_closing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmtp, "CLOSING", 0.05)
    arrived = asyncio.Event()

    async def stuck(_: Request) -> Verdict:
        arrived.set()
        await asyncio.Event().wait()
        return Verdict.ACCEPTED

    async with listening(stuck) as listener, mail_server(listener) as server:
        handing_over = asyncio.create_task(server.hand_over(MAIL, "meldingen@g.test"))
        await arrived.wait()
        await asyncio.wait_for(listener.close(), 5)
        (answer,) = await handing_over
    assert not answer.startswith("250")


async def test_no_log_of_any_library_tells_who_wrote_or_what(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with listening(Hub().receive) as listener, mail_server(listener) as server:
        await server.hand_over(MAIL, "meldingen@gemeente.test")
    assert [word for word in ("sanne", "meldingen", "lamp") if word in caplog.text] == []
