"""The listener: our own mail server hands over mail by LMTP (RFC 2033), one answer for each recipient.

250 means that the hub has it; 451 that the mail server keeps it and comes again; 550 that no such inbox exists.
Until one of these is said, the mail is the mail server's: nothing is lost by a connection that is cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, AnyStr

import aiosmtpd.smtp
import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from services.channels.base import Receive, Request, Verdict
from services.channels.email.reading import MAX_BYTES

# It writes every address and line of every mail to its log.
aiosmtpd.smtp.log.disabled = True

METHOD = "LMTP"
MAX_LINE = 1_000_000
"""Bytes: what a sloppy program wrote on one line is no reason to bounce a citizen's mail."""
MAX_RECIPIENTS = 100
CLOSING = 10.0
"""Seconds that mails in hand have to be finished at close()."""

_ANSWERS = {
    Verdict.ACCEPTED: "250 2.0.0 kept",
    Verdict.NOT_NOW: "451 4.3.0 not now, come again",
    Verdict.REFUSED: "550 5.1.1 no such mailbox here",
}
_ONCE_EACH = ("500 Line too long", "552 Error: Too much")
_CLOSES = b"421 4.3.2 closing\r\n"
_STRANGER = b"554 5.7.1 not you\r\n"

log = structlog.get_logger()


class _Connection(LMTP):
    """One connection of the mail server."""

    line_length_limit = MAX_LINE

    def __init__(self, listener: LmtpListener, seconds: float) -> None:
        super().__init__(
            listener,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="hub",
            ident="LMTP",
            timeout=seconds,
            loop=asyncio.get_running_loop(),
        )
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Only those on the list; a mail's sender is believed because it came from our own server."""
        super().connection_made(transport)
        self._listener.connections.add(self)
        if not self._listener.lets_in(transport.get_extra_info("peername")):
            self.end(_STRANGER)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.connections.discard(self)
        super().connection_lost(error)

    def end(self, last_words: bytes) -> None:
        """Say why, and hang up."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.write(last_words)
            self.transport.close()

    async def push(self, status: AnyStr) -> None:
        """Send a reply; what aiosmtpd itself refuses after the content is refused to each recipient."""
        if str(status).startswith(_ONCE_EACH):
            await super().push(self._for_each(str(status)))
        else:
            await super().push(status)

    def _for_each(self, status: str) -> str:
        recipients = self.envelope.rcpt_tos if self.envelope else []
        return _each([status] * len(recipients))


class LmtpListener:
    """Listens until closed; hands every mail to `receive`, once for each recipient."""

    def __init__(self, endpoint: str, receive: Receive, allowed: frozenset[str]) -> None:
        self.connections: set[_Connection] = set()
        self._endpoint, self._receive, self._allowed = endpoint, receive, allowed
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None

    async def open(self, host: str, port: int, seconds: float) -> None:
        """Start listening; a connection that says nothing for `seconds` is hung up."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, seconds), host, port)
        self._address = self._server.sockets[0].getsockname()[:2]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on."""
        if self._address is None:
            raise RuntimeError("not listening yet")
        return self._address

    def lets_in(self, peer: tuple[Any, ...] | None) -> bool:
        """Say whether this peer is our own mail server."""
        return not self._closing and peer is not None and str(peer[0]) in self._allowed

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _: _Connection, __: Session, envelope: Envelope, address: str, ___: list[str]
    ) -> str:
        """Take down a recipient."""
        if self._closing:
            return "451 4.3.2 closing"
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 noted"

    async def handle_DATA(self, _: _Connection, __: Session, envelope: Envelope) -> str:  # noqa: N802
        """Hand the mail over for each recipient; one answer each, in their order."""
        with self._at_work():
            return _each([await self._handed_over(envelope, to) for to in envelope.rcpt_tos])

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        self._busy += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def _handed_over(self, envelope: Envelope, recipient: str) -> str:
        try:
            return _ANSWERS[await self._receive(_request(self._endpoint, envelope, recipient))]
        except Exception as failure:  # noqa: BLE001 - whatever it was: not kept, so the mail server must keep it
            log.warning("mail_not_kept", error=type(failure).__name__)
            return _ANSWERS[Verdict.NOT_NOW]

    async def close(self) -> None:
        """Take nothing new; return when what was begun is done, or after CLOSING seconds."""
        self._closing = True
        if self._server is not None:
            self._server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self._idle.wait()
        for connection in list(self.connections):
            connection.end(_CLOSES)


def _request(endpoint: str, envelope: Envelope, recipient: str) -> Request:
    sender = "" if envelope.mail_from in {None, "<>"} else str(envelope.mail_from)
    return Request(
        method=METHOD,
        url=f"lmtp:{endpoint}",
        headers=(),
        body=bytes(envelope.original_content or b""),
        envelope={"sender": sender, "recipient": recipient},
    )


def _each(answers: list[str]) -> str:
    return "\r\n".join(answers)


async def listen(endpoint: str, settings: Mapping[str, str], receive: Receive) -> LmtpListener:
    """Start listening as `settings` say: host, port, allow (addresses, comma between), timeout (seconds)."""
    allowed = settings.get("allow", "127.0.0.1,::1")
    listener = LmtpListener(endpoint, receive, frozenset(one.strip() for one in allowed.split(",")))
    port, seconds = int(settings.get("port", "2424")), float(settings.get("timeout", "60"))
    await listener.open(settings.get("host", "127.0.0.1"), port, seconds)
    return listener
