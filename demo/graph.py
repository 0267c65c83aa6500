"""A stand-in for Meta's Graph API: it takes messages, and misbehaves on request as the real one is documented to.

It throttles, times out after accepting, and reports late, twice and in the wrong order. Every message that it
accepted stands in its ledger: what a citizen's phone would have shown.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

SHUFFLED = ("read", "delivered", "sent")
"""The order in which it reports, unless told otherwise: the wrong one."""


@dataclass(frozen=True)
class Behaviour:
    """How one call is treated."""

    status: int = 200
    code: int | None = None
    """Meta's error code, with a status other than 200."""
    retry_after: int | None = None
    accept: bool = True
    hang: float = 0.0
    """Seconds before it answers; the message was accepted by then."""
    cuts: bool = False
    """It cuts the connection instead of answering."""
    receipts: Sequence[str] = SHUFFLED
    receipts_after: float = 0.0
    """Seconds."""
    failed_with: int | None = None
    """Report the message as failed, with this code."""


THROTTLED = Behaviour(status=429, code=130429, retry_after=1, accept=False)
"""Too fast: nothing was sent."""
SILENT = Behaviour(hang=60, receipts=("sent", "delivered"))
"""Accepted, but we never hear so; the receipts tell."""
LOST = Behaviour(hang=60, accept=False, receipts=())
"""Not accepted, and we never hear either."""


@dataclass(frozen=True)
class Accepted:
    """One message in the ledger."""

    wamid: str
    account: str
    to: str
    """The number, or the BSUID of a sender without one."""
    by: str
    """`to` or `recipient`: the field that named them."""
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """What the citizen reads."""
        return str(self.body.get("text", {}).get("body", ""))

    @property
    def our_id(self) -> str | None:
        """What the hub sent along to know it by."""
        return self.body.get("biz_opaque_callback_data")


@dataclass
class Graph:
    """The stand-in. `webhook` is where it reports, signed with `secret`."""

    webhook: str
    secret: str
    token: str
    account: str
    """The number that citizens write to, by Meta's id of it."""
    written: int = 0
    accepted: list[Accepted] = field(default_factory=list)
    calls: int = 0
    port: int = 0
    _scripts: dict[str, deque[Behaviour]] = field(default_factory=lambda: defaultdict(deque))
    _runner: web.AppRunner | None = None
    _http: aiohttp.ClientSession | None = None
    _reporting: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, port: int = 0) -> None:
        """Listen on loopback."""
        app = web.Application()
        app.router.add_post("/{version}/{account}/messages", self._messages)
        app.router.add_post("/phone/{number}", self._phone_writes)
        app.router.add_get("/phone/{number}", self._phone_shows)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]
        self._http = aiohttp.ClientSession()

    async def close(self) -> None:
        """Stop listening and reporting."""
        for task in self._reporting:
            task.cancel()
        await asyncio.gather(*self._reporting, return_exceptions=True)
        if self._http:
            await self._http.close()
        if self._runner:
            await self._runner.cleanup()

    def behave(self, to: str, *behaviours: Behaviour) -> None:
        """Treat the next calls for this citizen so, one after the other."""
        self._scripts[to].extend(behaviours)

    async def post(self, payload: dict[str, Any], *, secret: str | None = None) -> int:
        """Deliver a webhook as Meta would; returns the status that we answered with."""
        body = json.dumps(payload).encode()
        return await self.post_raw(body, sign(secret or self.secret, body))

    async def post_raw(self, body: bytes, signature: str) -> int:
        """Deliver these bytes with this signature; returns the status."""
        headers = {"X-Hub-Signature-256": signature, "Content-Type": "application/json"}
        assert self._http is not None  # noqa: S101 - started before it is used
        async with self._http.post(self.webhook, data=body, headers=headers) as answer:
            return answer.status

    async def _phone_writes(self, request: web.Request) -> web.Response:
        """Let a citizen write: the body is their words."""
        number, words = request.match_info["number"], (await request.text()).strip()
        if not number.isdigit() or not words:
            return web.Response(status=400, text="a number in the path, words in the body\n")
        message: dict[str, Any] = {
            "id": f"wamid.PHONE{self.written + 1:06}{number}",
            "timestamp": str(int(time.time())),
            "from": number,
        }
        self.written += 1
        contacts = [{"profile": {"name": "Inwoner"}, "wa_id": number}]
        message |= {"type": "text", "text": {"body": words}}
        status = await self.post(webhook(change(self.account, messages=[message], contacts=contacts)))
        return web.Response(text=f"the hub answered {status}\n")

    async def _phone_shows(self, request: web.Request) -> web.Response:
        """Show what a citizen's phone shows."""
        shown = [taken.text for taken in self.accepted if taken.to.lstrip("+") == request.match_info["number"]]
        return web.Response(text="".join(f"{text}\n" for text in shown))

    async def _messages(self, request: web.Request) -> web.Response:
        self.calls += 1
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return _error(401, 190)
        body = await request.json()
        by = "recipient" if "recipient" in body else "to"
        script = self._scripts[str(body[by])]
        how = script.popleft() if script else Behaviour()
        wamid = self._accept(request.match_info["account"], by, body, how) if how.accept else None
        await asyncio.sleep(how.hang)
        if how.cuts and request.transport:
            request.transport.abort()
        return _error(how.status, how.code, how.retry_after) if wamid is None else _took(wamid, str(body[by]))

    def _accept(self, account: str, by: str, body: dict[str, Any], how: Behaviour) -> str:
        to = str(body[by])
        taken = Accepted(f"wamid.DEMO{len(self.accepted) + 1:06}", account, to, by, body)
        self.accepted.append(taken)
        task = asyncio.create_task(self._report(taken, how))
        self._reporting.add(task)
        task.add_done_callback(self._reporting.discard)
        return taken.wamid

    async def _report(self, taken: Accepted, how: Behaviour) -> None:
        await asyncio.sleep(how.receipts_after)
        statuses = ("failed",) if how.failed_with else tuple(how.receipts)
        for status in statuses:
            while await self._reported(receipt(taken, status, how.failed_with)) not in range(200, 300):
                await asyncio.sleep(0.5)

    async def _reported(self, payload: dict[str, Any]) -> int:
        try:
            return await self.post(payload)
        except aiohttp.ClientError:
            return 0


def sign(secret: str, body: bytes) -> str:
    """Return the signature that Meta puts on a body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def receipt(taken: Accepted, status: str, code: int | None = None) -> dict[str, Any]:
    """Return the webhook that reports `status` for a message."""
    entry: dict[str, Any] = {
        "id": taken.wamid,
        "status": status,
        "timestamp": str(int(time.time())),
        "recipient_id": taken.to,
        "biz_opaque_callback_data": taken.our_id,
    }
    if code:
        entry["errors"] = [{"code": code, "title": "failed"}]
    return webhook(change(taken.account, statuses=[entry]))


def webhook(*changes: dict[str, Any]) -> dict[str, Any]:
    """Return one webhook of Meta's with these changes."""
    entry = {"id": "WABA", "changes": [{"field": "messages", "value": value} for value in changes]}
    return {"object": "whatsapp_business_account", "entry": [entry]}


def change(account: str, **content: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever Meta puts there
    """Return one change: for the inbox with this phone_number_id, with messages, contacts or statuses."""
    metadata = {"display_phone_number": "31850000000", "phone_number_id": account}
    return {"messaging_product": "whatsapp", "metadata": metadata} | content


def _took(wamid: str, to: str) -> web.Response:
    contact = {"input": to, "wa_id": to}
    return web.json_response({"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": wamid}]})


def _error(status: int, code: int | None, retry_after: int | None = None) -> web.Response:
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    body = {"error": {"message": "refused", "type": "OAuthException", "code": code or 1}}
    return web.json_response(body, status=status if status != 200 else 500, headers=headers)  # noqa: PLR2004 - an error
