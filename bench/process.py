"""Processes that are measured: started as in production, watched by their management port, weighed by the kernel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from demo.processes import free_port


@dataclass(frozen=True)
class Weighed:
    """A process under measurement."""

    process: psutil.Process
    management: int

    def cpu(self) -> float:
        """Return the CPU seconds it used so far, user and system."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss(self) -> float:
        """Return its memory in MiB."""
        return float(self.process.memory_info().rss) / 2**20

    def weight(self) -> str:
        """Return its memory in words."""
        return f"{self.rss():.0f} MiB"

    def total(self, metric: str) -> float:
        """Return a counter of its /metrics, summed over its labels."""
        url = f"http://127.0.0.1:{self.management}/metrics"
        text = urllib.request.urlopen(url, timeout=10).read().decode()
        return sum(
            float(value) for value in re.findall(rf"^{metric}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$", text, re.MULTILINE)
        )

    def wait_ready(self) -> None:
        """Return when /readyz says so."""
        url = f"http://127.0.0.1:{self.management}/readyz"
        for _ in range(600):
            try:
                urllib.request.urlopen(url, timeout=2).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(f"{self.process.cmdline()[-1]} did not become ready")


@contextmanager
def running(module: str, environment: dict[str, str], log: Path) -> Iterator[Weighed]:
    """Run `python -m module` until the block ends."""
    port = free_port()
    values = dict(os.environ) | environment | {"HUB_MANAGEMENT_PORT": str(port)}
    with log.open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", module], env=values, stdout=out, stderr=out)  # noqa: S603
    try:
        yield Weighed(psutil.Process(process.pid), port)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
