"""`hub spool`: what ingest keeps on disk while the broker is away, and how a spool without an owner is emptied."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from services.hub.desk import Desk, age, desk_of
from services.hub.errors import Exit, HubError, WrongUse
from services.hub.verb import add, final, reads
from services.runtime.bus.carrier import Carrier
from services.runtime.bus.producer import Producer
from services.runtime.bus.seat import Line, NotDurable
from services.runtime.spool.forwarder import Forwarder, Told
from services.runtime.spool.siblings import has_owner, spools
from services.runtime.spool.spool import Spool
from services.runtime.spool.store import SpoolError, Store, Taken

PATIENCE = 60.0
"""Seconds for the broker to take a few hundred records: longer than its client's own patience with one request."""
NO_LIMIT = 1 << 62

Where = Annotated[Path, typer.Argument(metavar="PATH", help="A spool, or the folder of spools (INGEST_SPOOL).")]


@dataclass(frozen=True)
class Row:
    """One spool."""

    spool: str
    owner: bool
    """Whether a process has it."""
    records: int
    """What waits for the broker."""
    refused: int
    """What neither the broker nor the dead letters took."""
    bytes: int
    oldest_seconds: float | None

    @property
    def forgotten(self) -> bool:
        """Whether somebody has to do something about it."""
        return bool(self.refused) or (bool(self.records) and not self.owner)


@reads("hub spool status /var/lib/hub/spool", "hub spool status spool --json | jq 'select(.owner | not)'")
def status(
    context: typer.Context, path: Where, *, json: Annotated[bool, typer.Option("--json", help="A line each.")] = False
) -> None:
    """Show what waits in spools, how old it is, and whether a process has them.

    Ends with 1 when one holds something that nobody is about to forward.
    """
    desk = desk_of(context)
    rows = [_row(desk, folder) for folder in _found(path)]
    if json:
        for row in rows:
            desk.say_json(asdict(row))
    else:
        desk.show(("spool", "owner", "records", "refused", "bytes", "oldest"), map(_cells, rows))
    if any(row.forgotten for row in rows):
        raise typer.Exit(Exit.FOUND)


@final(
    "what is drained is on the broker, under the ids that it had; what is there already is dropped by the router.",
    "hub spool drain /mnt/volume-of-ingest-2/spool/2",
)
def drain(context: typer.Context, path: Where) -> None:
    """Empty the spool of a replica that will not come back: carry all of it to the broker, in its order.

    Refuses when a process has it: that one forwards it by itself. What the broker never takes becomes a dead letter.
    Ends with 1 when there was such a record; stopped half-way, it goes on where it was when started again.
    """
    desk = desk_of(context)
    (folder, *more) = _found(path)
    if more:
        raise WrongUse(f"there is more than one spool in {path}: name one of them")
    desk.run(_drain(desk, folder))


def _found(path: Path) -> list[Path]:
    try:
        found = spools(path)
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from error
    if not found:
        raise WrongUse(f"there is no spool in {path}")
    return found


def _row(desk: Desk, folder: Path) -> Row:
    try:
        with closing(Store(folder)) as store:
            totals = store.totals()
        owned = has_owner(folder)
    except SpoolError as error:
        raise HubError(f"{folder}: {error}") from error
    oldest = None if totals.oldest is None else max(0.0, desk.clock.now().timestamp() - totals.oldest)
    return Row(str(folder), owned, totals.records, totals.refused, totals.bytes, oldest)


def _cells(row: Row) -> tuple[object, ...]:
    owner = "yes" if row.owner else "none"
    return (row.spool, owner, row.records, row.refused, row.bytes, age(row.oldest_seconds))


async def _drain(desk: Desk, folder: Path) -> None:
    refused: list[str] = []
    async with _taken(desk, folder) as spool, _producing(desk) as producer:
        await spool.release()
        records = spool.records
        await Forwarder(spool, _Bounded(producer, desk), Told(refused=refused.append)).drain()
        desk.say(f"{records} records went to the broker, {len(refused)} of them as dead letters or not at all.")
        if spool.refused:
            desk.warn(f"{spool.refused} stay in {folder}: not even the dead letters took them")
    if refused:
        raise typer.Exit(Exit.FOUND)


@asynccontextmanager
async def _taken(desk: Desk, folder: Path) -> AsyncIterator[Spool]:
    spool = Spool(folder, NO_LIMIT, desk.clock)
    try:
        await spool.open(0)
        yield spool
    except Taken as error:
        raise WrongUse(f"{folder}: {error}, and forwards it by itself") from error
    except SpoolError as error:
        raise HubError(f"{folder}: {error}") from error
    finally:
        await spool.close()


@asynccontextmanager
async def _producing(desk: Desk) -> AsyncIterator[Producer]:
    producer = Producer(desk.connection)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


class _Bounded(Carrier):
    """Carries for people, who want to hear it when the broker is away."""

    def __init__(self, producer: Producer, desk: Desk) -> None:
        super().__init__(producer, desk.clock)

    async def carry(self, lines: Sequence[Line]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await super().carry(lines)
        except TimeoutError as error:
            raise NotDurable(f"not confirmed within {PATIENCE:.0f} s") from error


group = typer.Typer(help="What ingest keeps on disk for the broker: look at it, empty it.", no_args_is_help=True)
add(group, "status", status)
add(group, "drain", drain)
