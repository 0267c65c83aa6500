"""Who holds a file: the message it came with, or the dead letter that it is the bytes of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from schemas.cloudevents import CloudEvent
from schemas.events import Event, MessageEchoed, MessageEdited, MessageReceived, RecordSetAside
from schemas.parts import FileRef, Part
from services.runtime.bus.handler import Outgoing


class Hold(NamedTuple):
    """A file of a municipality, and the id of what holds it."""

    oin: str | None
    sha256: str
    holder: str
    is_letter: bool = False
    """A dead letter holds it, which ends by itself."""


def held(outgoing: Iterable[Outgoing]) -> Iterator[Hold]:
    """Return every hold of what is about to be written."""
    for each in outgoing:
        if each.event:
            data, holder = each.event.data, _holder(each.event)
            letter = isinstance(data, RecordSetAside)
            yield from (Hold(data.tenant, file.sha256, holder, letter) for file in _files(data))


def _holder(event: CloudEvent) -> str:
    """An edit's files are the message's: whoever erases that erases them."""
    data = event.data
    return data.message if isinstance(data, MessageReceived | MessageEdited | MessageEchoed) else event.id


def _files(data: Event) -> Iterator[FileRef]:
    match data:
        case MessageReceived(parts=parts) | MessageEdited(parts=parts) | MessageEchoed(parts=parts):
            yield from (file for part in parts for file in _of_part(part))
        case RecordSetAside(file=FileRef() as file):
            yield file
        case _:
            pass


def _of_part(part: Part) -> Iterator[FileRef]:
    found = (getattr(part, "file", None), getattr(part, "whole", None))
    return (file for file in found if isinstance(file, FileRef))
