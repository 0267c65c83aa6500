"""The management port: is it alive, is it ready, what does it count. Never reachable by citizens or providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], str | None]
"""Says what is wrong, or None when nothing is."""
Told = float | str | bool | None
Tell = Callable[[], Mapping[str, Told]]
"""Tells how things are, whether well or not; for people."""


class Health:
    """What has to be so before this process is alive, and before it is ready; each check has a name."""

    def __init__(self) -> None:
        self._alive: dict[str, Check] = {}
        self._ready: dict[str, Check] = {}
        self._told: dict[str, Tell] = {}

    def alive_when(self, name: str, check: Check) -> None:
        """Add a check whose failure means: restart me."""
        self._alive[name] = check

    def ready_when(self, name: str, check: Check) -> None:
        """Add a check whose failure means: send me nothing now."""
        self._ready[name] = check

    def tell(self, name: str, tell: Tell) -> None:
        """Add something that is told beside the checks."""
        self._told[name] = tell

    def told(self) -> dict[str, Mapping[str, Told]]:
        """Return all that is told."""
        return {name: tell() for name, tell in self._told.items()}

    def dead(self) -> dict[str, str]:
        """Return what is wrong with its life, by check."""
        return _failing(self._alive)

    def unready(self) -> dict[str, str]:
        """Return why it is not ready, by check."""
        return _failing(self._alive | self._ready)


class Management:
    """The port itself."""

    def __init__(self, health: Health, registry: CollectorRegistry) -> None:
        self._health, self._registry = health, registry
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one, and `port` then says which."""
        app = web.Application()
        app.add_routes(
            [web.get("/livez", self._livez), web.get("/readyz", self._readyz), web.get("/metrics", self._metrics)]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        return _verdict(self._health.dead())

    async def _readyz(self, _request: web.Request) -> web.Response:
        return _verdict(self._health.unready(), self._health.told())

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _failing(checks: dict[str, Check]) -> dict[str, str]:
    found = {name: check() for name, check in checks.items()}
    return {name: why for name, why in found.items() if why is not None}


def _verdict(failing: dict[str, str], told: Mapping[str, object] | None = None) -> web.Response:
    said = {"ok": not failing, "failing": failing, **(told or {})}
    return web.json_response(said, status=503 if failing else 200)
