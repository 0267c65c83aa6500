"""What a publisher may send: judged whole, with every fault named, then attested and made an event of ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from schemas.cloudevents import CloudEvent, source_of
from schemas.events import COMMANDS, Author, Command, ReplyRequested
from schemas.ids import derived
from schemas.parts import Text, Unknown
from schemas.topics import INBOUND, MAX_RECORD
from services.ingest.callers import Caller
from services.ingest.envelopes import Envelope
from services.ingest.receive import ROOM
from services.runtime.bus.handler import Outgoing
from services.runtime.web.problems import Fault, pointer

FORBIDDEN = frozenset({"scope-missing", "tenant-foreign"})
"""Faults that no other wording of the same event would heal."""
_AGENT = 100
"""Characters of an employee's id."""


class Attributes(BaseModel):
    """The CloudEvents attributes that a publisher gives; those that it adds of its own are let be."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    specversion: Literal["1.0"]
    id: str = Field(min_length=1, max_length=200)
    """Unique for the source; the same id again is the same event, and happens once."""
    source: str = Field(min_length=1, max_length=500)
    """Who publishes: a URN, preferably `urn:nld:oin:<OIN>:systeem:<name>`."""
    type: str
    """One of the types in the documentation."""
    time: AwareDatetime | None = None
    """When it was asked; the hub keeps its own time beside it."""
    datacontenttype: Literal["application/json"] | None = None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """One event: taken, or what is wrong with it."""

    envelope: Envelope
    outgoing: Outgoing | None = None
    faults: tuple[Fault, ...] = ()


def judge(envelope: Envelope, caller: Caller, at: datetime) -> Judged:
    """Return what is to be written of an event that came in `at`, or all its faults."""
    try:
        attributes = Attributes.model_validate(envelope.attributes)
    except ValidationError as error:
        return Judged(envelope, faults=tuple(_faults(error, envelope.at)))
    model = COMMANDS.get(attributes.type)
    if model is None:
        return Judged(envelope, faults=(_fault("type-unknown", "No command has this type.", envelope, "type"),))
    return _judge_command(envelope, attributes, model, caller, at)


def _judge_command(
    envelope: Envelope, attributes: Attributes, model: type[Command], caller: Caller, at: datetime
) -> Judged:
    faults = tuple(_trespasses(envelope, attributes, model, caller))
    try:
        command = model.model_validate(_attested(attributes.data, caller), extra="forbid")
    except ValidationError as error:
        return Judged(envelope, faults=(*faults, *_faults(error, (*envelope.at, "data"))))
    faults += tuple(_unsayable(envelope, command))
    if _size(command) > MAX_RECORD - ROOM:
        faults += (_fault("too-long", f"More than {MAX_RECORD - ROOM} bytes.", envelope, "data"),)
    return Judged(envelope, None if faults else _outgoing(attributes, command, caller, at), faults)


def _trespasses(envelope: Envelope, attributes: Attributes, model: type[Command], caller: Caller) -> Iterable[Fault]:
    if not caller.may(model):
        yield _fault("scope-missing", "Your token does not allow this command.", envelope, "type")
    if attributes.data.get("tenant", caller.oin) != caller.oin:
        yield _fault("tenant-foreign", "Your token is another municipality's.", envelope, "data", "tenant")


def _unsayable(envelope: Envelope, command: Command) -> Iterable[Fault]:
    """Readers are tolerant of kinds of parts that they do not know; a citizen is not to get one."""
    for number, part in enumerate(command.parts if isinstance(command, ReplyRequested) else ()):
        if isinstance(part, Unknown):
            yield _fault("kind-unknown", "No part of a reply has this kind.", envelope, "data", "parts", number)
        elif isinstance(part, Text) and not part.text.strip():
            yield _fault("text-empty", "A text needs words.", envelope, "data", "parts", number)


def _attested(data: dict[str, Any], caller: Caller) -> dict[str, Any]:
    """Who asks is what the token says; only the employee is taken from what was sent."""
    publisher = caller.publisher
    author = Author(publisher=publisher.name, department=publisher.department, agent=_agent(data.get("author")))
    return {**data, "tenant": caller.oin, "author": author}


def _agent(author: object) -> str | None:
    agent = author.get("agent") if isinstance(author, dict) else None
    return agent[:_AGENT] if isinstance(agent, str) else None


def _outgoing(attributes: Attributes, command: Command, caller: Caller, at: datetime) -> Outgoing:
    identity = derived("bridge", caller.oin, caller.publisher.name, attributes.source, attributes.id)
    event = CloudEvent(id=identity, source=source_of(caller.oin), time=at, data=command)
    return Outgoing(topic=INBOUND.name, key=identity, home=caller.oin, event=event)


def _size(command: Command) -> int:
    return len(command.model_dump_json(exclude_none=True).encode())


def _fault(code: str, detail: str, envelope: Envelope, *steps: str | int) -> Fault:
    return Fault(pointer=pointer(*envelope.at, *steps), code=code, detail=detail)


def _faults(error: ValidationError, at: tuple[str | int, ...]) -> Iterable[Fault]:
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        yield Fault(pointer=pointer(*at, *found["loc"]), code=found["type"].replace("_", "-"), detail=found["msg"])
