"""Starts the services as processes and starts them again when they die, as Kubernetes would."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from deploy.kafka.guard import die_with_the_parent

READY_WITHIN = 60.0
STOP_WITHIN = 20.0
AGAIN_AFTER = 0.2


@dataclass
class Service:
    """One service: `python -m services.<name>` with this environment."""

    name: str
    environment: Mapping[str, str]
    log: Path
    management_port: int
    process: asyncio.subprocess.Process | None = None
    lives: int = 0

    @property
    def pid(self) -> int:
        """The pid of its present life; 0 when it has none."""
        return self.process.pid if self.process and self.process.returncode is None else 0

    async def start(self) -> None:
        """Begin a life."""
        self.lives += 1
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"services.{self.name}",
                env=dict(os.environ) | dict(self.environment),
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=die_with_the_parent,
            )

    async def ready(self) -> bool:
        """Say whether it is ready now."""
        url = f"http://127.0.0.1:{self.management_port}/readyz"
        with suppress(aiohttp.ClientError, TimeoutError):
            timeout = aiohttp.ClientTimeout(total=1)
            async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
                return answer.status == 200  # noqa: PLR2004 - HTTP's own word for it
        return False

    def kill(self) -> int:
        """End it without a word (SIGKILL); returns the pid that died, 0 when it has no life just now."""
        pid = self.pid
        if pid:  # to kill 0 would be to kill ourselves, and all of our group
            os.kill(pid, signal.SIGKILL)
        return pid

    async def stop(self) -> int:
        """Ask it to end (SIGTERM), insist after a while; returns its exit code."""
        process = self.process
        if process is None:
            return 0
        if process.returncode is None:
            process.terminate()
        try:
            return await asyncio.wait_for(process.wait(), STOP_WITHIN)
        except TimeoutError:
            process.kill()
            return await process.wait()


class NotReady(RuntimeError):
    """A service did not come up; the message names its log."""


@dataclass
class Services:
    """All of them, watched over."""

    services: list[Service]
    restarts: int = 0
    _stopping: bool = False
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _watchers: list[asyncio.Task[None]] = field(default_factory=list)

    def __getitem__(self, name: str) -> Service:
        """Return the service of this name."""
        return next(service for service in self.services if service.name == name)

    async def start(self) -> None:
        """Start all and watch over them; returns when all are ready, raises NotReady."""
        for service in self.services:
            await service.start()
            self._watchers.append(asyncio.create_task(self._watch(service)))
        await asyncio.gather(*(self.wait_ready(service) for service in self.services))

    async def wait_ready(self, service: Service) -> None:
        """Return when it is ready; raises NotReady."""
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await service.ready():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise NotReady(f"{service.name} was not ready within {READY_WITHIN:.0f} s; see {service.log}") from None

    async def stop(self) -> dict[str, int]:
        """Stop all; returns the exit codes. One that is just being started again is waited for, or it would stay."""
        async with self._starting:
            self._stopping = True
        codes = await asyncio.gather(*(service.stop() for service in self.services))
        await asyncio.gather(*self._watchers)
        return {service.name: code for service, code in zip(self.services, codes, strict=True)}

    async def _watch(self, service: Service) -> None:
        while not self._stopping:
            assert service.process is not None  # noqa: S101 - started before it is watched
            await service.process.wait()
            await asyncio.sleep(AGAIN_AFTER)
            await self._start_again(service)

    async def _start_again(self, service: Service) -> None:
        async with self._starting:
            if not self._stopping:
                self.restarts += 1
                await service.start()


def free_port(wanted: int = 0) -> int:
    """Return a port of loopback that nobody uses now; 0 when the wanted one is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
        return int(probe.getsockname()[1])
