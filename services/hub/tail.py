"""`hub tail`: what a department has on its queue, as it comes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer
from rich.text import Text

from schemas.cloudevents import CloudEvent
from schemas.events import HubTicked
from services.hub.desk import Desk, desk_of, harmless, logged, read
from services.hub.errors import WrongUse
from services.hub.installation import Queue, queues_there
from services.hub.labels import told
from services.hub.verb import reads
from services.runtime.bus.reader import Reader, reading
from services.runtime.bus.seat import Raw

SHOWN = 20

Show = Callable[[Raw, CloudEvent], None]


@reads("hub tail public-space --follow", "hub tail waste --tenant zonnedael --from-start --json")
def tail(  # noqa: PLR0913 - an option each
    context: typer.Context,
    department: Annotated[str, typer.Argument(help="Whose queue: public-space, waste, kcc, triage ...")],
    *,
    tenant: Annotated[str | None, typer.Option(help="Its municipality; all of them when absent.")] = None,
    lines: Annotated[int, typer.Option(help="How many of the last events to show.", min=0)] = SHOWN,
    from_start: Annotated[bool, typer.Option("--from-start", help="Show all that is kept (30 days).")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON an event, data and all.")] = False,
) -> None:
    """Show what is on a department's queue, with the words of its citizens: it is the department's own queue.

    Each line has the id of its conversation: that is what the other verbs ask for.
    """
    desk = desk_of(context)
    show = _shown_as_json(desk) if json else _shown(desk)
    with suppress(KeyboardInterrupt):
        desk.run(_tail(desk, department, tenant, show, lines=None if from_start else lines, follow=follow))


async def _tail(
    desk: Desk, department: str, tenant: str | None, show: Show, *, lines: int | None, follow: bool
) -> None:
    queues = await queues_there(desk, department, tenant)
    if not queues:
        raise WrongUse("there are no queues on this broker")
    async with reading(desk.connection, [queue.topic for queue in queues]) as reader:
        for record in await _last(reader, lines):
            _show(show, record)
        if follow:
            async for record in reader.follow():
                _show(show, record)


async def _last(reader: Reader, lines: int | None) -> list[Raw]:
    """Return the last records by time, or all: what lies in one partition knows nothing of the others."""
    found: list[Raw] = []
    async for record in reader.to_the_end():
        found.append(record)
        if lines is not None and len(found) > 2 * lines + SHOWN:
            found = _latest(found, lines)
    return _latest(found, len(found) if lines is None else lines)


def _latest(records: list[Raw], count: int) -> list[Raw]:
    ordered = sorted(records, key=lambda each: each.timestamp)
    return ordered[len(ordered) - min(count, len(ordered)) :]


def _show(show: Show, record: Raw) -> None:
    event = read(record)
    if event and not isinstance(event.data, HubTicked):
        show(record, event)


def _shown(desk: Desk) -> Show:
    def show(record: Raw, event: CloudEvent) -> None:
        what, conversation = told(event.data), getattr(event.data, "conversation", None) or "-"
        number = "" if what.number is None else f"#{what.number}"
        at = logged(record).astimezone().strftime("%d-%m %H:%M:%S")
        queue = Queue(*record.topic.split(".")[1:])
        line = Text.assemble(
            (f"{at} {queue.tenant} ", "dim"), (f"{what.label} ", "bold"), (f"{conversation} {number}", "cyan")
        )
        desk.say(line.append(f"  {harmless(what.words)}"))

    return show


def _shown_as_json(desk: Desk) -> Show:
    def show(record: Raw, event: CloudEvent) -> None:
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        data = event.data.model_dump(mode="json", exclude_none=True)
        desk.say_json({**place, "logged": logged(record).isoformat(), "id": event.id, "type": event.type, "data": data})

    return show
