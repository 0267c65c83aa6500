"""Those at the other end, as a case scripts them: an HTTP API, a mail server, a network that is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from schemas.events import Reason
from services.channels.base import HttpResponse, SendError


def check_same(got: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Both, laid side by side when they differ."""
    other = {name: value for name, value in got.items() if value != expected[name]}
    assert not other, f"got {other}, not { {name: expected[name] for name in other} }"


@dataclass
class ScriptedApi:
    """An API that answers as the case says, in its order, and checks what it is asked."""

    responses: Sequence[Mapping[str, Any]]
    asked: int = 0

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> HttpResponse:
        assert deadline > 0
        assert self.asked < len(self.responses), f"a call that the case does not know: {method} {url}"
        step = self.responses[self.asked]
        self.asked += 1
        _check(step["expect"], method, url, {name.lower(): value for name, value in headers.items()}, body)
        return _answer(step["answer"])

    def check_all_asked(self) -> None:
        assert self.asked == len(self.responses), f"{len(self.responses) - self.asked} calls were never made"


def _check(expect: Mapping[str, Any], method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
    asked: dict[str, Any] = {"method": method, "url": url, "body": body.decode(errors="backslashreplace")}
    asked["headers"] = {name: headers.get(name.lower()) for name in expect.get("headers", {})}
    if "json" in expect:
        asked["json"] = json.loads(body)
    check_same({name: asked[name] for name in expect}, expect)


def _answer(answer: Mapping[str, Any]) -> HttpResponse:
    if "raises" in answer:
        raise SendError(Reason(answer["raises"]))
    body = json.dumps(answer["json"]) if "json" in answer else answer.get("body", "")
    headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
    return HttpResponse(answer.get("status", 200), headers, body.encode())


@dataclass(frozen=True)
class BrokenNetwork:
    """A network that fails, before or after the request left."""

    reason: Reason

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> HttpResponse:
        raise SendError(self.reason)


# --- a mail server -------------------------------------------------------------------------------------------

_WELL = {
    "CONNECT": "220 peer.test ESMTP",
    "EHLO": "250-peer.test\r\n250-8BITMIME\r\n250 SMTPUTF8",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go ahead",
    "END": "250 2.0.0 queued",
    "QUIT": "221 2.0.0 bye",
}


@dataclass
class ScriptedMailServer:
    """An SMTP server that answers each stage as the case says, and keeps what it was given."""

    answers: Mapping[str, str]
    port: int = 0
    mail_from: str | None = None
    rcpt_to: list[str] = field(default_factory=list)
    mail: bytes | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            await _hang_up(writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        going = await self._say("CONNECT", writer)
        while going and (line := await reader.readline()):
            verb = line.decode().split(maxsplit=1)[0].strip().upper()
            self._note(verb, line.decode())
            going = await self._say("EHLO" if verb == "HELO" else verb, writer)
            if going and verb == "DATA" and self._reply("DATA").startswith("3"):
                self.mail = unstuffed(await reader.readuntil(b"\r\n.\r\n"))
                going = await self._say("END", writer)

    def _note(self, verb: str, line: str) -> None:
        address = line.partition("<")[2].partition(">")[0]
        if verb == "MAIL":
            self.mail_from = address
        elif verb == "RCPT":
            self.rcpt_to.append(address)

    def _reply(self, stage: str) -> str:
        return self.answers.get(stage, _WELL.get(stage, "250 2.0.0 ok"))

    async def _say(self, stage: str, writer: asyncio.StreamWriter) -> bool:
        reply = self._reply(stage)
        if reply == "(stall)":
            await asyncio.Event().wait()
        if reply == "(cut)":
            return False
        writer.write(reply.encode() + b"\r\n")
        await writer.drain()
        return stage != "QUIT" and not reply.startswith("421")

    def check(self, expect: Mapping[str, Any]) -> None:
        mail = message_from_bytes(self.mail or b"", policy=default)
        assert isinstance(mail, EmailMessage)
        got: dict[str, Any] = {"mail_from": self.mail_from, "rcpt_to": self.rcpt_to}
        got["headers"] = {name: _header(mail, name) for name in expect.get("headers", {})}
        if "text" in expect:
            plain = mail.get_body(("plain",))
            got["text"] = plain.get_content().strip().replace("\r\n", "\n") if plain else None
        check_same({name: got[name] for name in expect}, expect)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def unstuffed(data: bytes) -> bytes:
    """Return the mail without the dots that only the wire needs (RFC 5321, 4.5.2)."""
    return data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")


def _header(mail: EmailMessage, name: str) -> str | None:
    value = mail.get(name)
    return None if value is None else str(value)


@asynccontextmanager
async def mail_server(answers: Mapping[str, str]) -> AsyncIterator[ScriptedMailServer]:
    """Run a scripted mail server on this machine; when it ends, nothing of it stays."""
    peer = ScriptedMailServer(answers)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(peer.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
