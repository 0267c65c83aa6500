"""`hub trace`: every hop of one message, reply or conversation over all topics, with its time. No content unless asked.

Whatever has an id in common belongs together: a message, the answer that names it, its parts, their receipts. Of a
conversation it is everything that names the conversation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

import typer

from schemas.cloudevents import CloudEvent
from schemas.events import PREFIX, Event, HubTicked
from services.hub.desk import Desk, desk_of, events, logged
from services.hub.errors import Exit
from services.hub.installation import topics_there
from services.hub.names import Names, names_of
from services.hub.verb import reads
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Raw


@dataclass(frozen=True)
class Hop:
    """One record of what was asked. `after`: seconds since the first hop; `delay`: since the one before."""

    topic: str
    partition: int
    offset: int
    at: datetime
    type: str
    id: str
    what: str
    after: float = 0.0
    delay: float = 0.0
    content: dict[str, Any] | None = None

    @property
    def place(self) -> str:
        """Where it lies."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@reads(
    "hub trace 66b2a1c4-0d5e-8f3a-9c1d-2e4f6a8b0c1d",
    "hub trace wamid.HBgLMzE2 --json",
    "hub trace 12345678 --content",
)
def trace(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="Of a message, reply, conversation or event; a reference.")],
    *,
    content: Annotated[bool, typer.Option("--content", help="Also the data, with the words of citizens.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON a hop.")] = False,
) -> None:
    """Show where something came by, on every topic, in the order of time, and how long each step took.

    Ends with 1 when nothing has this id.
    """
    desk = desk_of(context)
    hops = desk.run(_traced(desk, name, content=content))
    if json:
        for hop in hops:
            desk.say_json({**asdict(hop), "at": hop.at.isoformat()})
    else:
        _tell(desk, hops)
    if not hops:
        desk.warn(f"nothing on any topic is called {name}")
        raise typer.Exit(Exit.FOUND)


def _tell(desk: Desk, hops: Iterable[Hop]) -> None:
    desk.show(("at", "s later", "what", "details", "where"), map(_cells, hops))
    for each in hops:
        if each.content is not None:
            desk.say(f"{each.place} {each.content}")


def _cells(each: Hop) -> tuple[str, ...]:
    at = each.at.astimezone().strftime("%d-%m %H:%M:%S.%f")[:-3]
    return (at, f"{each.delay:.3f}", each.type, each.what, each.place)


async def _traced(desk: Desk, name: str, *, content: bool) -> list[Hop]:
    index = Index()
    async with reading(desk.connection, await topics_there(desk)) as reader:
        async for raw, event in events(reader):
            if not isinstance(event.data, HubTicked):
                index.add(names_of(event), hop(raw, event, content=content))
    return timed(index.related(name))


@dataclass
class Index:
    """All that was read, by what it is called."""

    _names: list[Names] = field(default_factory=list)
    _hops: list[Hop] = field(default_factory=list)
    _by_name: dict[str, list[int]] = field(default_factory=dict)

    def add(self, names: Names, hop: Hop) -> None:
        """Take in one record."""
        for name in names.own | names.wide:
            self._by_name.setdefault(name, []).append(len(self._hops))
        self._names.append(names)
        self._hops.append(hop)

    def related(self, name: str) -> list[Hop]:
        """Return all that belongs to what has this name, unsorted."""
        found, left, known = set[int](), [name], {name}
        while left:
            for index in self._by_name.get(left.pop(), ()):
                found.add(index)
                fresh = self._names[index].own - known
                known |= fresh
                left += fresh
        return [self._hops[index] for index in found]


def timed(hops: Iterable[Hop]) -> list[Hop]:
    """Return hops in the order of time, with what passed between them."""
    listed = sorted(hops, key=lambda each: (each.at, each.topic, each.partition, each.offset))
    pairs = itertools.pairwise([*listed[:1], *listed])
    return [
        replace(each, delay=(each.at - before.at).total_seconds(), after=(each.at - listed[0].at).total_seconds())
        for before, each in pairs
    ]


def hop(raw: Raw, event: CloudEvent, *, content: bool) -> Hop:
    """Return one record as a hop."""
    shown = event.data.model_dump(mode="json", exclude_none=True) if content else None
    kind = event.type.removeprefix(PREFIX).removesuffix(".v1")
    return Hop(raw.topic, raw.partition, raw.offset, logged(raw), kind, event.id, details(event.data), content=shown)


_SHOWN = ("department", "kind", "number", "routing", "attempt", "status", "why", "reason", "from_department", "move")


def details(data: Event) -> str:
    """Return what tells this event from its like: words of closed lists and numbers, and nothing that anyone wrote."""
    values = ((name, getattr(data, name, None)) for name in _SHOWN)
    return " ".join(f"{name}={value}" for name, value in values if value is not None)
