"""Whose mail it is, by its headers; which inbox it came to, by its envelope.

Nothing here is proof: anybody can write any address in a header. So a mail has one sender and not two, or a forged
From beside a Reply-To would make two citizens one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import policy
from email.message import Message

from schemas.parts import Address, AddressKind
from services.channels.email.reading import clean, headers, raw_headers

# One that can be answered: a single @, no space, nothing that could begin another header or address.
_ADDRESS = r"[^\s<>()\[\]\\,;:\"@]{1,64}@[^\s<>()\[\]\\,;:\"@]{1,255}"
_WHOLE = re.compile(_ADDRESS)
_ANYWHERE = re.compile(rf"(?<![^\s<(\"':;,]){_ADDRESS}")
MAX_NAME = 200
MAX_LOCAL = 64
"""Characters before the @ (RFC 5321, 4.5.3.1.1)."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address of a header, lower case, and the name written with it."""

    address: str
    name: str | None = None


def mailboxes(mail: Message, header: str) -> list[Mailbox]:
    """Return the addresses of all headers of this name that can be written to; those in a malformed one too."""
    found = [box for value in raw_headers(mail, header) for box in _well_formed(header, value)]
    return found or _anywhere(mail, header)


def _well_formed(header: str, value: str) -> list[Mailbox]:
    try:
        read = policy.default.header_factory(header, value).addresses
    except Exception:  # noqa: BLE001 - the standard library raises what it likes (deep comments: RecursionError)
        return []
    boxes = [Mailbox(plain(box.addr_spec), _name(box.display_name)) for box in read]
    return [box for box in boxes if _WHOLE.fullmatch(box.address)]


def _anywhere(mail: Message, header: str) -> list[Mailbox]:
    return [Mailbox(plain(seen)) for value in headers(mail, header) for seen in _ANYWHERE.findall(value)]


def _name(written: str) -> str | None:
    return clean(" ".join(written.split())).strip("\"' ")[:MAX_NAME] or None


def is_address(text: str) -> bool:
    """Say whether this is one address that can be written to."""
    return _WHOLE.fullmatch(text) is not None


def plain(address: str) -> str:
    """Return an address as we compare it: lower case, without brackets, quotes and a last dot."""
    return clean(address).strip().strip("<>'").rstrip(".").lower()


# --- the sender ----------------------------------------------------------------------------------------------


def author(mail: Message) -> Mailbox | None:
    """Return who wrote it by its own claim: From, else Sender (RFC 5322, 3.6.2)."""
    return next(iter(mailboxes(mail, "from") + mailboxes(mail, "sender")), None)


def answer_to(mail: Message, envelope_sender: str) -> Mailbox | None:
    """Return whom to answer: Reply-To where it can be written to, else who wrote it, else who handed it in."""
    candidates = [*_well_formed_only(mail), author(mail), _handed_in_by(envelope_sender)]
    return next((box for box in candidates if box is not None), None)


def _well_formed_only(mail: Message) -> list[Mailbox]:
    return [box for value in raw_headers(mail, "reply-to") for box in _well_formed("reply-to", value)]


def _handed_in_by(envelope_sender: str) -> Mailbox | None:
    address = plain(envelope_sender)
    return Mailbox(address) if _WHOLE.fullmatch(address) else None


def sender(box: Mailbox | None, external_id: str) -> Address:
    """Return the sender's address; a mail of nobody gets one of its own, so that two of them are not one citizen's."""
    if box is None:
        return Address(kind=AddressKind.OTHER, value=f"no-sender:{external_id}"[:512])
    return Address(kind=AddressKind.MAILTO, value=box.address)


# --- the inbox -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recipient:
    """An address of ours: the inbox (without what stands after the plus), and that `tag`."""

    account: str
    tag: str = ""


def recipient(envelope_recipient: str) -> Recipient:
    """Return the inbox of `name+tag@domain`, lower case; the tag keeps its capitals."""
    local, _, domain = clean(envelope_recipient).strip().strip("<>").rpartition("@")
    name, _, tag = local.partition("+")
    return Recipient(account=f"{name}@{domain}".lower(), tag=tag)


def tagged(address: str, tag: str) -> str:
    """Return `name+tag@domain`."""
    local, _, domain = address.rpartition("@")
    return f"{local}+{tag}@{domain}"
