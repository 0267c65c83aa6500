"""A stand-in for the citizens' mail: it catches what the hub sends and hands in what they write."""

from __future__ import annotations

import asyncio
import smtplib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class MailCatcher:
    """An SMTP server that keeps every mail it is given."""

    caught: list[EmailMessage] = field(default_factory=list)
    _controller: Controller | None = None

    def start(self, port: int) -> None:
        """Listen on loopback."""
        self._controller = Controller(self, hostname="127.0.0.1", port=port)
        self._controller.start()

    def close(self) -> None:
        """Stop listening."""
        if self._controller:
            self._controller.stop()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one mail."""
        content = envelope.original_content or b""
        mail = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
        self.caught.append(mail)
        return "250 caught"


def written(sender: str, to: str, subject: str, text: str, message_id: str) -> EmailMessage:
    """Return a mail as a citizen writes it."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = sender, to, subject, message_id
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail.set_content(text)
    return mail


async def hand_in(mail: EmailMessage, port: int) -> None:
    """Hand a mail to the hub by LMTP, as the town's own mail server would; raises smtplib's errors when refused."""
    await asyncio.to_thread(_deliver, mail, port)


def _deliver(mail: EmailMessage, port: int) -> None:
    with smtplib.LMTP("127.0.0.1", port) as lmtp:
        lmtp.send_message(mail)
