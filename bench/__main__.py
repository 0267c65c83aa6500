"""Measures the hub and prints a table. Usage: python -m bench [--messages N] [--only NAME] [--out FILE]."""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import rates, replies, slow, spool
from bench.rates import Row

Measure = Callable[[Path, int], Iterator[Row]]
MEASURES: dict[str, Measure] = {
    "router": lambda folder, count: rates.router(folder, count, 24),
    "router-one-tenant": lambda folder, count: rates.router(folder, count, 1),
    "ingest": lambda folder, count: rates.ingest(folder, count // 3),
    "spool": spool.away,
    "slow": slow.slow,
    "responder": lambda folder, count: replies.responder(folder, count // 2),
    "latency": lambda folder, _count: rates.latency(folder, {10: 15, 1_000: 10}),
}


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=30_000, help="how many the router works (default 30000)")
    parser.add_argument("--only", choices=MEASURES, help="measure only this")
    parser.add_argument("--out", type=Path, default=Path("bench/results/latest.json"), help="where the JSON goes")
    arguments = parser.parse_args()
    rows = list(_measured(arguments.only, arguments.messages))
    Console(width=120).print(_table(rows))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(
        json.dumps({"machine": platform.platform(), "rows": [row.asdict() for row in rows]}, indent=2)
    )
    return 0


def _measured(only: str | None, count: int) -> Iterator[Row]:
    for name, measure in MEASURES.items():
        if only in (None, name):
            print(f"bench: {name}", file=sys.stderr, flush=True)
            folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
            yield from measure(folder, count)
            shutil.rmtree(folder)


def _table(rows: list[Row]) -> Table:
    table = Table(title="Berichtenhub, measured")
    for column in ("what", "a second", "CPU us each", "note"):
        table.add_column(column, justify="left" if column in ("what", "note") else "right")
    for row in rows:
        table.add_row(row.what, f"{row.rate:,.0f}", f"{row.cpu_us:.1f}" if row.cpu_us else "", row.note)
    return table


if __name__ == "__main__":
    sys.exit(main())
