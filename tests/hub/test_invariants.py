"""The checker objects to every past that cannot be, and to none that can."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import pytest

from schemas import events as e
from schemas.events import EntryKind, Event
from services.hub.invariants import Check
from tests.hub.past import BERT, DIRK, EMAIL, NAMES, START, TOWN, WHATSAPP, Lying, busy_day, checked

E = TypeVar("E", bound=Event)
Past = list[Lying]
Mutation = Callable[[Past], Past]


@pytest.fixture
def past() -> Past:
    return list(busy_day())


def test_a_good_past_is_found_good(past: Past) -> None:
    check = checked(past)
    assert check.findings() == []
    assert check.records == len(past) > 100
    assert check.pending() == {"messages": 0, "sends": 1}


def test_reading_topic_by_topic_or_partition_by_partition_makes_no_difference(past: Past) -> None:
    by_offset = sorted(past, key=lambda each: (each.offset, each.topic))
    assert checked(by_offset).findings() == []
    assert checked(by_offset).account() == checked(past).account()


# --- what breaks a past ---


def find(past: Past, kind: type[E], where: Callable[[E], bool] = lambda _: True, n: int = 0) -> int:
    """Where the n-th event of a kind lies in the past."""
    data = ((index, each.event.data) for index, each in enumerate(past))
    return [index for index, each in data if isinstance(each, kind) and where(each)][n]


def dropped(kind: type[E], where: Callable[[E], bool] = lambda _: True) -> Mutation:
    return lambda past: [each for index, each in enumerate(past) if index != find(past, kind, where)]


def changed(
    kind: type[E], change: Callable[[E], dict[str, object]], where: Callable[[E], bool] = lambda _: True
) -> Mutation:
    def mutate(past: Past) -> Past:
        index = find(past, kind, where)
        return [*past[:index], _with(past[index], change), *past[index + 1 :]]

    return mutate


def doubled(
    kind: type[E],
    where: Callable[[E], bool] = lambda _: True,
    *,
    change: Callable[[E], dict[str, object]] | None = None,
    name: str | None = "another-id",
) -> Mutation:
    """A second one, with an id of its own or the same."""

    def mutate(past: Past) -> Past:
        first = past[find(past, kind, where)]
        more = _with(first, change) if change else first
        more = more._replace(offset=1000, event=replace(more.event, id=name or more.event.id))
        return [*past, more]

    return mutate


def _with(lying: Lying, change: Callable[[E], dict[str, object]]) -> Lying:
    data: E = lying.event.data  # type: ignore[assignment]
    return lying._replace(event=replace(lying.event, data=data.model_copy(update=change(data))))


def swapped(kind: type[E], where: Callable[[E], bool]) -> Mutation:
    """Two events of a partition change places."""

    def mutate(past: Past) -> Past:
        one, other = find(past, kind, where), find(past, kind, where, 1)
        assert past[one][:2] == past[other][:2]
        now = list(past)
        now[one], now[other] = past[one]._replace(event=past[other].event), past[other]._replace(event=past[one].event)
        return now

    return mutate


def moved(kind: type[E], topic: str, **changes: object) -> Mutation:
    """An event lies on another topic."""

    def mutate(past: Past) -> Past:
        index = find(past, kind)
        lying = _with(past[index], lambda _: changes)._replace(topic=topic)
        return [*past[:index], *past[index + 1 :], lying]

    return mutate


def by_triage(data: e.MessageRouted | e.FactMessageReceived) -> bool:
    return data.department == "triage"


def of_bert(data: e.MessageReceived) -> bool:
    return data.sender.addresses == (BERT,) and data.via == WHATSAPP and data.tenant == TOWN


def second_try(data: e.SendRequested) -> dict[str, object]:
    return {"attempt": data.attempt + 1}


def first_read(data: e.SendRequested) -> bool:
    """The send that went at its first attempt."""
    return data.attempt == 1 and data.address == BERT


def resent(data: e.Outcome) -> bool:
    return data.attempt == 2


BREAKS = [
    pytest.param(dropped(e.MessageRouted), "I1 message on no queue", id="a message dropped from its queue"),
    pytest.param(
        dropped(e.MessageRouted, lambda it: it.routing == 2),
        "I1 message [12] did not come along",
        id="a message lost when its conversation moved",
    ),
    pytest.param(
        moved(e.MessageRouted, "department.town.waste"),
        "I1 message on another department's queue",
        id="a message on the queue of another department",
    ),
    pytest.param(
        moved(e.MessageRouted, "department.town.waste", department="waste"),
        "I1 message on another queue than the facts say",
        id="a message that went to another department than was decided",
    ),
    pytest.param(
        moved(e.MessageRouted, "department.village.public-space"),
        "I1 message on another department's queue",
        id="a message on the queue of another municipality",
    ),
    pytest.param(
        changed(e.MessageRouted, lambda _: {"department": "kcc"}, lambda it: it.routing == 2),
        "I1 message on another",
        id="a moved message at another department than was told",
    ),
    pytest.param(dropped(e.RecordSetAside), "I1 message on no queue", id="a dead letter dropped"),
    pytest.param(
        changed(e.RecordSetAside, lambda _: {"reason": ""}),
        "I1 dead letter without a reason",
        id="a dead letter that says not why",
    ),
    pytest.param(doubled(e.MessageRouted, name=None), "I2 event twice", id="a message doubled, by the same event"),
    pytest.param(doubled(e.MessageRouted), "I2 message twice on a queue", id="a message doubled, by another event"),
    pytest.param(
        doubled(e.FactMessageReceived, change=lambda _: {"number": 9}),
        "I2 message handled twice",
        id="a message that was handled twice",
    ),
    pytest.param(doubled(e.SendRequested), "I2 send twice asked", id="a send doubled"),
    pytest.param(doubled(e.ReplySent), "I2 outcome twice told", id="an outcome doubled"),
    pytest.param(
        swapped(e.MessageRouted, by_triage), "I3 messages out of order on a queue", id="two messages swapped on a queue"
    ),
    pytest.param(
        swapped(e.MessageReceived, of_bert),
        "I3 messages numbered in another order",
        id="two messages handled in another order than they came in",
    ),
    pytest.param(
        doubled(e.SendRequested, first_read, change=second_try),
        "I4 reply sent again without need",
        id="a reply sent again that had gone",
    ),
    pytest.param(
        changed(
            e.ReplyUnknown, lambda _: {"sent": (e.PartSent(part=0, external_id="x"),), "doubtful": (1,), "parts": 2}
        ),
        "I4 reply sent again without need",
        id="a second attempt that begins at a part that had gone",
    ),
    pytest.param(
        doubled(e.ReplySent, resent, change=lambda _: {"attempt": 3}),
        "I4 part of a reply sent twice",
        id="a part that went twice",
    ),
    pytest.param(
        doubled(e.ReplyUnknown, change=lambda _: {"attempt": 3}),
        "I4 part of a reply that may have gone more than 2 times",
        id="a part that may have gone three times",
    ),
    pytest.param(
        changed(e.SendRequested, lambda _: {"address": DIRK}),
        "I5 reply to an address",
        id="an answer to another citizen",
    ),
    pytest.param(
        changed(e.SendRequested, lambda _: {"via": EMAIL}), "I5 reply to an address", id="an answer over another inbox"
    ),
    pytest.param(
        dropped(e.MessageReceived, of_bert), "I6 routed, but never taken in", id="a message that nobody took in"
    ),
    pytest.param(
        dropped(e.SendRequested), "I6 an outcome that nobody asked for", id="an outcome of a send that nobody asked"
    ),
    pytest.param(dropped(e.ReplyRequested), "I6 sent, but nobody asked", id="an answer that nobody gave"),
    pytest.param(
        dropped(e.EntryRecorded, lambda it: it.kind is EntryKind.MESSAGE),
        "I7 message without an entry",
        id="a message that is not in the history",
    ),
    pytest.param(
        dropped(e.FactMessageReceived), "I7 message without a fact", id="a message that is not among the facts"
    ),
    pytest.param(
        changed(e.MessageRouted, lambda _: {"reasons": ()}),
        "I7 message routed without a reason",
        id="a choice unexplained",
    ),
    pytest.param(
        dropped(e.EntryRecorded, lambda it: it.kind is EntryKind.NOTE),
        "I7 conversation.noted neither carried out nor refused",
        id="a note that is nowhere",
    ),
    pytest.param(
        dropped(e.CommandRefused), "I7 [a-z.-]+ neither carried out nor refused", id="a command that nobody answered"
    ),
    pytest.param(
        dropped(e.ReplyRefused), "I7 1 replies neither granted nor refused", id="a second answer that nobody refused"
    ),
    pytest.param(doubled(e.FactReplyAccepted), "I7 more answered than asked", id="an answer that was counted twice"),
]


@pytest.mark.parametrize(("mutation", "objection"), BREAKS)
def test_it_objects_to(mutation: Mutation, objection: str, past: Past) -> None:
    said = [str(finding) for finding in checked(mutation(past)).findings()]
    assert any(re.match(objection, each) for each in said), said


def test_no_two_answers_to_one_message_go_unseen(past: Past) -> None:
    """Whichever record of those that are written in transactions is lost or doubled: something is said."""
    unseen = [each for each in _doubles(past) if not checked([*past, each]).findings()]
    assert unseen == []


def _doubles(past: Past) -> Iterable[Lying]:
    once = (each for each in past if each.topic not in {"inbound", "dead-letters"})
    return (each._replace(offset=1000 + each.offset) for each in once)


def test_findings_tell_nothing_of_what_was_said_or_by_whom(past: Past) -> None:
    for each in BREAKS:
        mutation: Mutation = each.values[0]  # type: ignore[assignment]
        said = " ".join(map(str, checked(mutation(past)).findings()))
        for personal in ("lantaarn", "gft", "+316", "@example", "jan", "komen morgen"):
            assert personal not in said


# --- what looks broken and is not ---


def inbound_end(past: Past) -> dict[tuple[str, int], int]:
    ends: dict[tuple[str, int], int] = {}
    for each in past:
        ends[each.topic, each.partition] = max(ends.get((each.topic, each.partition), 0), each.offset + 1)
    return ends


def written(past: Past, external_id: str, offset: int) -> Lying:
    """A message that was just taken in."""
    first = past[find(past, e.MessageReceived, of_bert)]
    data = first.event.data.model_copy(update={"message": external_id, "external_id": external_id})
    return first._replace(offset=offset, event=replace(first.event, id=external_id, data=data))


def test_what_the_router_did_not_come_to_yet_is_under_way_and_not_lost(past: Past) -> None:
    ends = inbound_end(past)
    late = written(past, "late", 5000)
    check = checked([*past, late], Check(NAMES, handled=ends))
    assert check.findings() == []
    assert check.pending()["messages"] == 1
    assert [each.under_way for each in check.account() if each.tenant == TOWN] == [1]
    handled = Check(NAMES, handled=ends | {(late.topic, late.partition): 5001})
    assert [finding.ids for finding in checked([*past, late], handled).findings() if finding.invariant == "I1"] == [
        ("late",)
    ]


def test_a_command_that_waits_is_under_way_too(past: Past) -> None:
    ends = inbound_end(past)
    asked = past[find(past, e.ReplyRequested)]
    late = asked._replace(offset=5000, event=replace(asked.event, id="late"))
    check = checked([*past, late], Check(NAMES, handled=ends))
    assert check.findings() == []
    assert [each.requests_under_way for each in check.account() if each.tenant == TOWN] == [1]
    assert {each.invariant for each in checked([*past, late]).findings()} == {"I7"}


def test_the_same_webhook_again_is_no_second_message(past: Past) -> None:
    again = past[find(past, e.MessageReceived)]._replace(offset=5000)
    assert checked([*past, again]).findings() == []
    assert checked([*past, again]).account() == checked(past).account()


def test_what_left_its_topic_by_age_is_not_missed(past: Past) -> None:
    """Queues and `inbound` are kept for 30 days, histories and facts for longer."""
    old = START + timedelta(hours=1)
    kept = [each for each in past if each.topic in {"facts", "entries"}]
    queues = [each for each in past if each.topic.startswith("department.") or each.topic in {"outcomes", "outbox"}]
    assert checked(kept, Check(NAMES, since=old)).findings() == []
    assert checked(kept + queues, Check(NAMES, since=old)).findings() == []
    assert checked(kept + queues).findings() != []


def test_a_dead_letter_that_was_put_back_is_a_message_again(past: Past) -> None:
    good = past[find(past, e.MessageReceived, of_bert)]
    origin = e.Origin(topic="inbound", partition=good.partition, offset=4000)
    bad = past[find(past, e.RecordSetAside)]
    first = good._replace(offset=4000)
    aside = bad._replace(
        offset=4000,
        event=replace(bad.event, id="aside", data=e.RecordSetAside(tenant=TOWN, origin=origin, reason="x", raw="")),
    )
    check = checked([first, aside, *past])
    assert check.findings() == []
    assert [each.set_aside for each in check.account() if each.tenant == TOWN] == [0]
    lost = [each for each in past if getattr(each.event.data, "message", None) != good.event.data]
    assert "message on no queue" in [each.what for each in checked([first, aside, *lost]).findings()]


@pytest.mark.parametrize(
    ("topic", "handled", "is_wrong"),
    [
        pytest.param("inbound", {("inbound", 0): 1}, True, id="that the router passed over"),
        pytest.param("inbound", {("inbound", 0): 0}, False, id="that the router did not come to"),
        pytest.param("facts", {}, True, id="that nobody reads but others"),
    ],
)
def test_an_unreadable_record(topic: str, handled: dict[tuple[str, int], int], *, is_wrong: bool) -> None:
    check = Check(NAMES, handled=handled)
    check.feed_unreadable(topic, 0, 0)
    assert bool(check.findings()) is is_wrong


def test_a_citizen_who_was_forgotten_leaves_no_finding(past: Past) -> None:
    """Tombstones took the lines of the history; the facts stay."""
    index = find(past, e.FactMessageReceived, lambda it: it.tenant == TOWN)
    fact = past[index].event.data
    assert isinstance(fact, e.FactMessageReceived)
    erased = e.MessageErased(tenant=TOWN, conversation=fact.conversation, message=fact.message, number=fact.number)
    told = past[index]._replace(
        topic="department.town.public-space", offset=5000, event=replace(past[index].event, id="erased", data=erased)
    )
    left = [each for each in past if not _is_entry_of(each, fact.conversation)]
    assert checked([*left, told]).findings() == []
    assert checked(left).findings() != []


def _is_entry_of(lying: Lying, conversation: str) -> bool:
    return isinstance(lying.event.data, e.EntryRecorded) and lying.event.data.conversation == conversation


def test_without_the_tenants_a_queue_must_at_least_be_its_departments(past: Past) -> None:
    assert checked(past, Check()).findings() == []
    wrong = moved(e.MessageRouted, "department.town.waste")(past)
    assert checked(wrong, Check()).findings() != []
