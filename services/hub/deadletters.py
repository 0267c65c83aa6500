"""`hub dead-letters`: look at what could not be handled, and put back what can be now."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from services.hub.desk import Desk, desk_of
from services.hub.errors import Exit
from services.hub.letters import Letter, NotReplayable, letters, line_of, mark_of, pick
from services.hub.verb import add, final, reads
from services.runtime.bus.producer import Producer

PATIENCE = 10.0
"""Seconds for one record to be written."""
SHORT = 8
"""Characters of an id that tell letters apart, for people."""

Json = Annotated[bool, typer.Option("--json", help="JSON, a line each.")]


@reads("hub dead-letters list", "hub dead-letters list --json | jq -r .reason | sort | uniq -c")
def list_letters(
    context: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were put back.")] = False,
    json: Json = False,
) -> None:
    """Show what was set aside and not put back, and why. Ends with 1 when there is anything."""
    desk = desk_of(context)
    found = desk.run(letters(desk))
    waiting = [letter for letter in found if not letter.replayed]
    shown = found if everything else waiting
    if json:
        for letter in shown:
            desk.say_json(_as_json(letter))
    else:
        desk.show(("id", "since", "from", "put back", "reason"), map(_cells, shown))
    if waiting:
        raise typer.Exit(Exit.FOUND)


@reads("hub dead-letters show 1f0c2d3e", "hub dead-letters show 1f0c2d3e --content")
def show_letter(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how that begins.")],
    *,
    content: Annotated[bool, typer.Option("--content", help="Also the bytes, with the words of citizens.")] = False,
    json: Json = False,
) -> None:
    """Show one dead letter: where it came from, why it lies here, and whether it can be put back."""
    desk = desk_of(context)
    letter = pick(desk.run(letters(desk)), name)
    told = _as_json(letter) | {"can be put back": _obstacle(letter) or "yes"}
    if content:
        told |= {"headers": letter.data.raw_headers, "content": letter.raw.decode("utf-8", "replace")}
    if json:
        desk.say_json(told)
    else:
        for what, value in told.items():
            desk.say(f"{what}: {'-' if value is None else value}")


@final(
    "it happens once. The router takes it as if it came in now; what it knows already it drops.",
    "hub dead-letters replay 1f0c2d3e",
    "hub dead-letters replay $(hub dead-letters list --json | jq -r .id)",
)
def replay(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="ID...", help="Their ids, or how those begin.")],
) -> None:
    """Put dead letters back on the topic that they came from, after what was wrong has been mended.

    Only records that the router set aside can be put back. Ends with 1 when one of them was not.
    """
    desk = desk_of(context)
    found = desk.run(letters(desk))
    chosen = {letter.id: letter for letter in (pick(found, name) for name in names)}
    refused = desk.run(_put_back(desk, list(chosen.values())))
    if refused:
        raise typer.Exit(Exit.FOUND)


group = typer.Typer(help="What could not be handled: look at it, put it back.", no_args_is_help=True)
add(group, "list", list_letters)
add(group, "show", show_letter)
add(group, "replay", replay)


async def _put_back(desk: Desk, chosen: list[Letter]) -> int:
    """Put back what can be, one by one; returns how many were not."""
    producer = Producer(desk.connection, wait=PATIENCE)
    await producer.start()
    try:
        return sum([not await _tried(desk, producer, letter) for letter in chosen])
    finally:
        await producer.stop()


async def _tried(desk: Desk, producer: Producer, letter: Letter) -> bool:
    """The record first and its mark after: should we die between the two, then again is harmless, and never is not."""
    try:
        line = line_of(letter)
    except NotReplayable as why:
        desk.warn(f"{letter.id[:SHORT]} not put back: {why}")
        return False
    async with asyncio.timeout(PATIENCE):
        await producer.write([line])
    await producer.publish([mark_of(letter, desk.clock.now())])
    desk.say(f"{letter.id[:SHORT]} put back on {line.topic}; `hub trace {line.key.decode()}` shows what came of it")
    return True


def _obstacle(letter: Letter) -> str | None:
    try:
        line_of(letter)
    except NotReplayable as why:
        return f"no: {why}"
    return None


def _cells(letter: Letter) -> tuple[object, ...]:
    back = f"{letter.replayed:%d-%m %H:%M}" if letter.replayed else "-"
    return (letter.id[:SHORT], f"{letter.at:%d-%m %H:%M}", letter.origin, back, letter.data.reason)


def _as_json(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "at": letter.at.isoformat(),
        "tenant": letter.data.tenant,
        "origin": letter.origin,
        "reason": letter.data.reason,
        "bytes": len(letter.raw),
        "replayed": letter.replayed.isoformat() if letter.replayed else None,
    }
