"""Whose words they are, before anybody is erased: found in the histories, and never somebody else's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.events import Author, ContactErased, EntryKind, EntryRecorded, Sender
from schemas.parts import Address, AddressKind
from services.hub.erase import MOST, past_of, writer
from services.hub.errors import WrongUse

OIN = "00000001823288444000"
TEL = Address(kind=AddressKind.TEL, value="+31612345678")
BSUID = Address(kind=AddressKind.WHATSAPP_BSUID, value="NL.1")
MAIL, REPLY_TO = (Address(kind=AddressKind.MAILTO, value=f"{name}@example.org") for name in ("anna", "ander"))
BERT = Address(kind=AddressKind.MAILTO, value="bert@example.org")
NAMED = "66b2a1c4-0d5e-8f3a-9c1d-2e4f6a8b0c1d"


def line(number: int, *addresses: Address) -> EntryRecorded:
    sender = Sender(addresses=addresses) if addresses else None
    return EntryRecorded(
        tenant=OIN,
        conversation="c",
        reference="12345678",
        number=number,
        kind=EntryKind.MESSAGE if addresses else EntryKind.REPLY,
        at=datetime(2026, 11, 24, tzinfo=UTC),
        department="waste",
        sender=sender,
        message=NAMED if addresses else None,
        reply=None if addresses else NAMED,
        proof="p" * 32 if number == 1 else None,
    )


@pytest.mark.parametrize(
    ("history", "entry", "found"),
    [
        pytest.param([line(1, TEL), line(2)], None, {TEL}, id="one citizen"),
        pytest.param([line(1, TEL), line(2, TEL, BSUID), line(3, BSUID)], None, {TEL, BSUID}, id="who changed address"),
        pytest.param([line(1, TEL), line(2, BERT)], 2, {BERT}, id="the one who is meant"),
        pytest.param([line(1, MAIL, REPLY_TO)], None, {MAIL}, id="not whom a mail names beside its sender"),
    ],
)
def test_who_is_meant(history: list[EntryRecorded], entry: int | None, found: set[Address]) -> None:
    assert writer(history, entry) == found


@pytest.mark.parametrize(
    ("history", "entry", "why"),
    [
        pytest.param([line(1, TEL), line(2, BERT)], None, "several citizens", id="several wrote, and nobody is named"),
        pytest.param([line(1, TEL), line(2)], 2, "no citizen's message", id="an answer of ours"),
        pytest.param([line(1)], None, "no citizen is to be found", id="erased already"),
    ],
)
def test_nobody_is_guessed(history: list[EntryRecorded], entry: int | None, why: str) -> None:
    with pytest.raises(WrongUse, match=why):
        writer(history, entry)


def test_all_of_a_conversation_goes_when_nobody_else_wrote_in_it() -> None:
    past = past_of([line(1, TEL), line(2)], frozenset({TEL}))
    assert ([each.number for each in past.entries], past.with_others) == ([1, 2], False)


def test_only_what_is_theirs_goes_where_others_wrote_too() -> None:
    past = past_of([line(1, TEL), line(2), line(3, BERT)], frozenset({BERT}))
    assert ([each.number for each in past.entries], past.with_others) == ([3], True)


def test_a_long_history_takes_several_commands_and_each_fits() -> None:
    past = past_of([line(n, TEL) for n in range(1, MOST + 51)], frozenset({TEL}))
    common = {"tenant": OIN, "author": Author(publisher="beheer")}
    commands = [ContactErased.model_validate(common | each) for each in past.commands()]
    assert [len(each.entries) for each in commands] == [MOST, 50]
    assert {each.proof for each in commands} == {"p" * 32}
    assert all(len(each.model_dump_json()) < 60_000 for each in commands)
