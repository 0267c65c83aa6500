"""From one part of a reply to the mail that carries it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import policy
from email.headerregistry import Address as Written
from email.message import EmailMessage
from email.utils import parseaddr

from schemas.events import Reason
from schemas.parts import AddressKind, Text
from services.channels.base import Outbound, SendError
from services.channels.email.addresses import is_address, tagged
from services.channels.email.identity import OUR_ID_HEADER, mark, message_id

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ID = re.compile(r"<[^<>\s]+>")
_ANSWER = re.compile(r"\s*(re|antw|betr)\s*:", re.IGNORECASE)
_NO_SUBJECT = "Uw bericht aan de gemeente"
MAX_REFERENCES = 20


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail and its envelope. `sender` is empty for what may never be answered (RFC 3834, 3.3)."""

    sender: str
    recipient: str
    message_id: str
    content: bytes


def compose(outbound: Outbound, date: str) -> Letter:
    """Write the mail; raises SendError where the reply holds what no mail can carry."""
    mail = EmailMessage(policy=policy.SMTP)
    _address(mail, outbound)
    _refer(mail, outbound)
    _identify(mail, outbound, date)
    mail.set_content(_words(outbound), cte="quoted-printable")
    return Letter(
        sender=_envelope_sender(outbound),
        recipient=outbound.address.value,
        message_id=str(mail["Message-ID"]),
        content=_bytes(mail, outbound.address.value),
    )


def _address(mail: EmailMessage, outbound: Outbound) -> None:
    settings = outbound.inbox.settings
    named, address = parseaddr(settings.get("from", outbound.inbox.account))
    _set(mail, "From", _written(settings.get("from_name", named), address, Reason.ACCOUNT))
    _set(mail, "To", _written("", _recipient(outbound), Reason.RECIPIENT))
    if settings.get("reply_token") == "yes":
        _set(mail, "Reply-To", tagged(outbound.inbox.account, mark(outbound.our_id)))


def _recipient(outbound: Outbound) -> str:
    if outbound.address.kind is not AddressKind.MAILTO:
        raise SendError(Reason.RECIPIENT, code="no-mail-address")
    return outbound.address.value


def _written(name: str, address: str, otherwise: Reason) -> Written:
    """Return an address for a header; raises SendError with the reason `otherwise` when it is none."""
    if not is_address(address) or _CONTROL.search(address) or len(name.splitlines()) > 1:
        raise SendError(otherwise, code="malformed-address")
    local, _, domain = address.rpartition("@")
    return Written(display_name=name, username=local, domain=domain)


def _refer(mail: EmailMessage, outbound: Outbound) -> None:
    _set(mail, "Subject", _subject(outbound.subject))
    answered = _ids((outbound.in_reply_to or "",))
    if answered:
        _set(mail, "In-Reply-To", answered[0])
        _set(mail, "References", " ".join(_chain(outbound.references, answered[0])))


def _subject(subject: str | None) -> str:
    wanted = (subject or "").strip() or _NO_SUBJECT
    return wanted if _ANSWER.match(wanted) else f"Re: {wanted}"


def _chain(references: tuple[str, ...], last: str) -> list[str]:
    """Return the thread, oldest first, ending with what is answered (RFC 5322, 3.6.4); the first is never cut off."""
    ids = [one for one in _ids(references) if one != last]
    kept = ids if len(ids) < MAX_REFERENCES else [ids[0], *ids[-MAX_REFERENCES + 2 :]]
    return [*kept, last]


def _ids(candidates: tuple[str, ...]) -> list[str]:
    """Return those that are Message-IDs: the digest by which we know a mail without one says nothing outside."""
    return list(dict.fromkeys(one for one in candidates if _ID.fullmatch(one)))


def _identify(mail: EmailMessage, outbound: Outbound, date: str) -> None:
    _set(mail, "Date", date)
    _set(mail, "Message-ID", message_id(outbound.our_id, outbound.inbox.account))
    _set(mail, OUR_ID_HEADER, outbound.our_id)
    if outbound.automatic:
        _set(mail, "Auto-Submitted", "auto-replied")


def _set(mail: EmailMessage, name: str, value: str | Written) -> None:
    if _CONTROL.search(str(value)):
        raise SendError(Reason.CONTENT, code="control-character")
    try:
        mail[name] = value
    except ValueError:
        raise SendError(Reason.CONTENT, code="control-character") from None


def _words(outbound: Outbound) -> str:
    if not isinstance(outbound.part, Text):
        raise SendError(Reason.CONTENT, code="text-only")
    if _CONTROL.search(outbound.part.text):
        raise SendError(Reason.CONTENT, code="control-character")
    return outbound.part.text


def _envelope_sender(outbound: Outbound) -> str:
    if outbound.automatic:
        return ""
    _, address = parseaddr(outbound.inbox.settings.get("from", outbound.inbox.account))
    verp = outbound.inbox.settings.get("verp") == "yes"
    return tagged(outbound.inbox.account, mark(outbound.our_id)) if verp else address


def _bytes(mail: EmailMessage, recipient: str) -> bytes:
    return mail.as_bytes(policy=policy.SMTP if recipient.isascii() else policy.SMTPUTF8)
