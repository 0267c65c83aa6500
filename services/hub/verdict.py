"""What became of a command: its entry in the history, or the refusal on a queue. Both name what caused them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from schemas.cloudevents import CloudEvent
from schemas.events import CommandRefused, EntryRecorded, MessageErased, ReplyRefused
from schemas.ids import derived
from schemas.topics import ENTRIES, ERASED
from services.hub.desk import Desk, read
from services.hub.installation import queues_there
from services.hub.labels import words_of
from services.runtime.bus.reader import Reader, Start, reading


@dataclass(frozen=True)
class Done:
    """It was carried out: this entry is what came of it."""

    conversation: str
    reference: str
    number: int
    reply: str | None = None


@dataclass(frozen=True)
class Refused:
    """It was not, and why; `other` is the colleague's answer that came first."""

    why: str
    explanation: str
    options: tuple[str, ...]
    other: str | None = None


Verdict = Done | Refused


@asynccontextmanager
async def listening(desk: Desk, *, also_before: bool) -> AsyncIterator[Reader]:
    """Read what is said from now on, where verdicts are; or also what was said before."""
    topics = [ENTRIES.name, ERASED.name, *(queue.topic for queue in await queues_there(desk))]
    async with reading(desk.connection, topics, Start.BEGINNING if also_before else Start.NOW) as reader:
        yield reader


async def heard(reader: Reader, command: str, seconds: float) -> Verdict | None:
    """Return what became of a command; None when nothing is said of it in time."""
    try:
        async with asyncio.timeout(seconds):
            async for raw in reader.follow():
                event = read(raw)
                verdict = verdict_of(event, command) if event else None
                if verdict:
                    return verdict
    except TimeoutError:
        return None
    return None


def verdict_of(event: CloudEvent, command: str) -> Verdict | None:
    """Return what an event says of a command, if it does."""
    match event.data:
        case EntryRecorded() as entry if event.id == _entry_of(command, entry):
            return Done(entry.conversation, entry.reference, entry.number, entry.reply)
        case MessageErased() as data if event.id == derived(command, data.TYPE, ERASED.name, *_where(data)):
            return Done(data.conversation, "-", data.number)
        case ReplyRefused(command=refused) as data if refused == command:
            other = words_of(data.other) if data.other else None
            return Refused(data.why, data.explanation, data.options, other)
        case CommandRefused(command=refused) as data if refused == command:
            return Refused(data.why, data.explanation, data.options)
        case _:
            return None


def _where(data: MessageErased) -> tuple[str, int]:
    return data.conversation, data.number


def _entry_of(command: str, entry: EntryRecorded) -> str:
    """The id of an entry follows from what caused it."""
    return derived(command, entry.TYPE, f"{entry.conversation}/{entry.number}")
