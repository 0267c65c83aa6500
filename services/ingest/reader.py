"""A reader: the process in which costly mail is read. It knows no secret, opens nothing, and dies rather than linger.

Usage: python -m services.ingest.reader LOADER MEMORY CHANNEL... (ingest starts it, and talks to it by wire.py)
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from math import ceil
from typing import BinaryIO

from services.channels.base import Channel, Endpoint, Item, Rejected, Request
from services.ingest.wire import LENGTH, Frame, asking, packed, said, unpacked

POLITE = 10
"""Whoever takes requests goes first."""


def main(loader: str, memory: int, names: Sequence[str]) -> int:
    """Read what is asked until nobody asks any more."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    module, _, function = loader.partition(":")
    load = getattr(import_module(module), function)
    channels: dict[str, Channel] = {name: load(name) for name in names}
    source, sink = os.fdopen(0, "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _confine(memory)
    _say([b"ready"], sink)
    while (frame := _next(source)) is not None:
        name, endpoint, request, cpu_seconds = asking(frame)
        _allow(cpu_seconds)
        _say(said(_read(channels[name], request, endpoint)), sink)
    return 0


def _confine(memory: int) -> None:
    os.nice(POLITE)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _allow(cpu_seconds: int) -> None:
    """Let it compute for so long from now; then the kernel ends it (SIGXCPU)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = ceil(used.ru_utime + used.ru_stime) + cpu_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _read(channel: Channel, request: Request, endpoint: Endpoint) -> list[Item]:
    """A channel that breaks its contract costs nobody's words: the bytes are set aside."""
    try:
        return channel.parse(request, endpoint)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is told and nothing else is done
        return [Rejected(reason=f"the channel failed: {type(error).__name__}", raw=request.body)]


def _say(frame: Frame, sink: BinaryIO) -> None:
    sink.write(packed(frame))
    sink.flush()


def _next(source: BinaryIO) -> Frame | None:
    length = source.read(LENGTH.size)
    return unpacked(source.read(*LENGTH.unpack(length))) if length else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
