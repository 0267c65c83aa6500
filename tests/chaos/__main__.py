"""Breaks everything on purpose under load, then counts every message.

Usage: python -m tests.chaos [--messages N] [--kills K] [--seed S] [--faults kill,broker-pause ...]

The exit code is 0 only when nothing was lost, doubled or reordered, and no reply was sent too often.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import shutil
import sys
import time
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from deploy.kafka.software import KafkaMissingError
from tests.chaos.measure import measure
from tests.chaos.recovery import spread
from tests.chaos.run import Result, run
from tests.chaos.schedule import SERVICES, Kind
from tests.chaos.stage import Wanted

FOLDER = Path(".run/chaos")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__, formatter_class=_Whole)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=20, help="kills, stops and pauses of replicas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tenants", type=int, default=24)
    parser.add_argument("--every", type=float, default=8.0, help="seconds between two of them, on average")
    parser.add_argument("--share", type=float, default=0.05, help="of the messages, that are answered")
    parser.add_argument("--faults", type=_kinds, default=tuple(Kind), help=f"of {', '.join(Kind)}; all")
    parser.add_argument("--services", type=_names, default=SERVICES, help=f"of {', '.join(SERVICES)}; all")
    parser.add_argument("--broker-session", type=float, default=1.5, help="seconds; Kafka's own default is 9")
    parser.add_argument(
        "--recovery", type=int, metavar="N", help="only measure: kill the owner of a number with N open conversations"
    )
    parser.add_argument("--plan", action="store_true", help="print what would be done, and leave")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for logs and result.json")
    given = parser.parse_args()
    wanted = Wanted(
        seed=given.seed,
        messages=given.messages,
        kills=given.kills,
        every=given.every,
        tenants=given.tenants,
        share=given.share,
        kinds=given.faults,
        services=given.services,
        broker_session=given.broker_session,
    )
    if given.plan:
        print(*(f"{fault.at:8.2f} s  {fault}" for fault in wanted.faults()), sep="\n")
        return 0
    if given.recovery:
        return _measure(given.recovery, given.kills, given.folder)
    return _run(wanted, given.folder)


def _measure(conversations: int, kills: int, folder: Path) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seconds = runner.run(measure(conversations, kills, folder, _say))
    told = {"conversations": conversations, "seconds": spread(seconds), "each": [round(one, 2) for one in seconds]}
    print(f"\n{json.dumps(told)}")
    return 0


def _run(wanted: Wanted, folder: Path) -> int:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a broker that is away is what is wanted here
    shutil.rmtree(folder, ignore_errors=True)
    began = time.monotonic()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(run(wanted, folder, _say))
    except KafkaMissingError as error:
        _say(str(error))
        return 1
    print()
    (folder / "result.json").write_text(json.dumps(result.asdict(), indent=1), "utf-8")
    Console(width=120).print(drawn(result, time.monotonic() - began))
    for fault in result.faults:
        print(f"FAULT {fault}")
    for why in result.gave_up:
        print(f"gave up: {why}")
    print(f"details in {folder / 'result.json'}, logs beside it")
    return 1 if result.faults else 0


def drawn(result: Result, seconds: float) -> Table:
    """Return the result as a table."""
    verdict, wanted = result.verdict, result.wanted
    table = Table(title=f"seed {wanted.seed}: {wanted.messages} messages, {len(result.done)} faults", show_header=False)
    rows = {
        "lost / doubled / reordered": f"{_count(result, 'I1', verdict.lost)} / "
        f"{_count(result, 'I2', sum(verdict.doubles.values()))} / {_count(result, 'I3', verdict.reordered)}",
        "other findings": str(len(verdict.findings)),
        "messages, records": f"{verdict.messages}, {verdict.records}",
        "webhooks": f"{result.copies} copies; answers {result.webhooks}",
        "replies": ", ".join(f"{count} {status}" for status, count in sorted(verdict.replies.items())),
        "refused": ", ".join(f"{count} {why}" for why, count in sorted(verdict.refused.items())) or "none",
        "calls, taken by the provider": f"{result.calls}, {result.taken}",
        "unknown at first": f"{verdict.unknown}; {verdict.twice} read twice; {verdict.worklisted} to people",
        "sent too often / not at all": f"{verdict.sent_again} / {verdict.unsent + verdict.unsettled}",
        "torn transactions healed": str(result.torn),
        "recovery after SIGKILL, s": str(result.recovery["clear"]),
        "the same beside other faults": str(result.recovery["beside other faults"]),
        "ended by themselves": str({label: codes for label, codes in result.exits.items() if codes} or "none"),
        "seconds": f"{seconds:.0f}: {result.seconds}",
    }
    for what, value in rows.items():
        table.add_row(what, value)
    return table


def _count(result: Result, invariant: str, more: int) -> int:
    return more + sum(finding.invariant == invariant for finding in result.verdict.findings)


def _say(line: str) -> None:
    """Say how it goes: on one line of a terminal, line after line elsewhere."""
    if sys.stdout.isatty():
        print(f"\r\x1b[2K{line[:200]}", end="", flush=True)
    else:
        print(line, flush=True)


def _kinds(text: str) -> tuple[Kind, ...]:
    return tuple(Kind(name) for name in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


class _Whole(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    sys.exit(main())
