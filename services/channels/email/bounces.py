"""Bounces and delays: what a mail server says became of a mail of ours (RFC 3464), and what older ones write instead.

Whoever reads carefully needs two things: which of our mails it is about, and why. A bounce that names none of ours
still becomes a receipt, under its own id, so that it is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from schemas.events import DeliveryStatus, Reason
from schemas.parts import Address, AddressKind
from services.channels.base import Receipt
from services.channels.email.addresses import Recipient, is_address, plain
from services.channels.email.automatic import is_from_mail_system
from services.channels.email.body import walked
from services.channels.email.dates import date
from services.channels.email.meanings import Meaning, meaning
from services.channels.email.originals import Original, original
from services.channels.email.reading import children, header, media_type

MAX_REPORTS = 50
MAX_EXPLANATION = 8_000


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mail for one recipient, in the server's own terms."""

    action: str
    status: str | None
    words: str
    recipient: str | None = None


def bounces(mail: Message, raw: bytes, envelope_sender: str, to: Recipient) -> list[Receipt]:
    """Return a receipt for each recipient that the bounce is about; none when this is no bounce."""
    found = fates(mail, envelope_sender)
    return _receipts(found, original(mail, raw, to), mail, to) if found else []


def fates(mail: Message, envelope_sender: str) -> list[Fate]:
    """Return what it says of each recipient; nothing when this is no bounce."""
    told = list(_told_by_the_rules(mail))[:MAX_REPORTS]
    if told:
        return told
    return [_told_in_words(mail)] if _is_bounce_in_words(mail, envelope_sender) else []


def _receipts(found: list[Fate], about: Original, mail: Message, to: Recipient) -> list[Receipt]:
    return [_receipt(fate, about, mail, to) for fate in found]


def _receipt(fate: Fate, about: Original, mail: Message, to: Recipient) -> Receipt:
    status = _STATUSES.get(fate.action, DeliveryStatus.FAILED)
    means = _means(fate, status)
    return Receipt(
        account=to.account,
        external_id=about.external_id,
        happened=date(mail),
        status=status,
        our_id=about.our_id,
        reason=means.reason if means else None,
        code=fate.status,
        permanent=means.dead if means else None,
        recipient=_address(fate.recipient),
    )


_STATUSES = {
    "delayed": DeliveryStatus.ACCEPTED,
    "delivered": DeliveryStatus.DELIVERED,
    "relayed": DeliveryStatus.SENT,
    "expanded": DeliveryStatus.SENT,
}


def _means(fate: Fate, status: DeliveryStatus) -> Meaning | None:
    if status is DeliveryStatus.FAILED:
        return meaning(fate.status, fate.words)
    return Meaning(Reason.RETRY) if fate.action == "delayed" else None


def _address(written: str | None) -> Address | None:
    return Address(kind=AddressKind.MAILTO, value=written) if written else None


# --- by the rules: RFC 3464 ----------------------------------------------------------------------------------


def _told_by_the_rules(mail: Message) -> Iterator[Fate]:
    for part in _status_parts(mail):
        yield from (_fate(block) for block in _blocks(part) if _is_about_recipient(block))


def _status_parts(mail: Message) -> list[Message]:
    """Return the reports of this mail itself; those of a mail that somebody attached are no news to us."""
    inside = children(mail) if media_type(mail) == "multipart/report" else []
    return [part for part in inside if media_type(part) == "message/delivery-status"]


def _blocks(part: Message) -> list[Message]:
    return children(part)


def _is_about_recipient(block: Message) -> bool:
    return any(name in block for name in ("final-recipient", "original-recipient", "action"))


def _fate(block: Message) -> Fate:
    words = header(block, "diagnostic-code")
    status = best_status(header(block, "status"), words)
    return Fate(header(block, "action").lower() or "failed", status, words, _recipient(block))


def _recipient(block: Message) -> str | None:
    for name in ("original-recipient", "final-recipient"):
        written = plain(header(block, name).rpartition(";")[2])
        if is_address(written):
            return written
    return None


# --- in words ------------------------------------------------------------------------------------------------

_SUBJECT = re.compile(
    r"undeliver|delivery (status|failure|has failed)|returned mail|failure notice|mail (delivery )?failed|delayed"
    r"|could not be delivered|errors from|onbestelbaar|niet (af)?geleverd|niet bezorgd|mail system error",
    re.IGNORECASE,
)
_STILL_TRYING = re.compile(
    r"delayed|still being retried|not yet been delivered|warning only|wordt opnieuw geprobeerd",
    re.IGNORECASE,
)
_RETURNED = re.compile(
    r"^\W*(original message|message text|returned message|this is a copy of|below this line is|below is a copy"
    r"|original headers|received:)",
    re.IGNORECASE | re.MULTILINE,
)


def _is_bounce_in_words(mail: Message, envelope_sender: str) -> bool:
    failed = "x-failed-recipients" in mail or _SUBJECT.search(header(mail, "subject"))
    return bool(failed) and is_from_mail_system(mail, envelope_sender)


def _told_in_words(mail: Message) -> Fate:
    words = _explanation(mail)
    trying = _STILL_TRYING.search(f"{header(mail, 'subject')}\n{words}")
    return Fate("delayed" if trying else "failed", best_status("", words), words, _failed(mail))


def _explanation(mail: Message) -> str:
    """Return the server's own words, without the mail that it gives back."""
    said = "\n".join(walked(mail).texts)[:MAX_EXPLANATION]
    returned = _RETURNED.search(said)
    return said[: returned.start()] if returned and returned.start() else said


def _failed(mail: Message) -> str | None:
    written = plain(header(mail, "x-failed-recipients").partition(",")[0])
    return written if is_address(written) else None


# --- the status ----------------------------------------------------------------------------------------------

_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REFUSED = re.compile(r"(?<![\d.])([45]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[ :,-])")
_SAYS_NOTHING = re.compile(r"[245]\.0\.0")


def best_status(said: str, words: str) -> str | None:
    """Return the most precise status: the one said, unless it says nothing, else one among the words, else a reply."""
    given = _ENHANCED.findall(said)
    better = [one for one in given + _REFUSED.findall(words) if not _SAYS_NOTHING.fullmatch(one)]
    return next(iter(better + given + _REPLY.findall(words)), None)
