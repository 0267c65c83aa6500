"""Two replicas of each service, started again when they end, whatever ended them; and all that is done to them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.processes import Service, free_port

AGAIN_AFTER = 0.05
CRASH_AT = "HUB_CRASH_AT"


@dataclass
class Replica(Service):
    """One replica. `crash_at` is for its next life only."""

    instance: str = "0"
    crash_at: str = ""
    paused: bool = False
    asked: bool = False
    """Whether we asked for the end of its present life."""
    exits: Counter[int] = field(default_factory=Counter)
    """How its lives ended that nobody asked to end, by exit code."""

    @property
    def label(self) -> str:
        return f"{self.name}-{self.instance}"

    async def start(self) -> None:
        """Begin a life, in a session of its own: whoever stops the run does not stop it by that."""
        environment = dict(os.environ) | dict(self.environment) | ({CRASH_AT: self.crash_at} if self.crash_at else {})
        self.lives, self.crash_at, self.asked = self.lives + 1, "", False
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                f"services.{self.name}",
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its present life, if it has one."""
        if self.pid:
            self.asked = self.asked or number in {signal.SIGKILL, signal.SIGTERM}
            os.kill(self.pid, number)

    async def killed(self) -> float:
        """Kill it; returns when it was gone (by the clock of time.time)."""
        process = self.process
        self.signal(signal.SIGKILL)
        if process:
            await process.wait()
        return time.time()

    def numbers(self) -> list[int]:
        """Return the numbers that it was dealt last, as it logged them."""
        found: list[int] = []
        for line in self._lines():
            if line.get("event") == "numbers_assigned":
                found = line["numbers"]
        return found

    def count(self, event: str) -> int:
        """Return how often it logged this."""
        return sum(line.get("event") == event for line in self._lines())

    def why(self) -> list[str]:
        """Return why it gave up, whenever it did."""
        return [line["why"] for line in self._lines() if line.get("event") == "process_gave_up"]

    def _lines(self) -> list[dict[str, Any]]:
        found = []
        for line in self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []:
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [each for each in found if isinstance(each, dict)]


@dataclass
class Fleet:
    """All replicas."""

    replicas: list[Replica]
    _watchers: list[asyncio.Task[None]] = field(default_factory=list)

    def of(self, service: str) -> list[Replica]:
        return [each for each in self.replicas if each.name == service]

    async def start(self) -> None:
        for replica in self.replicas:
            await replica.start()
            self._watchers.append(asyncio.create_task(self._watch(replica)))

    async def ready(self, seconds: float = 60) -> None:
        """Return when all are; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not all(await asyncio.gather(*(each.ready() for each in self.replicas))):
                await asyncio.sleep(0.1)

    async def stop(self) -> dict[str, int]:
        """Ask all to end; returns their exit codes."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for replica in self.replicas:
            replica.signal(signal.SIGCONT)
        codes = await asyncio.gather(*(each.stop() for each in self.replicas))
        return {each.label: code for each, code in zip(self.replicas, codes, strict=True)}

    async def _watch(self, replica: Replica) -> None:
        while True:
            assert replica.process
            code = await replica.process.wait()
            if not replica.asked:
                replica.exits[code] += 1
            await asyncio.sleep(AGAIN_AFTER)
            await replica.start()


def fleet(folder: Path, environment: Mapping[str, str], services: Mapping[str, int]) -> Fleet:
    """Return so many replicas of each service; ingest's port is INGEST_PORT of its environment."""
    return Fleet(
        [
            _replica(folder, environment, service, str(instance))
            for service, count in services.items()
            for instance in range(count)
        ]
    )


def _replica(folder: Path, shared: Mapping[str, str], service: str, instance: str) -> Replica:
    management = free_port()
    environment = {
        **shared,
        "HUB_INSTANCE": instance,
        "HUB_MANAGEMENT_PORT": str(management),
        "INGEST_PORT": str(free_port()),
    }
    log = folder / f"{service}-{instance}.log"
    return Replica(service, environment, log, management, instance=instance)
