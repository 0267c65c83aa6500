"""The responder on the bus in memory: killed at every step, its commits failed, its memory thrown away."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Callable

import pytest

from schemas.events import Outcome, PartSent, Reason, ReplyCancelled, ReplyFailed, ReplySent, ReplyUnknown
from schemas.parts import Part, Text
from services.channels.base import Limits, Outbound, SendError, Sent
from services.responder import intake, rounds
from services.responder.fit import fit
from services.responder.gate import Policy
from tests.responder.rig import INBOX, Rig, cancel, goes, request

MakeRig = Callable[..., Rig]


@pytest.fixture
async def make_rig() -> AsyncIterator[MakeRig]:
    """Makes rigs that work, and ends them whatever happens."""
    rigs: list[Rig] = []

    def make(policy: Policy | None = None, bulk_room: int = 1_000) -> Rig:
        rigs.append(Rig(policy, bulk_room))
        rigs[-1].serve()
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.close()


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return make_rig()


LONG = "Wij komen morgen langs. Zet de bak voor zeven uur buiten."
"""Two parts on a channel of 40 characters."""


async def test_a_reply_is_delivered_and_its_outcome_told_to_the_tenant(rig: Rig) -> None:
    await rig.ask(request(1, LONG))
    await rig.until_ended(1)
    (outcome,) = rig.outcomes()
    assert type(outcome) is ReplySent
    assert outcome.sent == (
        PartSent(part=0, external_id="x-r1.1.0"),
        PartSent(part=1, external_id="x-r1.1.1"),
    )
    assert [call.part for call in rig.paper.asked] == [
        Text(text="Wij komen morgen langs. (1/2)"),
        Text(text="Zet de bak voor zeven uur buiten. (2/2)"),
    ]


async def test_what_is_started_is_kept_without_the_citizens_words_and_so_is_what_ended(rig: Rig) -> None:
    rig.paper.stuck.clear()
    await rig.ask(request(1, "Geheime woorden"))
    await rig.until(lambda: bool(rig.paper.asked))
    kept = rig.kept()["sends/r1.1"]
    assert kept is not None
    assert b'"started"' in kept
    assert b"Geheime" not in kept
    assert b"+316" not in kept
    rig.paper.stuck.set()
    await rig.until_ended(1)
    assert b"Geheime" not in (rig.kept()["sends/r1.1"] or b"")


async def test_no_call_is_made_before_it_is_written_that_it_was_started(rig: Rig) -> None:
    rig.bus.faults.add("commit.before")
    await rig.ask(request())
    await rig.until(lambda: bool(rig.bus.faults.happened))
    assert rig.paper.asked == []
    await rig.until_ended(1)
    assert rig.paper.calls == {"r1.1.0": 1}


# --- killed --------------------------------------------------------------------------------------------------

PLENTY = 200
"""More steps than three replies take."""


async def played(make_rig: MakeRig, kill_at: int) -> tuple[Rig, set[str], bool]:
    """Deliver three replies, one of two parts, one that is refused once; SIGKILL at a step; another process goes on.

    Returns with the rig what was certainly not sent at first, and whether all was done before the kill.
    """
    rig, refused = make_rig(), set[str]()

    def refuse(call: Outbound) -> SendError:
        refused.add(call.our_id)
        return SendError(Reason.RETRY)

    rig.paper.answers = [refuse]
    await rig.ask(request(1), request(2, LONG), request(3))
    for _ in range(kill_at):
        await asyncio.sleep(0)
    done = len(rig.outcomes()) == 3
    rig.kill()
    rig.serve()
    await rig.until_ended(3)
    return rig, refused, done


async def test_killed_at_any_step_nothing_is_called_twice_and_everything_has_its_outcome(make_rig: MakeRig) -> None:
    unknown, step, done = 0, 0, False
    while not done:
        rig, refused, done = await played(make_rig, step)
        for name, calls in rig.paper.calls.items():
            assert calls <= 1 + (name in refused), f"killed at step {step}"
        assert sorted(f"{data.reply}.{data.attempt}" for data in rig.outcomes()) == ["r1.1", "r2.1", "r3.1"]
        unknown += sum(became is ReplyUnknown for became in rig.became().values())
        step += 1
        assert step < PLENTY
    assert step > 15
    assert unknown > 0


@pytest.mark.parametrize("point", ["commit.before", "commit.after"])
@pytest.mark.parametrize("passed", range(12))
async def test_a_failed_commit_of_ours_costs_no_call_and_makes_no_doubt(
    make_rig: MakeRig, point: str, passed: int
) -> None:
    """Its memory is thrown away; the results of its own calls are not."""
    rig = make_rig(Policy(rate=1e6, width=2))
    await rig.ask(*(request(number, LONG) for number in range(4)))
    writes: list[int] = []
    rig.bus.broker.readers.append(lambda: writes.append(len(rig.bus.broker.topic("responder.state"))))
    await rig.until(lambda: len(writes) >= passed or len(rig.outcomes()) == 4)
    rig.bus.faults.add(point)
    await rig.until_ended(4)
    assert set(rig.became().values()) == {ReplySent}
    assert len(rig.outcomes()) == 4
    assert rig.paper.calls == {f"r{number}.1.{part}": 1 for number in range(4) for part in range(2)}


async def test_while_commits_fail_calls_end_and_their_results_are_kept(rig: Rig) -> None:
    rig.paper.stuck.clear()
    await rig.ask(request(1), request(2))
    await rig.until(lambda: len(rig.paper.asked) == 2)
    rig.bus.faults.add("commit.before", times=4)
    rig.paper.stuck.set()
    await rig.until_ended(2)
    assert set(rig.became().values()) == {ReplySent}
    assert max(rig.paper.calls.values()) == 1


async def test_whoever_wakes_up_too_late_does_not_call(rig: Rig) -> None:
    """SIGSTOP between the commit and the call: by then another may have reported it unknown, and sent it again."""
    late = iter([200.0])
    rig.bus.broker.readers.append(
        lambda: rig.clock.advance(next(late, 0.0)) if b'"started"' in (rig.kept().get("sends/r1.1") or b"") else None
    )
    await rig.ask(request())
    await rig.until_ended(1)
    assert rig.paper.calls == {"r1.1.0": 1}
    assert next(late, None) is None
    rows = [record.value or b"" for record in rig.bus.broker.topic("responder.state") if record.key == b"sends/r1.1"]
    assert [b'"waiting"' in row for row in rows] == [False, False, False]
    assert sum(b'"started"' in row for row in rows) == 2


async def test_the_pause_that_matters_is_measured_from_before_the_commit(rig: Rig) -> None:
    slow = iter([59.0])
    rig.bus.broker.readers.append(lambda: rig.clock.advance(next(slow, 0.0)))
    await rig.ask(request())
    await rig.until_ended(1)
    rows = [record.value or b"" for record in rig.bus.broker.topic("responder.state") if record.key == b"sends/r1.1"]
    assert sum(b'"started"' in row for row in rows) == 1


# --- change of owner, and the end ----------------------------------------------------------------------------


async def test_a_change_of_owner_waits_a_moment_for_calls_and_begins_nothing(rig: Rig) -> None:
    rig.paper.stuck.clear()
    await rig.ask(request(1))
    await rig.until(lambda: bool(rig.paper.asked))
    assert rig.service
    (owned,) = rig.service.owned
    holding = asyncio.create_task(owned.hold())
    await rig.until(lambda: owned.number is not None and owned.number.held)
    await rig.ask(request(2))
    rig.paper.stuck.set()
    await holding
    assert set(rig.became()) == {"r1.1"}
    assert set(rig.paper.calls) == {"r1.1.0"}
    owned.own()
    await rig.until_ended(2)


async def test_a_change_of_owner_does_not_wait_for_a_call_that_hangs(rig: Rig) -> None:
    rig.paper.stuck.clear()
    await rig.ask(request(1))
    await rig.until(lambda: bool(rig.paper.asked))
    assert rig.service
    began = asyncio.get_running_loop().time()
    await rig.service.deal()
    assert 0.9 < asyncio.get_running_loop().time() - began < 3
    rig.paper.stuck.set()
    await rig.until_ended(1)
    assert rig.became() == {"r1.1": ReplySent}


async def test_at_the_end_calls_are_waited_for_and_nothing_new_begins(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "HOLD", 0.0)
    rig.paper.stuck.clear()
    await rig.ask(request(1, LONG))
    await rig.until(lambda: bool(rig.paper.asked))
    assert rig.service
    assert rig.rounds
    stopping = asyncio.create_task(rig.service.stop())
    await rig.until(lambda: rig.rounds is not None and rig.rounds._finishing)
    rig.service.owned[0].own()
    await rig.ask(request(2))
    rig.paper.stuck.set()
    await stopping
    assert rig.outcomes() == []
    assert rig.paper.calls == {"r1.1.0": 1}
    rig.serve()
    await rig.until_ended(2)
    assert set(rig.became().values()) == {ReplySent}
    assert max(rig.paper.calls.values()) == 1


# --- what comes in -------------------------------------------------------------------------------------------


async def test_the_same_request_twice_is_one_also_for_another_owner(rig: Rig) -> None:
    await rig.ask(request(), request())
    await rig.until_ended(1)
    rig.kill()
    rig.serve()
    await rig.ask(request(), request(2))
    await rig.until_ended(2)
    assert rig.paper.calls == {"r1.1.0": 1, "r2.1.0": 1}
    assert len(rig.outcomes()) == 2


async def test_a_second_attempt_begins_at_the_part_in_doubt(rig: Rig) -> None:
    rig.paper.answers = [goes, lambda _call: SendError(Reason.UNKNOWN)]
    await rig.ask(request(1, LONG))
    await rig.until_ended(1)
    first = rig.outcomes()[0]
    assert (type(first), first.doubtful, first.parts) == (ReplyUnknown, (1,), 2)
    await rig.ask(request(1, LONG, attempt=2, first_part=first.doubtful[0]))
    await rig.until_ended(2)
    assert rig.paper.calls == {"r1.1.0": 1, "r1.1.1": 1, "r1.2.1": 1}
    assert rig.outcomes()[1].sent == (PartSent(part=1, external_id="x-r1.2.1"),)


async def test_a_withdrawn_reply_is_answered_with_what_became_of_it(make_rig: MakeRig) -> None:
    rig = make_rig(Policy(rate=1e6, width=1))
    rig.paper.stuck.clear()
    await rig.ask(request(1), request(2))
    await rig.until(lambda: bool(rig.paper.asked))
    await rig.ask(cancel(1), cancel(2))
    await rig.until_ended(1)
    rig.paper.stuck.set()
    await rig.until_ended(2)
    assert rig.became() == {"r2.1": ReplyCancelled, "r1.1": ReplySent}


@pytest.mark.parametrize(
    ("asked", "became", "reason", "code"),
    [
        pytest.param(
            request().model_copy(update={"via": request().via.model_copy(update={"inbox": "opgeheven"})}),
            ReplyFailed,
            Reason.ACCOUNT,
            "inbox-not-configured",
            id="its inbox is not configured",
        ),
        pytest.param(
            request(first_part=7),
            ReplyFailed,
            Reason.CONTENT,
            "first-part-out-of-range",
            id="it is to begin at a part that it does not have",
        ),
    ],
)
async def test_it_fails_at_once_where_people_see_it_when(
    rig: Rig, asked: object, became: type[Outcome], reason: Reason, code: str
) -> None:
    await rig.ask(asked)  # type: ignore[arg-type]  # a copy of a request
    await rig.until_ended(1)
    (outcome,) = rig.outcomes()
    assert (type(outcome), outcome.reason, outcome.code) == (became, reason, code)
    assert rig.paper.asked == []


async def test_what_waits_for_an_inbox_that_is_configured_no_more_fails_where_people_see_it(make_rig: MakeRig) -> None:
    rig = make_rig(Policy(rate=1e6, width=1))
    rig.paper.stuck.clear()
    await rig.ask(request(1), request(2))
    await rig.until(lambda: bool(rig.paper.asked))
    rig.kill()
    rig.inboxes._outlets = {}
    rig.serve()
    await rig.until_ended(2)
    assert rig.became() == {"r1.1": ReplyUnknown, "r2.1": ReplyFailed}


async def test_what_nobody_can_read_is_set_aside_and_stops_nobody(rig: Rig) -> None:
    rig.write(b"\xff\x00 onleesbaar")
    await rig.ask(request())
    await rig.until_ended(1)
    (letter,) = rig.set_aside()
    assert b64decode(letter.raw) == b"\xff\x00 onleesbaar"
    assert letter.origin.topic == "outbox"


async def test_one_odd_reply_fails_where_people_see_it_and_stops_nobody(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits = fit

    def fails_once(parts: tuple[Part, ...], limits: Limits) -> tuple[Part, ...]:
        monkeypatch.setattr(intake, "fit", fits)
        raise ZeroDivisionError

    monkeypatch.setattr(intake, "fit", fails_once)
    await rig.ask(request(1), request(2))
    await rig.until_ended(2)
    assert rig.became() == {"r1.1": ReplyFailed, "r2.1": ReplySent}
    assert rig.outcomes()[0].code == "cannot-be-fitted"


async def test_a_channel_with_a_bug_costs_one_reply_its_certainty_and_nothing_more(rig: Rig) -> None:
    def bug(_call: object) -> Sent:
        raise ZeroDivisionError

    rig.paper.answers = [bug]
    await rig.ask(request(1), request(2))
    await rig.until_ended(2)
    assert rig.became() == {"r1.1": ReplyUnknown, "r2.1": ReplySent}


async def test_bulk_fills_its_own_room_and_answers_pass_it(make_rig: MakeRig) -> None:
    rig = make_rig(Policy(rate=1e6, width=1), bulk_room=5)
    rig.paper.stuck.clear()
    await rig.ask(*(request(number) for number in range(20)), topic="outbox.bulk")
    await rig.until(lambda: rig.committed("outbox.bulk") == 5)
    await rig.ask(request(100), request(101))
    await rig.until(lambda: rig.committed("outbox") == 2)
    assert rig.committed("outbox.bulk") == 5
    rig.paper.stuck.set()
    await rig.until_ended(22)
    order = [outbound.our_id.split(".")[0] for outbound in rig.paper.asked]
    assert order[:3] == ["r0", "r100", "r101"]
    assert max(rig.paper.calls.values()) == 1


# --- what operators see --------------------------------------------------------------------------------------


async def test_operators_see_what_waits_and_that_an_inbox_is_stopped(rig: Rig) -> None:
    rig.paper.answer = lambda _call: SendError(Reason.ACCOUNT, code="190")
    await rig.ask(request())
    await rig.until(lambda: rig.metrics.breakers_open.labels("paper")._value.get() == 1)
    assert rig.waiting() == 1
    assert rig.metrics.sends.labels("paper", "account")._value.get() == 1
    rig.paper.answer = goes
    rig.clock.advance(301)
    await rig.bus.tick(0)
    await rig.until_ended(1)
    await rig.until(lambda: rig.waiting() == 0)
    assert rig.metrics.breakers_open.labels("paper")._value.get() == 0


async def test_a_number_that_is_not_ours_is_not_shown(rig: Rig) -> None:
    rig.paper.stuck.clear()
    await rig.ask(request())
    await rig.until(lambda: rig.waiting() == 1)
    rig.kill()
    await rig.until(lambda: rig.waiting() == 0)


async def test_once_a_day_it_gives_a_sign_of_life(rig: Rig) -> None:
    await rig.ask(request())
    await rig.until_ended(1)
    for _ in range(3):
        await rig.bus.tick(1)
    keys = [record.key for record in rig.bus.broker.topic("responder.state")]
    await rig.until(lambda: b"hub.ticked/0" in [r.key for r in rig.bus.broker.topic("responder.state")])
    assert keys.count(b"hub.ticked/0") <= 1


def test_the_inbox_of_the_examples_is_the_one_configured() -> None:
    assert request().via.inbox == INBOX
