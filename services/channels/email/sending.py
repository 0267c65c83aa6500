"""One letter to our mail server, by SMTP, in a bounded time: it took it, it did not, or we cannot know.

Unknown begins with the content: from there on the server may have the mail although its answer never came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from aiosmtplib import SMTP, SMTPException, SMTPRecipientRefused, SMTPResponseException
from aiosmtplib.errors import SMTPAuthenticationError

from schemas.events import Reason
from services.channels.base import RateScope, SendError
from services.channels.email.codes import Stage, reason, reply
from services.channels.email.composing import Letter

GOODBYE = 1.0
"""Seconds that the server may take to say goodbye; the mail is its own by then."""


@dataclass(slots=True)
class _Progress:
    stage: Stage = Stage.CONNECT


async def deliver(letter: Letter, settings: Mapping[str, str], deadline: float) -> None:
    """Hand the letter to the server of the inbox; raises SendError."""
    client, progress = _client(settings, deadline), _Progress()
    try:
        async with asyncio.timeout(deadline):
            await _converse(client, letter, progress)
    except SMTPResponseException as refusal:
        raise _refused(refusal, progress.stage) from None
    except (SMTPException, OSError, ValueError) as failure:
        raise _broken(failure, progress.stage) from None
    finally:
        client.close()


def _client(settings: Mapping[str, str], deadline: float) -> SMTP:
    try:
        return SMTP(
            hostname=settings["smtp_host"],
            port=int(settings["smtp_port"]),
            local_hostname=settings.get("hello", "localhost"),
            username=settings.get("smtp_user"),
            password=settings.get("smtp_password"),
            use_tls=settings.get("smtp_tls") == "tls",
            start_tls=settings.get("smtp_tls") == "starttls",
            timeout=deadline,
        )
    except (KeyError, ValueError):
        raise SendError(Reason.ACCOUNT, code="settings") from None


async def _converse(client: SMTP, letter: Letter, progress: _Progress) -> None:
    await client.connect()
    await client.ehlo()
    options, encoding = _international(client, letter)
    progress.stage = Stage.SENDER
    await client.mail(letter.sender, options=options, encoding=encoding)
    progress.stage = Stage.RECIPIENT
    await client.rcpt(letter.recipient, encoding=encoding)
    progress.stage = Stage.CONTENT
    await client.data(letter.content)
    with suppress(SMTPException, OSError):
        await client.quit(timeout=GOODBYE)


def _international(client: SMTP, letter: Letter) -> tuple[list[str], str]:
    """Return options and encoding of the envelope; an address beyond ASCII needs RFC 6531 on the other side."""
    if letter.recipient.isascii():
        return [], "ascii"
    if not client.supports_extension("smtputf8"):
        raise SendError(Reason.RECIPIENT, code="5.6.7")
    return ["SMTPUTF8", "BODY=8BITMIME"], "utf-8"


def _refused(refusal: SMTPResponseException, stage: Stage) -> SendError:
    login = isinstance(refusal, SMTPAuthenticationError)
    said = reply(refusal.code, refusal.message)
    return SendError(reason(said, Stage.LOGIN if login else stage), code=said.best, scope=_scope(refusal))


def _scope(refusal: SMTPResponseException) -> RateScope:
    about_citizen = isinstance(refusal, SMTPRecipientRefused)
    return RateScope.RECIPIENT if about_citizen else RateScope.INBOX


def _broken(failure: Exception, stage: Stage) -> SendError:
    code = type(failure).__name__
    return SendError(Reason.UNKNOWN if stage is Stage.CONTENT else Reason.RETRY, code=code)
