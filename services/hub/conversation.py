"""Which conversation an operator means: found in the history, by its id or by its number for people."""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.events import EntryRecorded
from schemas.topics import ENTRIES
from services.hub.desk import Desk, read
from services.hub.errors import WrongUse
from services.runtime.bus.batches import partition_of
from services.runtime.bus.reader import ALL, reading
from services.runtime.bus.seat import Raw

_REFERENCE = re.compile(r"\d{4}[ .-]?\d{4}")


@dataclass(frozen=True)
class Known:
    """A conversation as its history shows it. `last`: the number of its last entry."""

    id: str
    tenant: str
    reference: str
    department: str
    last: int


async def find(desk: Desk, name: str) -> Known:
    """Return the conversation with this id or reference; raises WrongUse when there is none, or more than one."""
    reference = re.sub(r"\D", "", name) if _REFERENCE.fullmatch(name) else None
    found = await (_by_reference(desk, reference) if reference else _by_id(desk, name))
    if not found:
        raise WrongUse(f"no conversation is called {name}; `hub tail DEPARTMENT` shows their ids")
    if len(found) > 1:
        raise WrongUse(f"{name} is a conversation of more than one municipality: name one of {', '.join(found)}")
    return next(iter(found.values()))


async def _by_id(desk: Desk, conversation: str) -> dict[str, Known]:
    """Read one partition; keys begin with the conversation, so little has to be decoded."""
    start = f"{conversation}/".encode()
    only = [partition_of(conversation, ENTRIES.partitions)]
    async with reading(desk.connection, [ENTRIES.name], only=only) as reader:
        return _latest([raw async for raw in reader.to_the_end() if (raw.key or b"").startswith(start)])


async def _by_reference(desk: Desk, reference: str) -> dict[str, Known]:
    wanted = f'"reference":"{reference}"'.encode()
    async with reading(desk.connection, [ENTRIES.name], only=ALL) as reader:
        found = _latest([raw async for raw in reader.to_the_end() if wanted in (raw.value or b"")])
    return {name: known for name, known in found.items() if known.reference == reference}


def _latest(records: list[Raw]) -> dict[str, Known]:
    found: dict[str, Known] = {}
    for raw in records:
        event = read(raw)
        if event and isinstance(event.data, EntryRecorded):
            entry = event.data
            before = found.get(entry.conversation)
            if before is None or entry.number > before.last:
                found[entry.conversation] = _known(entry)
    return found


def _known(entry: EntryRecorded) -> Known:
    department = entry.to_department or entry.department
    return Known(entry.conversation, entry.tenant, entry.reference, department, entry.number)
