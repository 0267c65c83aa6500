"""`hub lag`: how far each service is behind, in records and in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from schemas.topics import FACTS, INBOUND, OUTBOX, OUTBOX_BULK, OUTCOMES
from services.hub.desk import Desk, age, desk_of, logged
from services.hub.errors import Exit
from services.hub.verb import reads
from services.runtime.bus.reader import Place, group_lag, reading

GROUPS: Mapping[str, tuple[str, ...]] = {
    "router": (INBOUND.name, OUTCOMES.name),
    "responder": (OUTBOX.name, OUTBOX_BULK.name),
    "insight": (FACTS.name,),
}
"""Who reads what, under which name of a consumer group."""
MOST_COUNTED = 1_000
"""Unread records that are counted one by one; of more, the offsets are told, which are somewhat more."""


@dataclass(frozen=True)
class Row:
    """One input of one service. `seconds`: how long its oldest unread record lies there; 0 when all is read."""

    group: str
    topic: str
    records: int
    seconds: float
    partitions_behind: int


@reads("hub lag", "hub lag --most-seconds 60 || echo 'somebody is behind'")
def lag(
    context: typer.Context,
    *,
    most_seconds: Annotated[
        float | None, typer.Option(help="End with 1 when a record has been unread for longer.", min=0)
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON an input.")] = False,
) -> None:
    """Show how much each service has not read yet of each of its topics, and for how long that has been there."""
    desk = desk_of(context)
    rows = desk.run(_rows(desk))
    if json:
        for row in rows:
            desk.say_json(asdict(row))
    else:
        columns = ("group", "topic", "unread", "oldest", "partitions behind")
        desk.show(columns, [(r.group, r.topic, r.records, age(r.seconds), r.partitions_behind) for r in rows])
    if most_seconds is not None and any(row.seconds > most_seconds for row in rows):
        raise typer.Exit(Exit.FOUND)


async def _rows(desk: Desk) -> list[Row]:
    return [await _row(desk, group, topic) for group, inputs in GROUPS.items() for topic in inputs]


async def _row(desk: Desk, group: str, topic: str) -> Row:
    behind = {place: count for place, count in (await group_lag(desk.connection, group, [topic])).items() if count}
    if not behind:
        return Row(group, topic, 0, 0.0, 0)
    records, oldest = await _unread(desk, topic, behind)
    return Row(group, topic, records, max(oldest.values(), default=0.0), len(oldest))


async def _unread(desk: Desk, topic: str, behind: Mapping[Place, int]) -> tuple[int, dict[Place, float]]:
    """Count what is unread, and how old the oldest of each partition is: a marker of a transaction is no record."""
    oldest: dict[Place, float] = {}
    count, now = 0, desk.clock.now()
    async with reading(desk.connection, [topic], doubles=True, only=[partition for _, partition in behind]) as reader:
        ends = await reader.ends()
        await reader.seek({place: ends[place] - unread for place, unread in behind.items()})
        async for record in reader.to_the_end():
            count += 1
            oldest.setdefault((record.topic, record.partition), max(0.0, (now - logged(record)).total_seconds()))
            if count >= MOST_COUNTED and len(oldest) == len(behind):
                return sum(behind.values()), oldest
    return count, oldest
