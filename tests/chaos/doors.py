"""The two replicas of ingest, as who comes from outside sees them: comes again until it hears a 2xx."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from tests.chaos.town import ENDPOINT

AGAIN = (0.2, 0.5, 1.0, 2.0)
"""Seconds before coming again; the last goes on."""
PATIENCE = aiohttp.ClientTimeout(total=6)


@dataclass
class Doors:
    """Where webhooks and commands are brought. `answers` counts what was answered; 0 is no answer."""

    ports: tuple[int, ...]
    http: aiohttp.ClientSession
    answers: Counter[int] = field(default_factory=Counter)
    _turn: itertools.count[int] = field(default_factory=itertools.count)

    async def deliver(
        self, body: bytes, headers: Mapping[str, str], path: str = ENDPOINT, *, only: int | None = None
    ) -> None:
        """Return when one of them has it: each time the other one is tried, unless there is but one."""
        for tries in itertools.count():
            status = await self._try(next(self._turn) if only is None else only, path, body, headers)
            self.answers[status] += 1
            if 200 <= status < 300:
                return
            assert status in {0, 503, 408}, f"{path} was answered with {status}"
            await asyncio.sleep(AGAIN[min(tries, len(AGAIN) - 1)])

    async def _try(self, turn: int, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        url = f"http://127.0.0.1:{self.ports[turn % len(self.ports)]}{path}"
        try:
            async with self.http.post(url, data=body, headers=headers, timeout=PATIENCE) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0
