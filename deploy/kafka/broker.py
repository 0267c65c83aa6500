"""One broker as a process: started, stopped, and ill-treated the way tests want it.

BrokerError    the broker did not start, or did not do as told; the message ends with its log
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.kafka.node import Node
from deploy.kafka.probe import living_brokers
from deploy.kafka.software import Software

GUARD = Path(__file__).with_name("guard.py")
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.03


class BrokerError(Exception):
    """A broker did not start, or did not stop."""


class Broker:
    """A broker of a plan, on this machine.

    Its data stays in the node's folder from life to life; with `discard` the folder goes when the
    broker is left (`with`), or when this process dies, by whatever death.
    """

    def __init__(self, software: Software, node: Node, *, discard: Path | None = None) -> None:
        self._software = software
        self._node = node
        self._discard = discard
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return self._node.address

    @property
    def pid(self) -> int:
        """The process id of the broker itself (not of its guard)."""
        return self._pid

    @property
    def running(self) -> bool:
        """Whether the process is there, be it paused."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> Self:
        """Start on whatever data the folder holds, and return when clients are served.

        Raises:
            BrokerError: it ended, or was not ready within a minute.
        """
        self.launch()
        self.wait_ready()
        return self

    def launch(self, *flags: str) -> None:
        """Start without waiting: a cluster needs most of its brokers before one is ready."""
        self._node.write_settings()
        if not self._node.formatted:
            self._format()
        command = self._software.command(*flags, "kafka.Kafka", str(self._node.settings))
        self._hold(command)

    def wait_ready(self) -> None:
        """Wait until this broker counts itself among the living.

        Raises:
            BrokerError: it ended, or was not ready within a minute.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not self._is_alive():
            if not self.running:
                raise self._failure("ended while starting")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready within {READY_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop in an orderly way; a broker that does not stop in time is killed.

        Raises:
            BrokerError: it had to be killed.
        """
        if self.running:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)
        try:
            self._wait_gone()
        except subprocess.TimeoutExpired:
            raise self._failure(f"did not stop within {STOP_SECONDS:.0f} s") from None

    def kill(self) -> None:
        """Kill it (SIGKILL), and return when it is gone."""
        if self.running:
            self._signal(signal.SIGKILL)
        self._wait_gone()

    def pause(self) -> None:
        """Stop its clock (SIGSTOP): its connections stay open and silent."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker go on."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same port and data."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        """Hand over the broker as it is."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave no process, and no folder that was only for now."""
        if self._discard:
            self.kill()
            shutil.rmtree(self._discard, ignore_errors=True)
        else:
            self.stop()

    def _is_alive(self) -> bool:
        """Whether the one who answers at our port is ours: the port might be another's."""
        living = living_brokers("127.0.0.1", self._node.port)
        return bool(living and living.cluster == self._node.cluster and self._node.id in living.nodes)

    def _format(self) -> None:
        """Let Kafka make the folder itself: one written by hand lacks today's transactions."""
        tool = ["kafka.tools.StorageTool", "format", "-g", f"-t={self._node.cluster}"]
        command = self._software.command(*tool, "-c", str(self._node.settings))
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        if said.returncode:
            message = f"the broker's folder could not be formatted:\n{said.stdout}{said.stderr}"
            raise BrokerError(message)

    def _hold(self, command: list[str]) -> None:
        guard = [sys.executable, "-I", "-S", str(GUARD), str(self._discard or "")]
        with self._node.log.open("ab") as log:
            self._guard = subprocess.Popen(
                [*guard, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever stops us in the right order
            )
        self._pid = int(self._first_line(self._guard) or 0)

    @staticmethod
    def _first_line(guard: subprocess.Popen[bytes]) -> bytes:
        return guard.stdout.readline() if guard.stdout else b""

    def _signal(self, number: signal.Signals) -> None:
        if not self.running:
            raise self._failure("does not run")
        os.kill(self._pid, number)

    def _wait_gone(self) -> None:
        if self._guard:
            self._guard.wait(STOP_SECONDS)
            self._guard.communicate()  # closes its pipes
            self._guard = None

    def _failure(self, what: str) -> BrokerError:
        """Leave no process of a broker that failed, and say what it said last."""
        self.kill()
        log = self._node.log.read_text(errors="replace") if self._node.log.exists() else ""
        return BrokerError(f"the broker at {self._node.address} {what}\n{log[-2000:]}")
