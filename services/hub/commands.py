"""The verbs that change a conversation. Each posts one command to the bridge and tells what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from schemas import events as e
from schemas.events import Closing
from services.hub.asking import Asking, do
from services.hub.desk import desk_of
from services.hub.verb import add, final, undoable

Which = Annotated[str, typer.Argument(metavar="CONVERSATION", help="Its id, or its number for people (8 digits).")]
Department = Annotated[str, typer.Argument(help="Whose it is: public-space, waste, kcc, triage ...")]
Id = Annotated[
    str | None, typer.Option("--id", help="The command's own id: the same again happens once. Else a random one.")
]
Agent = Annotated[str | None, typer.Option(help="For whom you do this: an employee's id, shown to colleagues.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON: what became of it.")]
Forced = Annotated[bool, typer.Option("--forced", help="Also when a colleague was first.")]


@final(
    "the citizen gets it. `answers` is the last entry of the history, unless you say what you had read.",
    'hub reply 66b2a1c4-0d5e-8f3a-9c1d-2e4f6a8b0c1d "Wij maken de lamp deze week."',
    'hub reply 12345678 "Toch nog iets." --forced',
)
def reply(  # noqa: PLR0913 - an option each
    context: typer.Context,
    which: Which,
    text: Annotated[str, typer.Argument(help="What the citizen will read.")],
    *,
    answers: Annotated[int | None, typer.Option(help="The last entry that you had read.", min=0)] = None,
    forced: Forced = False,
    closes: Annotated[bool, typer.Option("--closes", help="The conversation is done with this.")] = False,
    not_after: Annotated[datetime | None, typer.Option(help="Not to be sent after this (UTC).")] = None,
    agent: Agent = None,
    event_id: Id = None,
    json: Json = False,
) -> None:
    """Answer a citizen: it goes back where the question came from."""
    data = {
        "parts": [{"kind": "text", "text": text}],
        "answers": answers,
        "forced": forced,
        "closes": closes,
        "not_after": f"{not_after.isoformat()}Z" if not_after else None,
    }
    do(desk_of(context), Asking(e.ReplyRequested, which, data, agent, event_id), as_json=json)


@undoable(
    "correct it again, to where it came from. It teaches, so do it when it is true.",
    'hub correct 12345678 waste --note "Het gaat over de kliko."',
)
def correct(  # noqa: PLR0913 - an option each
    context: typer.Context,
    which: Which,
    department: Department,
    *,
    note: Annotated[str | None, typer.Option(help="For the colleagues there.")] = None,
    from_number: Annotated[int | None, typer.Option(help="The first entry that goes along.", min=1)] = None,
    agent: Agent = None,
    event_id: Id = None,
    json: Json = False,
) -> None:
    """Say that a conversation is another department's: it goes there now, and the router learns from it."""
    data = {"department": department, "note": note, "from_number": from_number}
    do(desk_of(context), Asking(e.RoutingCorrected, which, data, agent, event_id), as_json=json)


@undoable("hand it back.", 'hub hand-over 12345678 public-space --note "De burger wil graag gebeld worden."')
def hand_over(  # noqa: PLR0913 - an option each
    context: typer.Context,
    which: Which,
    department: Department,
    *,
    note: Annotated[str, typer.Option(help="What the colleagues there must know.")],
    agent: Agent = None,
    event_id: Id = None,
    json: Json = False,
) -> None:
    """Hand a conversation over: it was rightly here, and goes on there. Nobody learns anything from it."""
    data = {"department": department, "note": note}
    do(desk_of(context), Asking(e.ConversationHandedOver, which, data, agent, event_id), as_json=json)


@undoable("release it.", "hub claim 12345678 --agent m.jansen")
def claim(
    context: typer.Context,
    which: Which,
    *,
    forced: Forced = False,
    agent: Agent = None,
    event_id: Id = None,
    json: Json = False,
) -> None:
    """Take a conversation up, so that colleagues see that somebody works on it."""
    do(desk_of(context), Asking(e.ConversationClaimed, which, {"forced": forced}, agent, event_id), as_json=json)


@undoable("claim it again.", "hub release 12345678")
def release(
    context: typer.Context, which: Which, *, agent: Agent = None, event_id: Id = None, json: Json = False
) -> None:
    """Lay a conversation down again."""
    do(desk_of(context), Asking(e.ConversationReleased, which, {}, agent, event_id), as_json=json)


@final("it stays in the history. A citizen never sees it.", 'hub note 12345678 "Aannemer gebeld, komt dinsdag."')
def note(
    context: typer.Context,
    which: Which,
    text: Annotated[str, typer.Argument(help="What colleagues will read.")],
    *,
    agent: Agent = None,
    event_id: Id = None,
    json: Json = False,
) -> None:
    """Write a note for colleagues."""
    do(desk_of(context), Asking(e.ConversationNoted, which, {"text": text}, agent, event_id), as_json=json)


@final(
    "it opens again only when its citizen writes, within two weeks.",
    "hub close 12345678",
    "hub close 12345678 --reason answered",
)
def close(
    context: typer.Context,
    which: Which,
    *,
    reason: Annotated[Closing, typer.Option(help="Why it is done.")] = Closing.NO_ANSWER_NEEDED,
    agent: Agent = None,
    event_id: Id = None,
    json: Json = False,
) -> None:
    """Close a conversation; what nobody answered stays unanswered."""
    do(desk_of(context), Asking(e.ConversationClosed, which, {"reason": reason}, agent, event_id), as_json=json)


def add_all(app: typer.Typer) -> None:
    """Make verbs of all of these."""
    add(app, "reply", reply)
    add(app, "correct", correct)
    add(app, "hand-over", hand_over)
    add(app, "claim", claim)
    add(app, "release", release)
    add(app, "note", note)
    add(app, "close", close)
