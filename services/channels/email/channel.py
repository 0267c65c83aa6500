"""The channel `email`: mail over our own mail server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from email.message import Message
from email.utils import formatdate
from typing import ClassVar

from schemas.events import DeliveryStatus
from schemas.parts import MAX_TEXT
from services.channels.base import (
    Bounds,
    Endpoint,
    Http,
    Item,
    Limits,
    Listener,
    Outbound,
    Receive,
    Rejected,
    Request,
    Sent,
    VerificationError,
)
from services.channels.email import lmtp
from services.channels.email.addresses import Recipient, recipient
from services.channels.email.bounces import bounces
from services.channels.email.composing import compose
from services.channels.email.message import message
from services.channels.email.notices import complaints, readings
from services.channels.email.reading import UnreadableError, read
from services.channels.email.sending import deliver


class Email:
    """LMTP in, SMTP out. `date` writes the moment of sending as a mail does (RFC 5322, 3.3)."""

    name: ClassVar[str] = "email"
    providers: ClassVar[tuple[str, ...]] = ("own",)
    limits: ClassVar[Limits] = Limits(max_text=MAX_TEXT)
    bounds: ClassVar[Bounds] = Bounds()

    def __init__(self, date: Callable[[], str] = formatdate) -> None:
        self._date = date

    def verify(self, request: Request, endpoint: Endpoint) -> None:  # noqa: ARG002 - the contract's
        """Only what the listener took in has an envelope, and it takes in only from our own mail server."""
        if request.method != lmtp.METHOD:
            raise VerificationError("not by LMTP")
        if "sender" not in request.envelope or not request.envelope.get("recipient"):
            raise VerificationError("no envelope")

    def parse(self, request: Request, endpoint: Endpoint) -> list[Item]:  # noqa: ARG002 - the contract's
        """Return the message, or what a mail server reports on one of ours."""
        to = recipient(request.envelope.get("recipient", ""))
        try:
            mail = read(request.body)
        except UnreadableError as failure:
            return [Rejected(str(failure), request.body, to.account or None)]
        envelope_sender = request.envelope.get("sender", "")
        return _reports(mail, request.body, envelope_sender, to) or [message(mail, request.body, envelope_sender, to)]

    async def send(self, outbound: Outbound, http: Http) -> Sent:  # noqa: ARG002 - mail needs no HTTP
        """Hand one part to the mail server; repeated, it is the same mail."""
        letter = compose(outbound, self._date())
        await deliver(letter, outbound.inbox.settings, self.limits.deadline)
        return Sent((letter.message_id,), DeliveryStatus.ACCEPTED)

    async def listen(self, endpoint: Endpoint, settings: Mapping[str, str], receive: Receive) -> Listener:
        """Listen for LMTP as `settings` say; see lmtp.listen."""
        return await lmtp.listen(endpoint.name, settings, receive)


def _reports(mail: Message, raw: bytes, envelope_sender: str, to: Recipient) -> list[Item]:
    """Return what a machine reports on a mail of ours; nothing when somebody wrote this."""
    return [
        *complaints(mail, raw, to),
        *readings(mail, raw, to),
        *bounces(mail, raw, envelope_sender, to),
    ]
