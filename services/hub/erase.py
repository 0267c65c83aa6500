"""`hub erase`: a citizen asks to be forgotten. What is theirs is looked up in the histories, shown, and then erased."""

from __future__ import annotations

import json as js
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from schemas.events import ContactErased, EntryKind, EntryRecorded, Sender
from schemas.parts import Address
from schemas.topics import ENTRIES
from services.hub import conversation
from services.hub.bridge import post
from services.hub.conversation import Known
from services.hub.desk import Desk, desk_of, read
from services.hub.errors import Exit, Unreachable, WrongUse
from services.hub.verb import final
from services.hub.verdict import Refused, Verdict, heard, listening
from services.runtime.bus.reader import reading
from services.runtime.bus.seat import Raw

MOST = 400
"""Entries that one command names; a longer history takes several."""

Addresses = frozenset[Address]


@dataclass(frozen=True)
class Past:
    """One conversation of a citizen, and which of its entries are theirs: all of them, unless others wrote too."""

    known: Known
    entries: tuple[EntryRecorded, ...]
    with_others: bool
    proof: str | None

    def commands(self) -> Iterator[dict[str, Any]]:
        """Return the data of the commands that erase it, also when the router has forgotten it."""
        named = [{"number": each.number, "message": each.message or each.reply} for each in self.entries]
        for first in range(0, len(named), MOST):
            yield {"conversation": self.known.id, "proof": self.proof, "entries": named[first : first + MOST]}


@final(
    "all that they wrote and were answered goes, everywhere, within three days; queues keep it for their month.",
    "hub erase 12345678",
    "hub erase 66b2a1c4-0d5e-8f3a-9c1d-2e4f6a8b0c1d --yes --agent privacy-officer",
)
def erase(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="CONVERSATION", help="Any conversation of theirs: id or number.")],
    *,
    entry: Annotated[int | None, typer.Option(help="One that they wrote, where others wrote too.", min=1)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")] = False,
    agent: Annotated[str | None, typer.Option(help="For whom you do this: an employee's id.")] = None,
    json: Annotated[bool, typer.Option("--json", help="A line of JSON for each conversation.")] = False,
) -> None:
    """Forget a citizen: every conversation of theirs, also long closed ones, and the files that came with them."""
    desk = desk_of(context)
    pasts = desk.run(pasts_of(desk, which, entry))
    for past in pasts:
        desk.warn(_told(past))
    if not yes:
        typer.confirm("This cannot be undone. Erase all of it?", abort=True, err=True)
    verdicts = desk.run(_erased(desk, pasts, agent))
    for past, verdict in zip(pasts, verdicts, strict=True):
        _tell(desk, past, verdict, as_json=json)
    _end(verdicts)


# --- what is theirs ------------------------------------------------------------------------------------------


async def pasts_of(desk: Desk, which: str, entry: int | None) -> list[Past]:
    """Return all conversations of the citizen of this one, itself first; raises WrongUse when it is nobody's."""
    known = await conversation.find(desk, which)
    own = await _histories(desk, {known.id})
    addresses = writer(own[known.id], entry)
    names = await _named_in(desk, known.tenant, addresses)
    histories = await _histories(desk, names | {known.id})
    found = (past_of(history, addresses) for history in histories.values() if history[0].tenant == known.tenant)
    return sorted((past for past in found if past.entries), key=lambda past: (past.known.id != known.id, past.known.id))


def writer(history: list[EntryRecorded], entry: int | None) -> Addresses:
    """Return the addresses of whoever wrote here, or wrote this entry; raises WrongUse when that is not one citizen."""
    senders = {each.number: frozenset(_one_of_each_kind(each.sender)) for each in history if each.sender}
    if entry is not None and entry not in senders:
        raise WrongUse(f"entry {entry} is no citizen's message; theirs are {', '.join(map(str, senders)) or 'none'}")
    asked = senders if entry is None else {entry: senders[entry]}
    if not asked:
        raise WrongUse("no citizen is to be found in it any more: it was erased, or nobody but the municipality wrote")
    found = _joined(list(asked.values()))
    if any(found.isdisjoint(each) for each in asked.values()):
        numbers = ", ".join(map(str, senders))
        raise WrongUse(f"several citizens wrote in it: say by --entry who is meant, one of {numbers}")
    return found


def _joined(senders: list[Addresses]) -> Addresses:
    """Return the first sender with all addresses that a message of theirs gave, and so on."""
    found = senders[0]
    for _ in senders:
        found = found.union(*(each for each in senders if not found.isdisjoint(each)))
    return found


def past_of(history: list[EntryRecorded], addresses: Addresses) -> Past:
    """Return what of a history is theirs."""
    others = any(each.sender and addresses.isdisjoint(each.sender.addresses) for each in history)
    theirs = [each for each in history if each.sender and not addresses.isdisjoint(each.sender.addresses)]
    last = history[-1]
    proof = next((each.proof for each in history if each.proof), None)
    known = Known(last.conversation, last.tenant, last.reference, last.department, last.number)
    return Past(known, tuple(theirs if others else history), others, proof)


def _one_of_each_kind(sender: Sender | None) -> Iterable[Address]:
    """As the router does: a second address of a kind proves nothing, anyone may write another's into a mail."""
    given = sender.addresses if sender else ()
    return {address.kind: address for address in reversed(given)}.values()


async def _named_in(desk: Desk, tenant: str, addresses: Addresses) -> set[str]:
    """Return the conversations in which one of these addresses stands anywhere: more than are theirs."""
    wanted = [js.dumps(address.value, ensure_ascii=False).encode() for address in addresses]
    found = set()
    async for raw in _lying(desk):
        if raw.key and raw.value and tenant.encode() in raw.value and any(each in raw.value for each in wanted):
            found.add(raw.key.decode().rpartition("/")[0])
    return found


async def _histories(desk: Desk, names: set[str]) -> dict[str, list[EntryRecorded]]:
    """Return the entries of these conversations as they are now, in their order."""
    last: dict[bytes, Raw] = {}
    async for raw in _lying(desk):
        if raw.key and raw.key.decode().rpartition("/")[0] in names:
            last[raw.key] = raw
    found: dict[str, list[EntryRecorded]] = {}
    for event in filter(None, map(read, last.values())):
        if isinstance(event.data, EntryRecorded):
            found.setdefault(event.data.conversation, []).append(event.data)
    return {name: sorted(entries, key=lambda each: each.number) for name, entries in found.items()}


async def _lying(desk: Desk) -> Any:  # noqa: ANN401 - an asynchronous iterator of records
    async with reading(desk.connection, [ENTRIES.name], doubles=True) as reader:
        async for raw in reader.to_the_end():
            yield raw


# --- erasing it ----------------------------------------------------------------------------------------------


async def _erased(desk: Desk, pasts: list[Past], agent: str | None) -> list[Verdict | None]:
    return [await _one(desk, past, agent) for past in pasts]


async def _one(desk: Desk, past: Past, agent: str | None) -> Verdict | None:
    """Return what became of it; the first command that was refused, or not heard of, decides."""
    author = {"author": {"agent": agent}} if agent else {}
    verdict: Verdict | None = None
    async with listening(desk, also_before=False) as reader:
        for data in past.commands():
            command = await post(desk, ContactErased, past.known.tenant, data | author, desk.chance())
            if not any(each["message"] for each in data["entries"]):
                continue  # nothing is told of notes and closings
            verdict = await heard(reader, command, desk.settings.wait)
            if verdict is None or isinstance(verdict, Refused):
                return verdict
    return verdict


def _told(past: Past) -> str:
    known, messages = past.known, sum(each.kind is EntryKind.MESSAGE for each in past.entries)
    what = f"conversation {known.id} ({known.reference}) of {known.department}: {len(past.entries)} entries"
    others = "; others wrote in it too, and keep what is theirs" if past.with_others else ""
    return f"{what}, {messages} of them messages{others}"


def _tell(desk: Desk, past: Past, verdict: Verdict | None, *, as_json: bool) -> None:
    outcome = "unheard" if verdict is None else verdict.why if isinstance(verdict, Refused) else "erased"
    if as_json:
        desk.say_json({"conversation": past.known.id, "entries": len(past.entries), "outcome": outcome})
    else:
        desk.say(f"{outcome}: conversation {past.known.id}")


def _end(verdicts: list[Verdict | None]) -> None:
    if None in verdicts:
        raise Unreachable("the command is kept, but nothing was heard of it in time: does the router run?")
    if any(isinstance(verdict, Refused) for verdict in verdicts):
        raise typer.Exit(Exit.FOUND)
