"""Doing it: each kind of fault as a function of where it strikes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from deploy.kafka.broker import Broker
from tests.chaos.processes import Fleet, Replica
from tests.chaos.proxy import Proxy
from tests.chaos.recovery import Recovery
from tests.chaos.schedule import FLAPS, OF_ALL, Fault, Kind

LATENCY = 0.3
"""Seconds, each way."""


@dataclass
class Nemesis:
    """Carries out a schedule. One thing at a time befalls a replica, and one the broker and its wire."""

    fleet: Fleet
    broker: Broker
    proxy: Proxy
    recovery: Recovery
    done: list[Fault] = field(default_factory=list)
    passed_over: list[Fault] = field(default_factory=list)
    """Faults of a replica that was paused, or the like: it was not there to be struck."""
    _wide: asyncio.Lock = field(default_factory=asyncio.Lock)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    async def carry_out(self, faults: list[Fault]) -> None:
        """Return when the last one is over."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for fault in faults:
            await asyncio.sleep(max(0.0, began + fault.at - loop.time()))
            task = asyncio.create_task(self._one(fault))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        await asyncio.gather(*self._running)

    async def _one(self, fault: Fault) -> None:
        if fault.kind in OF_ALL:
            async with self._wide:
                with self.recovery.clouded():
                    await _WIDE[fault.kind](self, fault)
        else:
            replica = self.fleet.of(fault.service)[fault.replica]
            if replica.paused or not replica.pid:
                self.passed_over.append(fault)
                return
            await _SMALL[fault.kind](self, fault, replica)
        self.done.append(fault)

    # --- one replica ---

    async def kill(self, _fault: Fault, replica: Replica) -> None:
        numbers = replica.numbers()
        at = await replica.killed()
        self.recovery.killed(replica.name, numbers, at)

    async def term(self, _fault: Fault, replica: Replica) -> None:
        replica.signal(signal.SIGTERM)

    async def pause(self, fault: Fault, replica: Replica) -> None:
        replica.paused = True
        replica.signal(signal.SIGSTOP)
        await asyncio.sleep(fault.seconds)
        replica.signal(signal.SIGCONT)
        replica.paused = False

    async def flap(self, fault: Fault, replica: Replica) -> None:
        for _ in range(FLAPS):
            if not replica.paused:
                await replica.killed()
            await asyncio.sleep(fault.seconds)

    # --- the broker ---

    async def broker_pause(self, fault: Fault) -> None:
        self.broker.pause()
        await asyncio.sleep(fault.seconds)
        self.broker.resume()

    async def broker_kill(self, fault: Fault) -> None:
        await asyncio.to_thread(self.broker.kill)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self.broker.start)

    # --- the wire ---

    async def slow(self, fault: Fault) -> None:
        self.proxy.latency = LATENCY
        await asyncio.sleep(fault.seconds)
        self.proxy.latency = 0.0

    async def silent(self, fault: Fault) -> None:
        lines = self.proxy.silence()
        await asyncio.sleep(fault.seconds)
        for line in lines:
            line.cut()

    async def reset(self, _fault: Fault) -> None:
        self.proxy.reset()


_SMALL: Mapping[Kind, Callable[[Nemesis, Fault, Replica], Awaitable[None]]] = {
    Kind.KILL: Nemesis.kill,
    Kind.TERM: Nemesis.term,
    Kind.PAUSE: Nemesis.pause,
    Kind.FLAP: Nemesis.flap,
}
_WIDE: Mapping[Kind, Callable[[Nemesis, Fault], Awaitable[None]]] = {
    Kind.BROKER_PAUSE: Nemesis.broker_pause,
    Kind.BROKER_PAUSE_LONG: Nemesis.broker_pause,
    Kind.BROKER_KILL: Nemesis.broker_kill,
    Kind.BROKER_KILL_LONG: Nemesis.broker_kill,
    Kind.NET_SLOW: Nemesis.slow,
    Kind.NET_SILENT: Nemesis.silent,
    Kind.NET_RESET: Nemesis.reset,
}
