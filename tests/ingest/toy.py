"""A channel for tests: it says in JSON what a request holds, and can break its contract when asked to."""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar

from schemas.events import DeliveryStatus
from schemas.parts import Address, AddressKind, Document, FileRef, Text
from services.channels.base import (
    AccountChange,
    Channel,
    Echo,
    Edit,
    Endpoint,
    File,
    Http,
    Item,
    Limits,
    Link,
    Listener,
    Message,
    Outbound,
    Receipt,
    Rejected,
    Request,
    Revocation,
    Sent,
    Verdict,
    VerificationError,
)

SECRET = "geheim-van-de-proef"


def sign(body: bytes) -> str:
    return hmac.new(SECRET.encode(), body, sha256).hexdigest()


class Toy:
    """Signed JSON: a list of items, each `{"is": ..., "account": ..., "id": ..., ...}`."""

    name: ClassVar[str] = "toy"
    providers: ClassVar[tuple[str, ...]] = ("own",)
    limits: ClassVar[Limits] = Limits(max_text=1000)
    window: ClassVar[timedelta] = timedelta(hours=24)

    def verify(self, request: Request, endpoint: Endpoint) -> None:
        del endpoint
        if not hmac.compare_digest((request.header("x-signature") or "").encode(), sign(request.body).encode()):
            raise VerificationError("the signature is another one")

    def parse(self, request: Request, endpoint: Endpoint) -> list[Item]:
        del endpoint
        if request.body == b"crash":
            raise RuntimeError("Kanarie van de Kade 12")
        try:
            return [_ITEMS[one["is"]](one) for one in json.loads(request.body)]
        except ValueError:
            return [Rejected(reason="no JSON", raw=request.body)]

    def challenge(self, request: Request, endpoint: Endpoint) -> bytes:
        del endpoint
        if "token=goed" not in request.url:
            raise VerificationError("the token is another one")
        return request.url.encode()

    async def send(self, outbound: Outbound, http: Http) -> Sent:
        del http
        return Sent((outbound.our_id,))

    async def listen(
        self, endpoint: Endpoint, settings: Mapping[str, str], receive: Callable[[Request], Awaitable[Verdict]]
    ) -> Listener:
        del endpoint
        return ToyListener(int(settings["port"]), receive)


class ToyListener:
    def __init__(self, port: int, receive: Callable[[Request], Awaitable[Verdict]]) -> None:
        self.address, self.receive, self.closed = ("127.0.0.1", port), receive, False

    async def close(self) -> None:
        self.closed = True


class Own:
    """A channel whose provider wants its own words in our answers, and asks nothing beforehand."""

    name: ClassVar[str] = "own-words"
    providers: ClassVar[tuple[str, ...]] = ("own",)
    limits: ClassVar[Limits] = Limits(max_text=1000)
    accepted: ClassVar[tuple[int, str, bytes]] = (202, "text/xml", b"<Response/>")
    refused: ClassVar[tuple[int, str, bytes]] = (403, "application/json", b'{"errcode":"M_FORBIDDEN"}')
    verify, parse, send = Toy.verify, Toy.parse, Toy.send


def load(name: str) -> Channel:
    return Toy() if name == "toy" else Own()


def _when(one: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(one["at"]) if "at" in one else None


def _base(one: dict[str, Any]) -> dict[str, Any]:
    return {"account": one["account"], "external_id": one["id"], "happened": _when(one)}


def _parts(one: dict[str, Any]) -> tuple[Text | Document, ...]:
    texts = one.get("texts", [one.get("text", "Hallo")])
    files = one.get("files", [])
    return (*(Text(text=text) for text in texts), *(Document(filename=name, file=_file(name)[0]) for name in files))


def _file(name: str) -> tuple[FileRef, File]:
    content = f"inhoud van {name}".encode()
    digest = sha256(content).hexdigest()
    return FileRef(sha256=digest, size=len(content)), File(digest, content)


def _files(one: dict[str, Any]) -> tuple[File, ...]:
    return tuple(_file(name)[1] for name in one.get("files", []))


def address(value: str) -> Address:
    return Address(kind=AddressKind.TEL, value=value)


def _message(one: dict[str, Any]) -> Message:
    who = tuple(address(value) for value in one.get("from", ["+31612345601"]))
    return Message(**_base(one), addresses=who, parts=_parts(one), files=_files(one), subject=one.get("subject"))


_ITEMS: dict[str, Callable[[dict[str, Any]], Item]] = {
    "message": _message,
    "edit": lambda one: Edit(**_base(one), parts=_parts(one), edit_id=one["edit"]),
    "revocation": lambda one: Revocation(**_base(one)),
    "echo": lambda one: Echo(**_base(one), recipient=address(one["to"]), parts=_parts(one)),
    "receipt": lambda one: Receipt(**_base(one), status=DeliveryStatus(one["status"]), our_id=one.get("our_id")),
    "link": lambda one: Link(**_base(one), old=address(one["old"]), new=address(one["new"])),
    "account-change": lambda one: AccountChange(**_base(one), change=one["change"]),
    "rejected": lambda one: Rejected(reason="half a message", raw=b"half", account=one.get("account")),
}
