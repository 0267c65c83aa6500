"""Holds one process and lets it outlive nobody: `guard.py FOLDER COMMAND...`.

Standard input is the life line: whoever started the guard holds its other end, and when that end
closes, by whatever death, the process is killed and FOLDER (unless empty) removed. The guard's own
death takes the process along as well. The first line on standard output is the process id.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1


def die_with_the_parent() -> None:
    """Have the kernel kill this process when its parent ends (Linux, prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def kill_when_abandoned(process: subprocess.Popen[bytes], folder: str, abandoned: threading.Event) -> None:
    """Wait for the end of the life line, then leave nothing behind."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    abandoned.set()
    process.kill()
    process.wait()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def hold(folder: str, command: list[str]) -> int:
    """Run `command` to its end and return its exit code."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        preexec_fn=die_with_the_parent,  # noqa: PLW1509 - no thread runs yet
    )
    print(process.pid, flush=True)
    abandoned = threading.Event()
    told = (process, folder, abandoned)
    cleaner = threading.Thread(target=kill_when_abandoned, args=told, daemon=True)
    cleaner.start()
    code = process.wait()
    if abandoned.is_set():
        cleaner.join()
    return code


if __name__ == "__main__":
    sys.exit(hold(sys.argv[1], sys.argv[2:]))
