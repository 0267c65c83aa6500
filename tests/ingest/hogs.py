"""A channel whose reading goes wrong in every way there is, as its mail says."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import ClassVar

from schemas.parts import Address, AddressKind, Text
from services.channels.base import (
    Bounds,
    Channel,
    Edit,
    Endpoint,
    File,
    Http,
    Item,
    Limits,
    Message,
    Outbound,
    Rejected,
    Request,
    Sent,
)

MEGABYTE = 1 << 20


def _spin() -> None:
    while True:
        pass


def _write() -> None:
    with tempfile.TemporaryFile("wb", buffering=0) as file:
        file.write(b"x")


WAYS: Mapping[bytes, Callable[[], object]] = {
    b"spin": _spin,
    b"sleep": lambda: time.sleep(3600),
    b"eat": lambda: bytes(2_000 * MEGABYTE),
    b"die": lambda: os._exit(3),
    b"abort": os.abort,
    b"raise": lambda: dict[str, str]()["x"],
    b"say": lambda: os.write(1, b"Kanarie"),
    b"write": _write,
    b"secrets": lambda: (_ for _ in ()).throw(ValueError(os.environ["KAFKA_PASSWORD"])),
}


class Hog:
    name: ClassVar[str] = "hog"
    providers: ClassVar[tuple[str, ...]] = ("own",)
    limits: ClassVar[Limits] = Limits(max_text=1000)
    bounds: ClassVar[Bounds] = Bounds(seconds=45.0, cpu_seconds=1, memory=400 * MEGABYTE)

    def verify(self, request: Request, endpoint: Endpoint) -> None:
        del request, endpoint

    def parse(self, request: Request, endpoint: Endpoint) -> list[Item]:
        if not request.body:
            return [Rejected("empty", b"", account="hog-1")]
        WAYS.get(request.body, lambda: None)()
        content = b"inhoud" * 10
        file = File(sha256(content).hexdigest(), content)
        text = Text(text=f"{request.body.decode('latin-1')} {sorted(endpoint.secrets)}")
        address = Address(kind=AddressKind.TEL, value="+31612345601")
        message = Message("hog-1", "m1", None, (address,), (text,), files=(file,), thread=("t",))
        return [
            message,
            Edit("hog-1", "m1", None, (text,), "e1", (replace(file),)),
            Rejected("half a message", b"half", "hog-1"),
        ]

    async def send(self, outbound: Outbound, http: Http) -> Sent:
        del http
        return Sent((outbound.our_id,))


def load(name: str) -> Channel:
    assert name == "hog"
    return Hog()
