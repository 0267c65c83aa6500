"""WhatsApp by Meta's Cloud API: the three methods of a channel, and what Meta asks besides."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta
from hashlib import sha256
from typing import ClassVar, Final
from urllib.parse import parse_qs, urlsplit

from services.channels.base import (
    Endpoint,
    Http,
    Inbox,
    Item,
    Limits,
    Outbound,
    Request,
    Sent,
    VerificationError,
)
from services.channels.whatsapp import media, reading, sending

APP_SECRET: Final = "app_secret"  # noqa: S105 - the name of a secret, not its value
VERIFY_TOKEN: Final = "verify_token"  # noqa: S105 - likewise
_SIGNATURE: Final = "x-hub-signature-256"


class WhatsApp:
    """A phone number of the municipality on WhatsApp."""

    name: ClassVar[str] = "whatsapp"
    providers: ClassVar[tuple[str, ...]] = ("meta",)
    limits: ClassVar[Limits] = Limits(
        max_text=4096, max_caption=1024, accepts=sending.ACCEPTS, rate=20.0, width=8, deadline=10.0
    )
    window: ClassVar[timedelta] = timedelta(hours=24)

    def verify(self, request: Request, endpoint: Endpoint) -> None:
        """Check the HMAC over the raw bytes, by any of the app's secrets."""
        given = request.header(_SIGNATURE)
        if given is None:
            raise VerificationError("no signature, or more than one")
        if not _any_equal(given, _signatures(request.body, endpoint)):
            raise VerificationError("the signature is of another secret, or of another body")

    def challenge(self, request: Request, endpoint: Endpoint) -> bytes:
        """Answer Meta's GET: its own challenge, when it knows our token."""
        asked = _query(request.url)
        known = [token for token in endpoint.secrets.get(VERIFY_TOKEN, ()) if token]
        if asked.get("hub.mode") != "subscribe" or "hub.challenge" not in asked:
            raise VerificationError("no subscription")
        if not _any_equal(asked.get("hub.verify_token", ""), known):
            raise VerificationError("the token is another one")
        return asked["hub.challenge"].encode()

    def parse(self, request: Request, endpoint: Endpoint) -> list[Item]:
        """Return all that one POST holds, of however many numbers."""
        del endpoint  # every piece says whose it is
        return reading.read(request.body)

    async def send(self, outbound: Outbound, http: Http) -> Sent:
        """Deliver one part; a second try is never safe here, so a doubtful answer is `unknown`."""
        response = await http.request(
            "POST",
            sending.endpoint(outbound.inbox, f"{outbound.inbox.account}/messages"),
            headers={"content-type": "application/json", **sending.authorization(outbound.inbox)},
            body=json.dumps(sending.request_body(outbound), ensure_ascii=False).encode(),
            deadline=self.limits.deadline,
        )
        return sending.sent(response)

    async def fetch(self, media_id: str, inbox: Inbox, http: Http) -> bytes:
        """Return a file that a citizen sent."""
        return await media.fetch(media_id, inbox, http)


def _signatures(body: bytes, endpoint: Endpoint) -> list[str]:
    secrets = [secret for secret in endpoint.secrets.get(APP_SECRET, ()) if secret]
    return [f"sha256={hmac.new(secret.encode(), body, sha256).hexdigest()}" for secret in secrets]


def _any_equal(given: str, expected: list[str]) -> bool:
    """Compare as bytes, in constant time, with every one: a header may hold any character."""
    found = [hmac.compare_digest(_bytes(given), _bytes(one)) for one in expected]
    return any(found)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _query(url: str) -> dict[str, str]:
    """Return what is asked exactly once; raises VerificationError for an address that is none."""
    try:
        asked = parse_qs(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        raise VerificationError("no address") from None
    return {name: values[0] for name, values in asked.items() if len(values) == 1}
