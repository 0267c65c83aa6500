"""One run: load and faults at once; then quiet, then the count."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from schemas.topics import FACTS, INBOUND, OUTBOX, OUTCOMES, RESPONDER_STATE
from services.runtime.bus.connection import plain
from services.runtime.bus.reader import Start, group_lag, reading
from tests.chaos.judge import Verdict, judge
from tests.chaos.recovery import spread
from tests.chaos.stage import Stage, Wanted, stage

QUIET = 16.0
"""Seconds without a record, after which nothing more comes: longer than a call's deadline and the doubt."""
STUCK = 90.0
"""Seconds without a record while something is still to be done: then it never will be."""


@dataclass
class Result:
    """What came of it."""

    wanted: Wanted
    verdict: Verdict
    recovery: dict[str, dict[str, float]]
    done: list[str]
    passed_over: int
    exits: dict[str, dict[int, int]]
    gave_up: list[str]
    torn: int
    """Transactions that the broker left half done, and that were healed."""
    calls: int
    taken: int
    webhooks: dict[int, int]
    copies: int
    seconds: dict[str, float]
    never_back: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What must not be; nothing, when all is well."""
        died = [f"{label} ended by itself: {codes}" for label, codes in self.exits.items() if codes]
        return self.verdict.faults(torn=self.torn > 0) + died + [f"{who} never came back" for who in self.never_back]

    def asdict(self) -> dict[str, Any]:
        """Return it for JSON."""
        told = asdict(self) | {"faults": self.faults}
        told["verdict"]["findings"] = [str(finding) for finding in self.verdict.findings[:50]]
        return told


async def run(wanted: Wanted, folder: Path, say: Callable[[str], None]) -> Result:
    """Do it all; returns what came of it."""
    began = time.monotonic()
    async with stage(wanted, folder, say) as at:
        say("everything is ready: load and faults begin")
        seconds = {"built": time.monotonic() - began}
        faults = wanted.faults()
        telling = asyncio.create_task(_tell(at, say))
        reading_on = [asyncio.create_task(each) for each in (at.departments.work(), at.recovery.watch())]
        try:
            began = time.monotonic()
            await asyncio.gather(at.citizens.write(), at.nemesis.carry_out(faults))
            seconds["load"], began = time.monotonic() - began, time.monotonic()
            say("load and faults are over: waiting for quiet")
            await _quiet(at)
        finally:
            for task in (telling, *reading_on):
                task.cancel()
            await asyncio.gather(telling, *reading_on, return_exceptions=True)
        seconds["quiet"], began = time.monotonic() - began, time.monotonic()
        say("all is quiet: counting")
        verdict = await judge(at.town, plain(at.bootstrap), at.citizens.taken, at.provider.taken)
        seconds["count"] = time.monotonic() - began
        return _result(at, verdict, seconds)


def _result(at: Stage, verdict: Verdict, seconds: Mapping[str, float]) -> Result:
    replicas = at.fleet.replicas
    return Result(
        wanted=at.wanted,
        verdict=verdict,
        recovery={"clear": spread(at.recovery.clear), "beside other faults": spread(at.recovery.beside)},
        done=[str(fault) for fault in at.nemesis.done],
        passed_over=len(at.nemesis.passed_over),
        exits={each.label: dict(each.exits) for each in replicas},
        gave_up=[f"{each.label}: {why}" for each in replicas for why in each.why()],
        torn=sum(each.count("torn_transaction_found") for each in replicas),
        calls=at.provider.calls,
        taken=len(at.provider.taken),
        webhooks=dict(at.doors.answers),
        copies=at.citizens.copies,
        seconds={name: round(value, 1) for name, value in seconds.items()},
        never_back=[f"{service}.{number}" for service, number in at.recovery.open],
    )


# --- waiting for quiet ---


async def _quiet(at: Stage) -> None:
    """Return when nothing moves any more; what does not come to rest in time is found by the count."""
    connection = plain(at.bootstrap)
    topics = [topic.name for topic in (INBOUND, OUTCOMES, OUTBOX, RESPONDER_STATE, FACTS)]
    async with reading(connection, topics, Start.NOW) as reader:
        before, since = await reader.ends(), time.monotonic()
        while time.monotonic() - since < STUCK:
            await asyncio.sleep(1)
            now = await reader.ends()
            if now != before or at.departments.busy or at.provider.unreported:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > QUIET and not await _behind(at):
                return


async def _behind(at: Stage) -> int:
    lag = await group_lag(plain(at.bootstrap), "router", [INBOUND.name])
    return sum(lag.values())


async def _tell(at: Stage, say: Callable[[str], None]) -> None:
    for second in itertools.count():
        await asyncio.sleep(1)
        say(f"{second:4} s  {at.progress()}")
