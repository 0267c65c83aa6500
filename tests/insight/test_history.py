"""The history of one conversation, out of everything that lies in its partition."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from schemas.cloudevents import CloudEvent, encode, source_of
from schemas.events import EntryKind, EntryRecorded
from schemas.topics import ENTRIES
from services.insight.app import Read
from services.insight.history import department_of, gathered
from tests.insight.facts import NINE, OIN, OTHER_OIN

K = EntryKind


def entry(number: int, text: str = "", **more: object) -> EntryRecorded:
    given = {"tenant": OIN, "conversation": "c1", "kind": K.NOTE, "department": "waste"} | more
    return EntryRecorded.model_validate(given | {"reference": "12", "number": number, "at": NINE, "text": text})


def lies(line: EntryRecorded, offset: int = 0) -> Read:
    headers, value = encode(CloudEvent(f"e{offset}", source_of(line.tenant), NINE, line))
    return Read(ENTRIES.name, 0, offset, 0, f"{line.conversation}/{line.number}".encode(), value, headers)


def erased(number: int) -> Read:
    return Read(ENTRIES.name, 0, 0, 0, f"c1/{number}".encode(), None, [])


async def in_order(raws: Sequence[Read]) -> AsyncIterator[Read]:
    for raw in raws:
        yield raw


@pytest.mark.parametrize(
    ("raws", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([lies(entry(n, str(n))) for n in (1, 2, 10)], ["1", "2", "10"], id="by number, not by letter"),
        pytest.param([lies(entry(2, "2")), lies(entry(1, "1"))], ["1", "2"], id="whatever their order in the log"),
        pytest.param([lies(entry(1, "old")), lies(entry(1, "new"))], ["new"], id="a line that was written anew"),
        pytest.param([lies(entry(1, "a")), lies(entry(2, "b")), erased(1)], ["b"], id="a line that was erased"),
        pytest.param([lies(entry(1, "a")), erased(1), lies(entry(1, "b"))], ["b"], id="erased, and written again"),
        pytest.param([erased(1)], [], id="of which only the erasing is left"),
        pytest.param(
            [lies(entry(1, "a")), lies(entry(1, "z", conversation="c10")), lies(entry(1, "z", conversation="c2"))],
            ["a"],
            id="others of the same partition, one with a name that begins alike",
        ),
        pytest.param([lies(entry(1, "z", tenant=OTHER_OIN))], [], id="another municipality's"),
        pytest.param(
            [lies(entry(1, "a")), replace(lies(entry(2)), value=b"{"), replace(lies(entry(3)), key=None)],
            ["a"],
            id="what cannot be read is left out, the rest is shown",
        ),
    ],
)
async def test_the_lines_of_a_conversation(raws: list[Read], expected: list[str]) -> None:
    assert [line.text for line in await gathered(in_order(raws), OIN, "c1")] == expected


@pytest.mark.parametrize(
    ("lines", "department"),
    [
        pytest.param([entry(1, kind=K.MESSAGE)], "waste", id="it never moved"),
        pytest.param(
            [entry(1, kind=K.MESSAGE), entry(2, kind=K.CORRECTION, department="kcc")], "kcc", id="it was corrected"
        ),
        pytest.param(
            [entry(1, kind=K.HAND_OVER, department="kcc"), entry(2, kind=K.REPLY)],
            "kcc",
            id="a late answer of the former department does not bring it back",
        ),
        pytest.param([entry(1, kind=K.REPLY)], "waste", id="nothing is left but an answer"),
    ],
)
def test_whose_it_is_now(lines: list[EntryRecorded], department: str) -> None:
    assert department_of(lines) == department
