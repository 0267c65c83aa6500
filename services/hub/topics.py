"""`hub topics`: every topic as it was declared, as it is, and how much is in it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, NamedTuple

import typer

from schemas.topics import Topic
from services.hub.desk import Desk, age, desk_of, logged
from services.hub.errors import Exit
from services.hub.installation import declared, tenants_of
from services.hub.verb import reads
from services.runtime.bus.admin import Drift, drift, partition_counts
from services.runtime.bus.reader import Place, Reader, reading

LAST = 50
"""Offsets at the end of a partition in which its newest record is looked for: markers of transactions count too."""


@dataclass(frozen=True)
class Row:
    """One topic. Ages in seconds; of what is not there, None."""

    topic: str
    partitions: int | None
    declared_partitions: int
    offsets: int
    """From the first kept to the end: records, markers of transactions, and what compaction took."""
    oldest_seconds: float | None
    newest_seconds: float | None
    drift: tuple[str, ...]


@reads("hub topics", "hub topics --json | jq 'select(.drift != [])'")
def topics(
    context: typer.Context, *, json: Annotated[bool, typer.Option("--json", help="One line of JSON a topic.")] = False
) -> None:
    """Compare the topics on the broker with their declarations, and show how much lies in each and how old it is.

    Ends with 1 when a topic is missing, or is not as declared.
    """
    desk = desk_of(context)
    rows = desk.run(_rows(desk))
    if json:
        for row in rows:
            desk.say_json(asdict(row))
    else:
        desk.show(_COLUMNS, map(_cells, rows))
    if any(row.drift for row in rows):
        raise typer.Exit(Exit.FOUND)


_COLUMNS = ("topic", "partitions", "offsets", "oldest", "newest", "not as declared")


def _cells(row: Row) -> tuple[object, ...]:
    drifts = "; ".join(row.drift)
    return (row.topic, row.partitions, row.offsets, age(row.oldest_seconds), age(row.newest_seconds), drifts)


async def _rows(desk: Desk) -> list[Row]:
    wanted = declared(tenants_of(desk))
    there = await partition_counts(desk.connection)
    differences = await drift(desk.connection, wanted.items())
    present = [name for name in wanted if name in there]
    contents = await _contents(desk, present) if present else {}
    return [
        _row(name, topic, there.get(name), contents.get(name, _NOTHING), differences) for name, topic in wanted.items()
    ]


def _row(name: str, topic: Topic, partitions: int | None, contents: _Contents, differences: list[Drift]) -> Row:
    drifts = (f"{each.what}: {each.found}, not {each.declared}" for each in differences if each.topic == name)
    return Row(name, partitions, topic.partitions, *contents, tuple(drifts))


class _Contents(NamedTuple):
    offsets: int
    oldest: float | None
    newest: float | None


_NOTHING = _Contents(0, None, None)


async def _contents(desk: Desk, names: list[str]) -> dict[str, _Contents]:
    async with reading(desk.connection, names, doubles=True) as reader:
        begins, ends = await reader.positions(), await reader.ends()
        full = {place for place in ends if ends[place] > begins[place]}
        first = await _first_records(reader, full)
        await reader.seek({place: max(begins[place], ends[place] - LAST) for place in full})
        last = {(record.topic, record.partition): logged(record) async for record in reader.to_the_end()}
    now = desk.clock.now()
    return {
        name: _Contents(
            sum(ends[place] - begins[place] for place in full if place[0] == name),
            _seconds(now, min((at for place, at in first.items() if place[0] == name), default=None)),
            _seconds(now, max((at for place, at in last.items() if place[0] == name), default=None)),
        )
        for name in names
    }


async def _first_records(reader: Reader, full: set[Place]) -> dict[Place, datetime]:
    """Return when the first record of each partition was logged, without reading much more."""
    found: dict[Place, datetime] = {}
    async for record in reader.to_the_end():
        found.setdefault((record.topic, record.partition), logged(record))
        if len(found) == len(full):
            break
    return found


def _seconds(now: datetime, then: datetime | None) -> float | None:
    return None if then is None else max(0.0, (now - then).total_seconds())
