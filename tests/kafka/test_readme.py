"""Every command of the README, run to the letter against the town that `make run` builds."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BY_CI = {"make run", "make test"}
"""Run by .ci/run itself, as a newcomer would."""
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
STORY = 90.0


def commands() -> list[str]:
    """Return the lines of all sh blocks, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@dataclass
class Town:
    """`make run`, staying up."""

    process: subprocess.Popen[str]
    log: Path

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def wait_for(self, words: str, within: float) -> None:
        until = time.monotonic() + within
        while words not in self.said():
            assert self.process.poll() is None, self.said()[-3000:]
            assert time.monotonic() < until, self.said()[-3000:]
            time.sleep(0.2)

    def here(self, command: str) -> str:
        """Return a command with the port of this town's phone: another, when that of the README is taken."""
        found = re.search(r"127\.0\.0\.1:\d+/phone", self.said())
        assert found
        return re.sub(r"127\.0\.0\.1:\d+/phone", found.group(0), command)

    def pid(self, service: str) -> str:
        found = re.search(rf"\b{service} (\d+)", self.said()[self.said().index("pids") :])
        assert found
        return found.group(1)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    log = tmp_path_factory.mktemp("town") / "make-run.log"
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", "demo"], cwd=ROOT, stdout=out, stderr=out, text=True)
    town = Town(process, log)
    try:
        town.wait_for("It stays up", STORY)
        yield town
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def run(command: str, town: Town, conversation: str) -> str:
    """Run one command as written, with what the reader fills in filled in; returns what it printed."""
    command = town.here(command.replace("CONVERSATION", conversation).replace("PID", town.pid("router")))
    environment = dict(os.environ) | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(  # noqa: S602 - as a reader types it
        command.replace(".venv/bin/", ""),
        shell=True,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def run_until(command: str, town: Town, conversation: str, words: str) -> str:
    """Run a command as somebody does who looks again until it shows what they wait for; returns the line."""
    for _ in range(30):
        shown = [line for line in run(command, town, conversation).splitlines() if words in line]
        if shown:
            return shown[-1]
        time.sleep(0.5)
    raise AssertionError(f"{command} never showed: {words}")


SHOWS = {".venv/bin/hub tail public-space": "de prullenbak in het park is vol", "curl http": "Wij komen eraan."}
"""What the reader waits to see, by how the command begins."""


@pytest.mark.timeout(300)
def test_every_command_of_the_readme_does_what_it_says(town: Town) -> None:
    conversation = "CONVERSATION"
    for command in (line for line in commands() if line not in BY_CI):
        wanted = next((words for begins, words in SHOWS.items() if command.startswith(begins)), None)
        if wanted is None:
            run(command, town, conversation)
        elif found := UUID.findall(run_until(command, town, conversation, wanted)):
            (conversation,) = found
    assert UUID.fullmatch(conversation)


@pytest.mark.timeout(60)
def test_it_stops_clean_on_ctrl_c_also_when_pressed_twice(town: Town) -> None:
    town.process.send_signal(signal.SIGINT)
    town.process.send_signal(signal.SIGINT)
    assert town.process.wait(40) == 0
    assert "stopped: " in town.said()


def test_what_a_newcomer_types_is_what_ci_runs() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert all(command in script for command in BY_CI)
    assert set(commands()) >= BY_CI
