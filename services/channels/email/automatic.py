"""Is this mail a machine's? Such a mail may never be answered by a machine (RFC 3834, section 2)."""

from __future__ import annotations

import re
from email.message import Message

from services.channels.email.addresses import answer_to, author
from services.channels.email.reading import header, media_type, raw_headers

_BULK = {"bulk", "junk", "list", "auto_reply", "auto-reply"}
_PRESENT = (
    "list-id",
    "list-unsubscribe",
    "x-autoreply",
    "x-autorespond",
    "x-autoresponder",
    "x-autoresponse",
    "x-loop",
    "x-failed-recipients",
    "x-ms-exchange-message-is-ndr",
    "feedback-id",
)
_SUPPRESSED = {"all", "oof", "autoreply", "dr", "ndr", "rn", "nrn"}
_DAEMONS = re.compile(
    r"(mailer-?daemon|mail-?daemon|postmaster|no-?reply|do-?not-?reply|niet-?beantwoorden|bounces?)\b"
)
_MAIL_SYSTEMS = re.compile(r"(mailer-?daemon|mail-?daemon|po+stmaster)@")
_NOBODY = {"", "<>"}
_SUBJECTS = re.compile(
    r"^\s*(auto(matic)?[ -]?repl(y|ied)|automatisch antwoord|automatische (reactie|beantwoording)"
    r"|out of( the)? office|afwezig(heid)?\b|niet aanwezig|abwesenheits?notiz|auto-?antwoord|auto:)",
    re.IGNORECASE,
)


def is_automatic(mail: Message, envelope_sender: str | None) -> bool:
    """Say whether a machine wrote this, or answering it by machine could start a loop. None: no envelope known."""
    return (
        envelope_sender in _NOBODY
        or _says_so(mail)
        or _is_bulk(mail)
        or media_type(mail) == "multipart/report"
        or _is_machine(mail)
        or _SUBJECTS.match(header(mail, "subject")) is not None
    )


def is_from_mail_system(mail: Message, envelope_sender: str | None) -> bool:
    """Say whether a mail server wrote this: by the empty sender of RFC 5321, 4.5.5, or by the name it goes by."""
    who = author(mail)
    named = who is not None and _MAIL_SYSTEMS.match(who.address) is not None
    return named or envelope_sender in _NOBODY


def _says_so(mail: Message) -> bool:
    values = (value.partition(";")[0].strip().lower() for value in raw_headers(mail, "auto-submitted"))
    return any(value not in {"no", ""} for value in values)


def _is_bulk(mail: Message) -> bool:
    precedence = header(mail, "precedence").lower()
    return precedence in _BULK or _is_suppressed(mail) or any(name in mail for name in _PRESENT)


def _is_suppressed(mail: Message) -> bool:
    asked = re.split(r"[,\s]+", header(mail, "x-auto-response-suppress").lower())
    return not _SUPPRESSED.isdisjoint(asked)


def _is_machine(mail: Message) -> bool:
    answered = answer_to(mail, "")
    return answered is not None and _DAEMONS.match(answered.address) is not None
