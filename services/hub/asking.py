"""Asking the router something, through the bridge, and hearing what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import typer

from schemas.events import Command, ReplyRequested
from services.hub import conversation
from services.hub.bridge import post
from services.hub.conversation import Known
from services.hub.desk import Desk
from services.hub.errors import Exit, Unreachable
from services.hub.verdict import Done, Refused, Verdict, heard, listening


@dataclass(frozen=True)
class Asking:
    """One command on one conversation. `which`: its id or reference; a fresh id is made when none is given."""

    kind: type[Command]
    which: str
    data: Mapping[str, Any]
    agent: str | None = None
    event_id: str | None = None

    def filled(self, known: Known) -> dict[str, Any]:
        """Return the event's data: who answers without a word of what they read has read all that there is now."""
        given = {name: value for name, value in self.data.items() if value is not None}
        seen = {"answers": known.last} if self.kind is ReplyRequested else {}
        author = {"author": {"agent": self.agent}} if self.agent else {}
        return {"conversation": known.id} | seen | given | author


@dataclass(frozen=True)
class Answered:
    """What became of it; `command` is the id by which the hub knows it."""

    known: Known
    command: str
    verdict: Verdict | None


def do(desk: Desk, asking: Asking, *, as_json: bool) -> None:
    """Ask, wait for a while, and tell. Raises HubError, or ends with 1 when it was refused."""
    answered = desk.run(_asked(desk, asking))
    if as_json:
        desk.say_json(_as_json(answered))
    else:
        _tell(desk, answered)
    if answered.verdict is None:
        said = f"the command is kept, but nothing was heard of it within {desk.settings.wait:g} s"
        raise Unreachable(f"{said}: does the router run? `hub trace {answered.command}` shows it later")
    if isinstance(answered.verdict, Refused):
        raise typer.Exit(Exit.FOUND)


async def _asked(desk: Desk, asking: Asking) -> Answered:
    """One that has an id of its own may have been carried out before: then that is what became of it."""
    known = await conversation.find(desk, asking.which)
    async with listening(desk, also_before=asking.event_id is not None) as reader:
        event_id = asking.event_id or desk.chance()
        command = await post(desk, asking.kind, known.tenant, asking.filled(known), event_id)
        return Answered(known, command, await heard(reader, command, desk.settings.wait))


def _tell(desk: Desk, answered: Answered) -> None:
    match answered.verdict:
        case Done() as done:
            desk.say(f"done: entry {done.number} of conversation {done.conversation} ({done.reference})")
            if done.reply:
                desk.say(f"the answer is on its way; `hub trace {done.reply}` shows how far")
        case Refused() as refused:
            desk.say(f"refused ({refused.why}), conversation {answered.known.id} of {answered.known.department}")
            other = [f"Uw collega schreef: {refused.other}"] if refused.other else []
            for line in (refused.explanation, *other, *(f"- {option}" for option in refused.options)):
                desk.say(f"  {line}")
        case None:
            pass


def _as_json(answered: Answered) -> dict[str, Any]:
    outcome = {Done: "done", Refused: "refused"}.get(type(answered.verdict), "unknown")
    details = asdict(answered.verdict) if answered.verdict else {}
    return {"outcome": outcome, "command": answered.command, "conversation": answered.known.id} | details
