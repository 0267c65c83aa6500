"""I1, I2, I3: every message is on exactly one queue for each of its routings, once, and in order."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping

from schemas.events import MessageReassigned
from schemas.topics import INBOUND, OUTBOX, OUTBOX_BULK, OUTCOMES, department_topic
from services.hub.finding import Finding, ids_of
from services.hub.seen import Place, Routed, Routing, Seen

_READ_BY_SERVICES = {INBOUND.name, OUTCOMES.name, OUTBOX.name, OUTBOX_BULK.name}


# --- I1: on exactly one queue ------------------------------------------------------------------------------------


def unrouted(seen: Seen) -> set[str]:
    """Return the messages that are on no queue and are no dead letters; some of them may still be under way."""
    routed = {each.data.message.message for each in seen.all_routed() if each.data.message}
    return seen.taken_in.keys() - routed - seen.dead() - seen.old


def lost(seen: Seen) -> Iterator[Finding]:
    """I1: what the router has handled is on a queue."""
    for message in unrouted(seen) - seen.under_way():
        yield Finding("I1", "message on no queue", (message,))


def lost_in_a_move(seen: Seen) -> Iterator[Finding]:
    """I1: what was told to move came along."""
    for moved in seen.reassigned:
        for number in moved.numbers:
            if Routing(moved.conversation, number, moved.routing) not in seen.routed:
                yield Finding("I1", f"message {number} did not come along to the new queue", (moved.conversation,))


def misplaced(seen: Seen, tenants: Mapping[str, str]) -> Iterator[Finding]:
    """I1: a message lies on the queue of the department that it names."""
    for place, data in seen.all_routed():
        tenant = tenants.get(data.tenant, place.topic.split(".")[1])
        if place.topic != department_topic(tenant, data.department):
            yield Finding("I1", "message on another department's queue", ids_of(data.conversation, data.number))


def elsewhere(seen: Seen) -> Iterator[Finding]:
    """I1: the first coming of a message is where the facts say that it went; a move, where the old queue was told."""
    told = {(each.conversation, each.routing): each for each in seen.reassigned}
    for routing, copies in seen.routed.items():
        wanted = _department_told(seen, routing, copies, told)
        if wanted and any(each.data.department != wanted for each in copies.values()):
            ids = ids_of(routing.conversation, routing.number)
            yield Finding("I1", "message on another queue than the facts say", ids)


def _department_told(
    seen: Seen, routing: Routing, copies: Mapping[str, Routed], told: Mapping[tuple[str, int], MessageReassigned]
) -> str | None:
    moved = told.get((routing.conversation, routing.routing))
    if moved:
        return moved.department
    message = next((each.data.message for each in copies.values() if each.data.message), None)
    facts = seen.facts.get(message.message, {}) if message else {}
    fact = facts.get((routing.conversation, routing.number))
    return fact.department if fact else None


def unexplained(seen: Seen) -> Iterator[Finding]:
    """I1: what could not be handled is a dead letter with a reason."""
    yield from (Finding("I1", "dead letter without a reason", (each,)) for each in seen.unexplained)
    for place in seen.unreadable:
        if place not in seen.aside and not (place.topic in _READ_BY_SERVICES and seen.unread(place)):
            yield Finding("I1", "record that nobody can read, and no dead letter", ("/".join(map(str, place)),))


# --- I2: once ----------------------------------------------------------------------------------------------------


def doubled(seen: Seen) -> Iterator[Finding]:
    """I2: nothing is there twice."""
    yield from (Finding("I2", "event twice on a topic", (event,)) for event in seen.twice)
    for routing, copies in seen.routed.items():
        if len(copies) > 1:
            yield Finding("I2", "message twice on a queue", ids_of(routing.conversation, routing.number))
    for message, places in seen.facts.items():
        if len(places) > 1:
            yield Finding("I2", "message handled twice", (message,))
    yield from (
        Finding("I2", "send twice asked", ids_of(*one)) for one, copies in seen.sends.items() if len(copies) > 1
    )
    told = (one for one, copies in seen.outcomes.items() if len(copies) > 1)
    yield from (Finding("I2", "outcome twice told", ids_of(*one)) for one in told)


# --- I3: in order ------------------------------------------------------------------------------------------------


def disordered(seen: Seen) -> Iterator[Finding]:
    """I3: the order on the queue is the order of taking in."""
    for (_queue, conversation, _routing), numbers in seen.queued.items():
        if any(later < earlier for earlier, later in itertools.pairwise(numbers)):
            yield Finding("I3", "messages out of order on a queue", (conversation,))
    for conversation, places in _as_numbered(seen).items():
        if any(later < earlier for earlier, later in itertools.pairwise(places)):
            yield Finding("I3", "messages numbered in another order than they were taken in", (conversation,))


def _as_numbered(seen: Seen) -> Mapping[str, list[Place]]:
    """Where the messages of a conversation were taken in, by the numbers that they got when they were."""
    numbered: dict[str, dict[int, Place]] = defaultdict(dict)
    for message, facts in seen.facts.items():
        for conversation, number in facts:
            if good := seen.good_places(message):
                numbered[conversation][number] = good[0]
    return {each: [place for _, place in sorted(places.items())] for each, places in numbered.items()}
