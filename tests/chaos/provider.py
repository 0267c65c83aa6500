"""A provider that misbehaves by the seed, and keeps a ledger of its own: what citizens' phones would show.

Of its calls 2 % are told to come again (429) and 1 % are taken without a word of it; what it took it reports in the
wrong order and often twice, by signed webhooks to either replica of ingest.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from demo.graph import Accepted, receipt
from tests.chaos.doors import Doors
from tests.chaos.town import GRAPH_TOKEN, signed

SLOW = 0.02
"""Seconds of a call."""
SILENCE = 60.0
STATUSES = ("sent", "delivered", "read")
TOGETHER = 0.1
"""Seconds in which reports are gathered for one webhook."""


@dataclass
class Provider:
    """The stand-in. `throttled` and `silent` are shares of the calls."""

    seed: int
    doors: Doors
    throttled: float = 0.02
    silent: float = 0.01
    port: int = 0
    calls: int = 0
    taken: list[Accepted] = field(default_factory=list)
    """The ledger."""
    _tries: Counter[str] = field(default_factory=Counter)
    _reports: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/{version}/{account}/messages", self._messages)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        self._begin(self._report())

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner:
            await self._runner.cleanup()

    @property
    def unreported(self) -> int:
        """How many reports are still on their way."""
        return sum(map(len, self._reports.values())) + len(self._tasks) - 1

    async def _messages(self, request: web.Request) -> web.Response:
        self.calls += 1
        if request.headers.get("Authorization") != f"Bearer {GRAPH_TOKEN}":
            return web.json_response({"error": {"message": "no", "code": 190}}, status=401)
        body = await request.json()
        ours = str(body["biz_opaque_callback_data"])
        self._tries[ours] += 1
        chance = random.Random(f"{self.seed} {ours} {self._tries[ours]}")
        lot = chance.random()
        if lot < self.throttled:
            await asyncio.sleep(SLOW)
            refusal = {"error": {"message": "slow down", "type": "OAuthException", "code": 130429}}
            return web.json_response(refusal, status=429, headers={"Retry-After": "1"})
        wamid = f"wamid.OUT{len(self.taken):09d}"
        self.taken.append(Accepted(wamid, request.match_info["account"], str(body["to"]), "to", body))
        self._note_reports(self.taken[-1], chance)
        await asyncio.sleep(SILENCE if lot > 1 - self.silent else SLOW)
        return web.json_response({"messaging_product": "whatsapp", "messages": [{"id": wamid}]})

    # --- reports ---

    def _note_reports(self, taken: Accepted, chance: random.Random) -> None:
        statuses = [status for status in STATUSES for _ in range(1 + (chance.random() < 0.3))]
        chance.shuffle(statuses)
        for status in statuses:
            self._reports[taken.account].append(receipt(taken, status))

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(TOGETHER)
            waiting, self._reports = self._reports, defaultdict(list)
            for reports in waiting.values():
                self._begin(self._deliver(_as_one(reports)))

    async def _deliver(self, payload: dict[str, Any]) -> None:
        await self.doors.deliver(*signed(payload))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _as_one(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Put webhooks of one account into one."""
    whole = reports[0]
    whole["entry"] = [entry for each in reports for entry in each["entry"]]
    return whole
