"""`hub check`: one pass over all topics of a living system, judged by the invariants and the NL GOV profile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any

import typer

from schemas import profile
from schemas.cloudevents import CloudEvent, Unreadable, decode
from schemas.topics import CONTENT, Cleanup, topic_of
from services.hub.account import Account
from services.hub.desk import Desk, desk_of, logged
from services.hub.errors import Exit
from services.hub.finding import Finding
from services.hub.installation import tenants_of, topics_there
from services.hub.invariants import Check
from services.hub.lag import GROUPS
from services.hub.verb import reads
from services.runtime.bus.reader import Place, Reader, group_offsets, reading
from services.runtime.bus.seat import Raw
from services.runtime.process.tenants import Tenants

PROFILE = "NLGOV"
JUDGING = ("router", "responder")
"""Groups whose work is judged: what they have read must have come out."""


@dataclass
class Judged:
    """What a pass found."""

    check: Check
    unlike: Counter[tuple[str, str]] = field(default_factory=Counter)
    """What breaks the profile, by type and fault."""
    first: dict[tuple[str, str], str] = field(default_factory=dict)

    def take(self, raw: Raw) -> None:
        """Judge one record."""
        if raw.value is None:
            return
        event = _event(raw)
        if event is None:
            self.check.feed_unreadable(raw.topic, raw.partition, raw.offset)
        else:
            self.check.feed(raw.topic, raw.partition, raw.offset, event)
            self._compare(raw, event)

    def _compare(self, raw: Raw, event: CloudEvent) -> None:
        for fault in profile.findings(raw.headers, raw.value):
            self.unlike[event.type, fault] += 1
            self.first.setdefault((event.type, fault), f"{raw.topic}/{raw.partition}/{raw.offset}")

    def of_profile(self) -> list[Finding]:
        """Return what breaks the profile, each kind once with how often, and where first."""
        return [
            Finding(PROFILE, f"{kind} {fault} ({count} records)", (self.first[kind, fault],))
            for (kind, fault), count in sorted(self.unlike.items())
        ]


@dataclass(frozen=True)
class Outcome:
    """What is told: figures, what does not hold, and what is still on its way."""

    records: int
    accounts: list[Account]
    findings: list[Finding]
    pending: Mapping[str, int]
    since: datetime | None


@reads("hub check", "hub check --json | jq '.findings[]'")
def check(
    context: typer.Context, *, json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False
) -> None:
    """Look whether every message is where it must be, once and in order, and whether every reply has a fate.

    It reads all topics while the services work. What they have not come to yet counts as under way. What does not hold
    is looked at a second time, and told only when it still does not. Ends with 1 then.
    """
    desk = desk_of(context)
    tenants = tenants_of(desk)
    outcome = desk.run(_checked(desk, tenants))
    if json:
        desk.say_json(_as_json(outcome))
    else:
        _tell(desk, outcome, tenants)
    if outcome.findings:
        raise typer.Exit(Exit.FOUND)


async def _checked(desk: Desk, tenants: Tenants) -> Outcome:
    judged = await _pass(desk, tenants)
    findings = judged.check.findings()
    if findings:
        await asyncio.sleep(desk.settings.wait)
        judged = await _pass(desk, tenants)
        findings = [each for each in judged.check.findings() if each in findings]
    pass_ = judged.check
    return Outcome(pass_.records, pass_.account(), findings + judged.of_profile(), pass_.pending(), pass_.since)


async def _pass(desk: Desk, tenants: Tenants) -> Judged:
    """What the services had read is asked first: all that followed from it is then there to be read."""
    handled = await _handled(desk)
    names = {tenant.oin: tenant.name for tenant in tenants.tenants}
    async with reading(desk.connection, await topics_there(desk), doubles=True) as reader:
        begins = await reader.positions()
        since = await _since(desk, reader, begins)
        await reader.seek(begins)
        judged = Judged(Check(names, handled, since))
        async for raw in reader.to_the_end():
            judged.take(raw)
    return judged


async def _handled(desk: Desk) -> dict[Place, int]:
    found: dict[Place, int] = {}
    for group in JUDGING:
        found |= await group_offsets(desk.connection, group, GROUPS[group])
    return found


async def _since(desk: Desk, reader: Reader, begins: Mapping[Place, int]) -> datetime | None:
    """Return from when on nothing has left its topic by age; None when nothing ever did."""
    cut = {place for place, begin in begins.items() if begin > 0 and topic_of(place[0]).cleanup is Cleanup.DELETE}
    if not cut:
        return None
    await reader.seek({place: end for place, end in (await reader.ends()).items() if place not in cut})
    firsts: dict[Place, datetime] = {}
    async for raw in reader.to_the_end():
        firsts.setdefault((raw.topic, raw.partition), logged(raw))
        if firsts.keys() == cut:
            break
    return max([desk.clock.now() - CONTENT, *firsts.values()])


def _event(raw: Raw) -> CloudEvent | None:
    try:
        return decode(raw.headers, raw.value)
    except Unreadable:
        return None


# --- telling -----------------------------------------------------------------------------------------------------

_MESSAGES = (
    "received",
    "answered",
    "open",
    "closed",
    "no answer needed",
    "to people",
    "set aside",
    "under way",
    "missing",
)
_REPLIES = ("asked", "granted", "refused", "set aside", "under way", "missing", "how far they are")


def _tell(desk: Desk, outcome: Outcome, tenants: Tenants) -> None:
    names = {tenant.oin: tenant.name for tenant in tenants.tenants}
    accounts = [(names.get(each.tenant, each.tenant), each) for each in outcome.accounts]
    desk.show(("messages of citizens", *_MESSAGES), ((name, *_messages(each)) for name, each in accounts))
    desk.show(("replies", *_REPLIES), ((name, *_replies(each)) for name, each in accounts))
    for name, each in accounts:
        if each.closed:
            desk.say(f"closed without an answer at {name}: {_counts(each.closed)}")
    pending = _counts(outcome.pending)
    desk.say(f"{outcome.records} records read; on their way: {pending}; findings: {len(outcome.findings)}")
    for finding in outcome.findings:
        desk.say(str(finding))


def _messages(each: Account) -> tuple[int, ...]:
    closed = sum(each.closed.values())
    ended = (each.answered, each.open, closed, each.needing_none, each.peoples)
    return (each.received, *ended, each.set_aside, each.under_way, each.missing)


def _replies(each: Account) -> tuple[int | str, ...]:
    granted, aside = sum(each.replies.values()), each.requests_set_aside
    figures = (each.requested, granted, each.refused, aside, each.requests_under_way, each.replies_missing)
    return (*figures, _counts(each.replies))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "records": outcome.records,
        "since": outcome.since.isoformat() if outcome.since else None,
        "pending": dict(outcome.pending),
        "accounts": [_account(each) for each in outcome.accounts],
        "findings": _listed(outcome.findings),
    }


def _account(each: Account) -> dict[str, Any]:
    return asdict(each) | {"missing": each.missing, "replies_missing": each.replies_missing}


def _listed(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [asdict(each) for each in findings]
