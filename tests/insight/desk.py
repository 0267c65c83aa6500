"""The read API on a real socket, over rows of a test's own choosing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy

from schemas.events import EntryRecorded, Fact
from services.insight.api import build
from services.insight.history import History
from services.runtime.process.clock import ManualClock
from services.runtime.process.tenants import Tenants
from services.runtime.web.server import HttpServer
from tests.insight.facts import NINE, OIN, OTHER_OIN, Shelf, seen


def _publisher(name: str, scope: str, department: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "token_sha256": sha256(name.encode()).hexdigest(),
        "scopes": [scope],
        "department": department,
    }


def _tenant(name: str, oin: str, publishers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "oin": oin, "title": name, "secret": "z" * 32, "publishers": publishers}


TENANTS = Tenants.model_validate(
    {
        "tenants": [
            _tenant("zonnedael", OIN, [_publisher("waste", "reply", "waste"), _publisher("desk", "operate", None)]),
            _tenant("maandorp", OTHER_OIN, [_publisher("neighbour", "operate", None)]),
        ]
    }
)


@dataclass
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    body: str
    json: Any


@dataclass
class Desk:
    """The API, and whatever it answers from."""

    shelf: Shelf = field(default_factory=Shelf)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NINE))
    histories: dict[tuple[str, str], list[EntryRecorded]] = field(default_factory=dict)
    unready: str | None = None
    too_slow: bool = False
    url: str = ""
    http: aiohttp.ClientSession | None = None

    def take(self, *facts: Fact) -> None:
        self.shelf.take(seen(facts, first=1_000 * len(self.shelf.buckets)))

    async def of(self, tenant: str, conversation: str) -> History:
        if self.too_slow:
            raise TimeoutError
        return self.histories.get((tenant, conversation), [])

    async def get(self, path: str, who: str | None = "desk", method: str = "GET") -> Answer:
        assert self.http
        headers = {"Authorization": f"Bearer {who}"} if who else {}
        async with self.http.request(method, self.url + path, headers=headers) as answer:
            body = await answer.text()
            is_json = "json" in answer.content_type
            found = await answer.json(content_type=None) if is_json else None
            return Answer(answer.status, answer.headers, body, found)


@asynccontextmanager
async def running() -> AsyncIterator[Desk]:
    desk = Desk()
    unready: Callable[[], str | None] = lambda: desk.unready  # noqa: E731
    server = HttpServer(build(desk.shelf.book, desk, TENANTS, desk.clock, unready, "https://insight.example"), 1)
    await server.start("127.0.0.1", 0, lambda: None)
    desk.url = f"http://127.0.0.1:{server.port}"
    async with aiohttp.ClientSession() as desk.http:
        yield desk
    await server.close()
