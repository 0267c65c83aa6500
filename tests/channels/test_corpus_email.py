"""Real mails of many programs and thirty years, read as somebody who knew them well says they should be.

The corpus lies beside the checkout (third-party mails, never copied into it); HUB_CORPUS names another folder of the
same layout. Where we read otherwise on purpose, the table says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message as RawMail
from pathlib import Path
from typing import Any

import pytest

from schemas.events import Reason
from schemas.parts import Document, Image
from services.channels.base import AccountChange, Endpoint, Item, Message, Receipt, Request
from services.channels.email.addresses import author, mailboxes
from services.channels.email.automatic import is_automatic
from services.channels.email.bounces import fates
from services.channels.email.channel import Email
from services.channels.email.dates import date
from services.channels.email.identity import ids_in
from services.channels.email.quotes import trimmed
from services.channels.email.reading import header, media_type, raw_headers, read
from tests.channels.corpus import corpus

EMAIL, ENDPOINT = Email(), Endpoint("mail", "email", "own")


@dataclass(frozen=True)
class Mail:
    name: str
    raw: bytes
    sidecar: dict[str, Any]

    @property
    def expected(self) -> dict[str, Any]:
        expected: dict[str, Any] = self.sidecar["expected"]
        return expected

    @property
    def envelope_sender(self) -> str:
        """What our own mail server would have said: the file only has what a last one wrote on top."""
        written = raw_headers(read(self.raw), "return-path")
        return written[0].strip("<> ") if written else "unknown@somewhere.example"

    def items(self) -> list[Item]:
        to = next(iter(self.expected.get("message", {}).get("to") or []), "meldingen@gemeente.example")
        request = Request("LMTP", "lmtp:mail", (), self.raw, {"sender": self.envelope_sender, "recipient": to})
        EMAIL.verify(request, ENDPOINT)
        return EMAIL.parse(request, ENDPOINT)


def payloads(folder: str) -> list[Mail]:
    sidecars = sorted((corpus() / folder).glob("*.expected.json"))
    return [_mail(sidecar) for sidecar in sidecars]


def _mail(sidecar: Path) -> Mail:
    name = sidecar.name.removesuffix(".expected.json")
    (payload,) = [one for one in sidecar.parent.glob(f"{name}.*") if one != sidecar]
    return Mail(f"{sidecar.parent.name}/{name}", payload.read_bytes(), json.loads(sidecar.read_text()))


# --- where we read otherwise, on purpose ---------------------------------------------------------------------

_A_REPORT = "a delivery report by RFC 3464; the sidecar only read its headers"
_A_SUBJECT_OR_NAME = (
    "the subject or sender says that a machine wrote it; the sidecar only looked at the headers of RFC 3834"
)
_RAW_BYTES = "raw bytes beyond ASCII in a header: we find the characters, the sidecar replaced them"
_WROTE_TO = "we name the address that we wrote to (Original-Recipient), the sidecar the last one it went to"

OTHERWISE: dict[tuple[str, str], str] = {
    ("cpython_msg_16", "kind"): _A_REPORT,
    ("cpython_msg_25", "kind"): _A_REPORT,
    ("mikel_mime_emails_raw_email_with_mimepart_without_content_type", "kind"): _A_REPORT,
    ("flanker_disposition_notification", "kind"): "a reading confirmed (RFC 8098) is a receipt, not a message",
    ("sisimai_lhost_amazonses_09", "kind"): "Amazon's own JSON, in a mail by a no-reply: kept as an automatic message",
    ("sisimai_lhost_amazonses_09", "automatic"): "its sender is a no-reply",
    (
        "mikel_plain_emails_raw_email_trailing_dot",
        "automatic",
    ): "its sender is a no-reply",
    ("flanker_bounce_broken_mime", "automatic"): _A_SUBJECT_OR_NAME,
    ("flanker_long_links", "automatic"): "its sender is a postmaster",
    ("sisimai_lhost_gmail_19", "automatic"): _A_SUBJECT_OR_NAME,
    ("sisimai_lhost_postfix_75", "automatic"): _A_SUBJECT_OR_NAME,
    ("sisimai_lhost_zoho_05", "automatic"): _A_SUBJECT_OR_NAME,
    ("sisimai_rfc3464_34", "automatic"): _A_SUBJECT_OR_NAME,
    ("sisimai_rfc3464_37", "automatic"): _A_SUBJECT_OR_NAME,
    ("sisimai_rfc3834_03", "automatic"): _A_SUBJECT_OR_NAME,
    ("flanker_mailformed_headers", "to"): _RAW_BYTES,
    ("flanker_mailformed_headers", "subject"): _RAW_BYTES,
    ("mikel_error_emails_invalid_subject_characters", "subject"): _RAW_BYTES,
    ("cpython_msg_25", "to"): "two To headers: we read both",
    ("mikel_error_emails_missing_body", "to"): "nobody can be written to at `@mailman.enron.com`",
    (
        "mikel_plain_emails_raw_email_multiple_from",
        "to",
    ): "only half an address: we read the text",
    ("mikel_plain_emails_raw_email_multiple_from", "reply_to"): "as its to",
    ("mikel_attachment_emails_attachment_message_rfc822_inline_image", "attachments"): "a mail attached is kept whole",
    ("mikel_multipart_report_emails_multipart_report_multiple_status", "dsn"): "the same address, without its brackets",
    ("sisimai_lhost_exchange2007_04", "dsn"): _WROTE_TO,
    ("sisimai_lhost_postfix_01", "dsn"): _WROTE_TO,
    ("sisimai_rhost_google_06", "dsn"): _WROTE_TO,
    ("sisimai_lhost_postfix_32", "dsn"): "a name in quotes is no address that we would write to",
}
"""(mail, field): why. A status that the source made up (x.0.9xx, where the server gave none) is never compared."""

KINDS = {"messages": Message, "auto_reply": Message, "bounce": Receipt, "complaint": AccountChange}
SECOND_READER = {"sender_id": "from", "subject": "subject", "timestamp": "date", "message_id": "message_id"}
REASONS = {
    "userunknown": {Reason.RECIPIENT}, "hostunknown": {Reason.RECIPIENT}, "hasmoved": {Reason.RECIPIENT},
    "notaccept": {Reason.RECIPIENT}, "mailboxfull": {Reason.RECIPIENT}, "suspend": {Reason.RECIPIENT},
    "expired": {Reason.RETRY}, "networkerror": {Reason.RETRY}, "systemerror": {Reason.RETRY},
    "mailererror": {Reason.RETRY},
    "authfailure": {Reason.ACCOUNT}, "badreputation": {Reason.ACCOUNT}, "requireptr": {Reason.ACCOUNT, Reason.RETRY},
    "blocked": {Reason.ACCOUNT}, "rejected": {Reason.ACCOUNT, Reason.OTHER},
    "securityerror": {Reason.ACCOUNT, Reason.CONTENT}, "policyviolation": {Reason.CONTENT},
    "spamdetected": {Reason.CONTENT}, "virusdetected": {Reason.CONTENT}, "undefined": {Reason.OTHER},
}  # fmt: skip
"""What the source calls it, and what may follow from it here."""


# --- the comparison ------------------------------------------------------------------------------------------


def differences(mail: Mail) -> dict[str, tuple[object, object]]:
    """Every field that both we and the sidecar read, and read otherwise: what we say, what it says."""
    pairs = {**_kind(mail), **_headers(mail), **_attached(mail), **_fates(mail), **_bounced(mail)}
    return {field: pair for field, pair in pairs.items() if _bare(pair[0]) != _bare(pair[1])}


def _bare(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False).lower().replace(' "', '"')


def _kind(mail: Mail) -> dict[str, tuple[object, object]]:
    found = {type(item).__name__ for item in mail.items()}
    return {"kind": (sorted(found), [KINDS[mail.expected["outcome"]].__name__])}


def _headers(mail: Mail) -> dict[str, tuple[object, object]]:
    expected, unsure = mail.expected["message"], mail.sidecar.get("second_reader", {}).get("disagrees_on", [])
    agreed = [field for field in READ if field in expected and SECOND_READER.get(field) not in unsure]
    compared = {field: (READ[field](read(mail.raw)), expected[field]) for field in agreed}
    automatic = is_automatic(read(mail.raw), mail.envelope_sender)
    return compared | {"automatic": (automatic, not expected["may_auto_reply"])}


def _sender(mail: RawMail) -> str | None:
    who = author(mail)
    return who.address if who else None


def _when(mail: RawMail) -> str | None:
    moment = date(mail)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _ids(name: str) -> Callable[[RawMail], list[str]]:
    return lambda mail: [one for value in raw_headers(mail, name) for one in ids_in(value)]


READ: dict[str, Callable[[RawMail], object]] = {
    "sender_id": _sender,
    "to": lambda mail: [box.address for box in mailboxes(mail, "to")],
    "reply_to": lambda mail: [box.address for box in mailboxes(mail, "reply-to")],
    "subject": lambda mail: header(mail, "subject"),
    "timestamp": _when,
    "message_id": lambda mail: next(iter(_ids("message-id")(mail)), None),
    "in_reply_to": _ids("in-reply-to"),
    "references": _ids("references"),
    "root_content_type": media_type,
}


def _attached(mail: Mail) -> dict[str, tuple[object, object]]:
    messages = [item for item in mail.items() if isinstance(item, Message)]
    if "attachments" not in mail.expected["message"] or not messages:
        return {}
    parts = [part for part in messages[0].parts if isinstance(part, Document | Image)]
    ours = [[part.filename, part.media_type] for part in parts if part.filename != "bericht.eml"]
    theirs = [[one.get("filename"), one.get("mime")] for one in mail.expected["message"]["attachments"]]
    return {"attachments": (ours, theirs)}


def _fates(mail: Mail) -> dict[str, tuple[object, object]]:
    if "dsn" not in mail.expected["message"]:
        return {}
    ours = [[fate.recipient, fate.action, fate.status] for fate in fates(read(mail.raw), mail.envelope_sender)]
    theirs = [[one["recipient"], one["action"], one.get("status")] for one in mail.expected["message"]["dsn"]]
    return {"dsn": (ours, theirs)}


def _bounced(mail: Mail) -> dict[str, tuple[object, object]]:
    receipts = [item for item in mail.items() if isinstance(item, Receipt)]
    pairs = list(zip(mail.expected.get("bounce", []), receipts, strict=False))
    return {key: pair for one in pairs for key, pair in _one_bounced(*one).items()}


def _one_bounced(expected: dict[str, Any], receipt: Receipt) -> dict[str, tuple[object, object]]:
    compared: dict[str, tuple[object, object]] = {"permanent": (receipt.permanent, expected["permanent"])}
    compared["reason"] = (receipt.reason in REASONS.get(expected["reason"], set(Reason)), True)
    if ".0.9" not in expected["status"]:
        compared["status"] = (receipt.code, expected["status"])
    return compared


# --- the tests -----------------------------------------------------------------------------------------------


def mails() -> list[Any]:
    found = [pytest.param(mail, id=mail.name) for mail in payloads("email")]
    absent = pytest.mark.skip(reason="no corpus beside the checkout: payloads/email")
    return found or [pytest.param(None, id="absent", marks=absent)]


@pytest.mark.parametrize("mail", mails())
def test_corpus_mail_is_read_as_it_should_be(mail: Mail) -> None:
    unexplained = {field: pair for field, pair in differences(mail).items() if (_short(mail), field) not in OTHERWISE}
    assert unexplained == {}


def test_corpus_disagreement_is_about_a_mail_that_exists_and_really_differs() -> None:
    found = {_short(mail): differences(mail) for mail in payloads("email")}
    if not found:
        pytest.skip(f"no corpus at {corpus()}: it lies only beside the makers' checkout")
    assert [(name, field) for name, field in OTHERWISE if name in found and field not in found[name]] == []


def test_corpus_totals_of_mail(capsys: pytest.CaptureFixture[str]) -> None:
    mails, replies = payloads("email"), payloads("email_reply")
    if not mails:
        pytest.skip(f"no corpus at {corpus()}: it lies only beside the makers' checkout")
    other = [mail for mail in mails if differences(mail)]
    told = [reply for reply in replies if _new_words(reply) == _expected_words(reply)]
    with capsys.disabled():
        print(f"\nemail: {len(mails) - len(other)} as expected, {len(other)} otherwise on purpose, of {len(mails)}")  # noqa: T201 - for people
        print(f"email_reply: {len(told)} as expected, of {len(replies)}")  # noqa: T201 - for people
    assert {_short(mail) for mail in other} <= {name for name, _ in OTHERWISE}
    assert len(told) == len(replies)


def _short(mail: Mail) -> str:
    return mail.name.partition("/")[2]


def _new_words(reply: Mail) -> list[str]:
    return trimmed(reply.raw.decode())[0].split()


def _expected_words(reply: Mail) -> list[str]:
    expected: str = reply.expected["new_text"]
    return expected.split()


def replies() -> list[Any]:
    found = [pytest.param(reply, id=reply.name) for reply in payloads("email_reply")]
    absent = pytest.mark.skip(reason="no corpus beside the checkout: payloads/email_reply")
    return found or [pytest.param(None, id="absent", marks=absent)]


@pytest.mark.parametrize("reply", replies())
def test_corpus_reply_is_trimmed_to_its_new_words(reply: Mail) -> None:
    _, whole = trimmed(reply.raw.decode())
    assert _new_words(reply) == _expected_words(reply)
    assert bool(whole) == bool(reply.expected.get("elided", "").strip())
