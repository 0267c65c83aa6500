"""Where costly mail is read: a few processes of their own, each with bounds on time, CPU and memory.

Busy    all of them had work for too long, or none begins: whoever sent it must come again

Whatever a reader does, the mail it had is not lost, and the next one is read: one that hangs or dies is replaced, and
what it died of is set aside whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import replace

from services.channels.base import Bounds, Channel, Endpoint, Item, ReadApart, Rejected, Request
from services.ingest.wire import LENGTH, Nonsense, asked, heard, packed, unpacked
from services.runtime.process.log import get_logger

log = get_logger()

LOADER = "services.channels.loader:load"
WIDTH = 2
"""How many read at once."""
PATIENCE = 30.0
"""Seconds that a mail waits for a reader."""
BEGIN = 30.0
"""Seconds that a reader may take to begin."""
END = 2.0
"""And how long to end, when it has closed its mouth."""
_LARGEST = 1 << 28
"""Bytes of an answer that are believed: several times the largest mail."""
_PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "VIRTUAL_ENV")
"""All that a reader is told of our surroundings: it needs no secret."""


class Busy(Exception):
    """There was no reader for it in time."""


class _Gone(Exception):
    """The reader did not answer: it was too slow, or it died. Its text says which."""


class Readers:
    """The processes. `channels`: those that are read apart."""

    def __init__(self, channels: Iterable[Channel], loader: str = LOADER, patience: float = PATIENCE) -> None:
        apart = {channel.name: channel for channel in channels if isinstance(channel, ReadApart)}
        memory = max((_bounds(channel).memory for channel in apart.values()), default=0)
        self._patience = patience
        self._readers = [_Reader(loader, memory, sorted(apart)) for _ in range(WIDTH if apart else 0)]
        self._free: asyncio.LifoQueue[_Reader] = asyncio.LifoQueue()
        for reader in self._readers:
            self._free.put_nowait(reader)

    async def start(self) -> None:
        """Have them ready before the first mail comes; one that does not begin now is tried again with a mail."""
        await asyncio.gather(*(reader.start() for reader in self._readers), return_exceptions=True)

    async def close(self) -> None:
        """End them."""
        await asyncio.gather(*(reader.end() for reader in self._readers))

    async def read(self, channel: Channel, endpoint: Endpoint, request: Request) -> list[Item]:
        """Return what a genuine request holds, or that it was set aside; raises Busy."""
        try:
            async with asyncio.timeout(self._patience):
                reader = await self._free.get()
        except TimeoutError:
            raise Busy from None
        try:
            return await _read_or_set_aside(reader, channel, endpoint, request)
        finally:
            self._free.put_nowait(reader)


async def _read_or_set_aside(reader: _Reader, channel: Channel, endpoint: Endpoint, request: Request) -> list[Item]:
    bounds = _bounds(channel)
    frame = packed(asked(channel.name, endpoint, request, bounds.cpu_seconds))
    try:
        return await reader.read(frame, bounds.seconds)
    except _Gone as error:
        log.warning("reader_replaced", channel=channel.name, why=str(error), size=len(request.body))
        return [Rejected(str(error), request.body, _account(channel, endpoint, request))]


def _account(channel: Channel, endpoint: Endpoint, request: Request) -> str | None:
    """Whose it is follows from what came around it: without a body it costs nothing to read."""
    found = channel.parse(replace(request, body=b""), endpoint)
    return found[0].account if found else None


def _bounds(channel: Channel) -> Bounds:
    return channel.bounds if isinstance(channel, ReadApart) else Bounds()


class _Reader:
    """One process, replaced when it is gone."""

    def __init__(self, loader: str, memory: int, channels: list[str]) -> None:
        self._command = [sys.executable, "-m", "services.ingest.reader", loader, str(memory), *channels]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when it is ready to read; raises Busy: that it does not begin is nobody's mail's fault."""
        if self._process is not None and self._process.returncode is None:
            return
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # a traceback could hold a citizen's words
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        )
        try:
            async with asyncio.timeout(BEGIN):
                await self._answer()
        except (TimeoutError, OSError, EOFError, Nonsense) as error:
            log.warning("reader_does_not_begin", error=type(error).__name__)
            await self.end()
            raise Busy from error

    async def end(self) -> None:
        """Kill it: it has nothing that anybody misses."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def read(self, frame: bytes, seconds: float) -> list[Item]:
        """Return what a request holds; raises _Gone, and is as new then."""
        await self.start()
        try:
            async with asyncio.timeout(seconds):
                return heard(unpacked(await self._exchange(frame)))
        except TimeoutError:
            await self.end()
            raise _Gone(f"reading it took more than {seconds:g} s") from None
        except (OSError, EOFError, Nonsense) as error:
            raise _Gone(await self._died_of(error)) from error
        except asyncio.CancelledError:
            await self.end()
            raise

    async def _exchange(self, frame: bytes) -> bytes:
        assert self._process and self._process.stdin  # noqa: S101, PT018 - as it was started
        self._process.stdin.write(frame)
        await self._process.stdin.drain()
        return await self._answer()

    async def _answer(self) -> bytes:
        assert self._process and self._process.stdout  # noqa: S101, PT018 - as it was started
        (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
        if length > _LARGEST:
            raise Nonsense("an answer that is too large")
        return await self._process.stdout.readexactly(length)

    async def _exit_code(self) -> int | None:
        """Let it end by itself first: one that is killed tells nothing."""
        process = self._process
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END):
                await (process.wait() if process else asyncio.sleep(0))
        await self.end()
        return process.returncode if process else None

    async def _died_of(self, error: Exception) -> str:
        if await self._exit_code() == -signal.SIGXCPU:
            return "reading it took too much computing"
        return f"reading it ended the reader: {type(error).__name__}"
