"""Two more reports: our mail was read (MDN, RFC 8098), or called unwanted at the citizen's provider (ARF, RFC 5965)."""

from __future__ import annotations

from email.message import Message

from schemas.events import DeliveryStatus
from services.channels.base import AccountChange, Receipt
from services.channels.email.addresses import Recipient
from services.channels.email.dates import date
from services.channels.email.identity import external_id, ids_in
from services.channels.email.originals import original
from services.channels.email.reading import children, content_of, decoded, header, media_type

COMPLAINT = "complaint"


def complaints(mail: Message, raw: bytes, to: Recipient) -> list[AccountChange]:
    """Return the complaint in a feedback report, with its kind as code; nothing when this is none."""
    return [
        AccountChange(
            account=to.account,
            external_id=external_id(mail, raw),
            happened=date(mail),
            change=COMPLAINT,
            code=field(part, "feedback-type").lower() or None,
        )
        for part in _reports(mail, "message/feedback-report")
    ][:1]


def readings(mail: Message, raw: bytes, to: Recipient) -> list[Receipt]:
    """Return the receipt in a disposition notification; nothing when this is none."""
    return [
        Receipt(
            account=to.account,
            external_id=next(iter(ids_in(field(part, "original-message-id"))), about.external_id),
            happened=date(mail),
            status=_status(field(part, "disposition")),
            our_id=about.our_id,
        )
        for part in _reports(mail, "message/disposition-notification")
        for about in [original(mail, raw, to)]
    ][:1]


def _reports(mail: Message, kind: str) -> list[Message]:
    inside = children(mail) if media_type(mail) == "multipart/report" else []
    return [part for part in inside if media_type(part) == kind]


def _status(disposition: str) -> DeliveryStatus:
    """Displayed is read; anything else only proves that it arrived (RFC 8098, 3.2.6)."""
    seen = disposition.rpartition(";")[2].strip().lower().startswith("displayed")
    return DeliveryStatus.READ if seen else DeliveryStatus.DELIVERED


def field(part: Message, name: str) -> str:
    """Return a field of a report, whether the parser made headers of its lines or left them text."""
    in_headers = [header(child, name) for child in children(part)]
    lines = decoded(content_of(part), "utf-8").splitlines()
    in_text = [value.strip() for key, _, value in (line.partition(":") for line in lines) if key.lower() == name]
    return next((value for value in in_headers + in_text if value), "")
