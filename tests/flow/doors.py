"""Two replicas of ingest in front of the hub in memory: genuine WhatsApp webhooks in, what they come to on the bus."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256
from typing import Any

from schemas.cloudevents import source_of
from services.channels.base import Endpoint, Request
from services.channels.loader import load
from services.ingest.owners import Owner
from services.ingest.receive import Reception
from tests.flow.hub import KEY, OIN, WHATSAPP, Hub

SECRET, ACCOUNT = "geheim", "106540352242001"
REPLICAS = 2


def text(name: str, words: str, sender: str = "31612345678") -> dict[str, Any]:
    """One message, as Meta writes it. `name` is its id."""
    return {"id": f"wamid.{name}", "from": sender, "timestamp": "1795510800", "type": "text", "text": {"body": words}}


def picture(name: str, sender: str = "31612345678") -> dict[str, Any]:
    image = {"id": f"media-{name}", "mime_type": "image/jpeg"}
    return {"id": f"wamid.{name}", "from": sender, "timestamp": "1795510800", "type": "image", "image": image}


class Doors:
    """Where webhooks come in."""

    def __init__(self, hub: Hub) -> None:
        owner = Owner(OIN, source_of(OIN), KEY, WHATSAPP)
        endpoint = Endpoint("demo", "whatsapp", "meta", {"app_secret": (SECRET,)})
        owned = {("whatsapp", "meta", ACCOUNT): owner}
        self._hub = hub
        self._replicas = [Reception(load("whatsapp"), endpoint, owned) for _ in range(REPLICAS)]

    async def deliver(self, replica: int, *messages: dict[str, Any]) -> list[str]:
        """Deliver a webhook at one of the doors; returns the ids of what is on the bus for it."""
        value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": ACCOUNT}, "messages": messages}
        entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        signature = "sha256=" + hmac.new(SECRET.encode(), body, sha256).hexdigest()
        request = Request("POST", "/webhooks/whatsapp/demo", [("x-hub-signature-256", signature)], body)
        received = self._replicas[replica].receive(request, self._hub.clock.now())
        await self._hub.bus.publish(received.outgoing)
        return [each.key for each in received.outgoing]
