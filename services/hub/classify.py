"""`hub classify`: which department would get these words, and why. It asks no broker: only the taxonomy."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.cloudevents import faults
from services.classification.classify import Classification, Context, Message
from services.classification.classify import classify as decide
from services.classification.document import TaxonomyError
from services.classification.reading import default_taxonomy, load_taxonomy
from services.classification.taxonomy import Taxonomy
from services.hub.desk import Desk, desk_of
from services.hub.errors import Exit, WrongUse
from services.hub.verb import reads


class BadLine(ValueError):
    """A line that cannot be classified; the message says what is wrong and never what the line says."""


class Asked(BaseModel):
    """One line in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str | int
    """Given back as it came."""
    text: str
    context_department: str | None = None


@reads(
    'hub classify "de lantaarnpaal voor mijn deur is kapot"',
    "hub classify --jsonl messages.jsonl > departments.jsonl",
    """echo '{"id": "1", "text": "bij nummer 12", "context_department": "waste"}' | hub classify --jsonl -""",
)
def classify(
    context: typer.Context,
    text: Annotated[str | None, typer.Argument(help="What a citizen wrote.")] = None,
    *,
    jsonl: Annotated[
        str | None, typer.Option(metavar="FILE", help="Lines of {id, text, context_department?}; - is standard input.")
    ] = None,
    taxonomy: Annotated[Path | None, typer.Option(help="Another taxonomy than the hub's own.")] = None,
    context_department: Annotated[str | None, typer.Option(help="Where its conversation is, for TEXT.")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON, for TEXT; lines always are.")] = False,
) -> None:
    """Say which department a message is for, how sure that is, and why.

    With --jsonl a line {id, department, topic, confidence, reasons} comes out for each line that goes in. A line that
    is wrong is named on standard error, the others are done all the same, and it ends with 2.
    """
    desk = desk_of(context)
    if (text is None) == (jsonl is None):
        raise WrongUse("give either TEXT or --jsonl FILE")
    read = _taxonomy(taxonomy)
    if jsonl is not None:
        _lines(desk, jsonl, read)
    else:
        _one(desk, Asked(id="-", text=text or "", context_department=context_department), read, as_json=json)


def _one(desk: Desk, asked: Asked, taxonomy: Taxonomy, *, as_json: bool) -> None:
    try:
        judged = _judged(asked, taxonomy)
    except BadLine as error:
        raise WrongUse(str(error)) from None
    if as_json:
        desk.say_json(_as_json(asked, judged))
        return
    desk.say(f"{judged.department} ({judged.confidence:.0%}), topic {judged.topic or '-'}")
    for reason in judged.reasons:
        desk.say(f"  {reason.sentence}")


def _lines(desk: Desk, name: str, taxonomy: Taxonomy) -> None:
    bad = 0
    lines = ((number, line) for number, line in enumerate(_read(name), start=1) if line.strip())
    for number, line in lines:
        try:
            asked = _asked(line)
            desk.say_json(_as_json(asked, _judged(asked, taxonomy)))
        except BadLine as error:
            bad += 1
            desk.warn(f"line {number}: {error}")
    if bad:
        raise typer.Exit(Exit.WRONG_USE)


def _read(name: str) -> Iterator[bytes]:
    """Yield lines as they come, so that a pipe gets its answers at once."""
    if name == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as file:
            yield from file
    except OSError as error:
        raise WrongUse(f"{name}: {error.strerror}") from None


def _asked(line: bytes) -> Asked:
    try:
        return Asked.model_validate_json(line)
    except ValidationError as error:
        raise BadLine(faults(error).replace("(whole): json_invalid", "this is no JSON")) from None


def _judged(asked: Asked, taxonomy: Taxonomy) -> Classification:
    where = asked.context_department
    if where is not None and where not in taxonomy.titles:
        raise BadLine(f"context_department: no department is called that; there are {_list(taxonomy.titles)}")
    return decide(Message(asked.text), Context(where) if where else None, taxonomy)


def _as_json(asked: Asked, judged: Classification) -> dict[str, Any]:
    return {
        "id": asked.id,
        "department": judged.department,
        "topic": judged.topic,
        "confidence": round(judged.confidence, 4),
        "reasons": [reason.sentence for reason in judged.reasons],
    }


def _taxonomy(path: Path | None) -> Taxonomy:
    try:
        return load_taxonomy(path) if path else default_taxonomy()
    except (TaxonomyError, OSError, UnicodeDecodeError) as error:
        raise WrongUse(str(error)) from error


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)
