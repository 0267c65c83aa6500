"""The ledger: each send is taken in once, called at most once a try, and ends in one outcome."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from schemas.events import Outcome, PartSent, Reason, ReplyCancelled, ReplyFailed, ReplySent, ReplyUnknown
from schemas.parts import Address, AddressKind, Text
from services.channels.base import RateScope, SendError, Sent
from services.responder.breaker import FAILURES, STOPPED
from services.responder.gate import Gates, Policy
from services.responder.ledger import REMEMBERED, Ledger
from services.responder.moves import Found, NotBegun, Now, Start
from services.responder.outcomes import End, event_of
from services.responder.rows import Content, Row, Send, Standing, Ticket

MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC)
US, THEM = "us", "them"
WENT = Sent(("wamid.1",))


def send(number: int = 1, *, attempt: int = 1, parts: int = 1, first_part: int = 0, bulk: bool = False) -> Send:
    return Send(
        tenant="00000001234567890000",
        reply=f"r{number}",
        conversation=f"c{number}",
        channel="whatsapp",
        inbox="meldingen",
        attempt=attempt,
        first_part=first_part,
        parts=parts,
        bulk=bulk,
    )


def content(who: str = "+31612345678", parts: int = 1, lasts: float = 3600) -> Content:
    return Content(
        address=Address(kind=AddressKind.TEL, value=who),
        parts=tuple(Text(text=f"deel {number}") for number in range(parts)),
        not_after=MORNING + timedelta(seconds=lasts),
    )


class Desk:
    """A ledger with a clock, and what was written of it."""

    def __init__(self, policy: Policy | None = None) -> None:
        policy = policy or Policy(rate=1000, width=8)
        self.gates = Gates(lambda _inbox: policy, lambda: 0.5)
        self.now = Now(MORNING, 0.0)
        self.rows: dict[str, Row] = {}
        self.ends: list[End] = []
        self.ledger = Ledger(self.gates, US)
        self.began: dict[Ticket, float] = {}

    def take(self, one: Send, what: Content | None = None, order: int = 0) -> bool:
        return self.ledger.take(one, what or content(parts=one.parts), order, self.now)

    def starts(self) -> list[Start]:
        started = list(self.ledger.starts(self.now))
        self.write()
        for start in started:
            self.began[start.ticket] = self.gates.of(start.send.inbox).pace.moment(self.now.mono)
        return started

    def finish(self, start: Start, found: Found) -> bool:
        known = self.ledger.finish(start.ticket, found, self.began[start.ticket], self.now)
        self.ledger.expire(self.now)
        self.write()
        return known

    def write(self) -> None:
        settled = self.ledger.settle(self.now)
        self.rows |= {key: row for key, row in settled.rows.items() if row is not None}
        for key in (key for key, row in settled.rows.items() if row is None):
            self.rows.pop(key, None)
        self.ends += settled.ends

    def wait(self, seconds: float) -> None:
        self.now = Now(self.now.wall + timedelta(seconds=seconds), self.now.mono + seconds)
        self.ledger.expire(self.now)
        self.write()

    def taken_over(self, token: str = THEM, mine: dict[Ticket, Content] | None = None) -> None:
        """Have another process (or another memory of ours) find what was written, read back from JSON."""
        found = [(key, Row.model_validate_json(row.model_dump_json())) for key, row in self.rows.items()]
        self.ledger = Ledger(self.gates, token)
        self.ledger.load(found, (mine or {}).get, self.now)
        self.write()

    @property
    def became(self) -> list[type[Outcome]]:
        return [end.became for end in self.ends]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_is_due_goes_straight_to_started_and_is_written_once_without_content(desk: Desk) -> None:
    desk.take(send())
    (start,) = desk.starts()
    assert desk.rows["r1.1"].standing is Standing.STARTED
    assert desk.rows["r1.1"].content is None
    assert start.content.parts == content().parts
    desk.finish(start, WENT)
    assert desk.rows["r1.1"] == Row(standing=Standing.GONE, order=1)
    assert desk.became == [ReplySent]


def test_what_waits_is_written_with_its_content() -> None:
    desk = Desk(Policy(rate=1000, width=1))
    desk.take(send(1), order=1)
    desk.take(send(2), order=2)
    assert [start.send.reply for start in desk.starts()] == ["r1"]
    assert desk.rows["r2.1"].content == content()


@pytest.mark.parametrize("found", [WENT, None], ids=["after its outcome", "while it is under way"])
def test_the_same_request_twice_is_one(desk: Desk, found: Found | None) -> None:
    desk.take(send())
    (start,) = desk.starts()
    if found:
        desk.finish(start, found)
    assert not desk.take(send())
    assert desk.starts() == []


def test_a_second_attempt_is_another_send_and_begins_at_the_part_in_doubt(desk: Desk) -> None:
    desk.take(send(parts=3))
    (start,) = desk.starts()
    desk.finish(start, SendError(Reason.UNKNOWN))
    assert desk.take(send(attempt=2, parts=3, first_part=1))
    (start,) = desk.starts()
    assert (start.ticket.key, start.ticket.part) == ("r1.2", 1)


@pytest.mark.parametrize(
    ("found", "became", "reason"),
    [
        pytest.param(WENT, ReplySent, None, id="the provider took it"),
        pytest.param(SendError(Reason.WINDOW_CLOSED), ReplyFailed, Reason.WINDOW_CLOSED, id="the window is closed"),
        pytest.param(SendError(Reason.RECIPIENT), ReplyFailed, Reason.RECIPIENT, id="the number does not exist"),
        pytest.param(SendError(Reason.CONTENT), ReplyFailed, Reason.CONTENT, id="the words are refused"),
        pytest.param(SendError(Reason.OTHER), ReplyFailed, Reason.OTHER, id="the code says no more"),
        pytest.param(SendError(Reason.UNKNOWN), ReplyUnknown, Reason.UNKNOWN, id="no answer came"),
        pytest.param(SendError(Reason.RETRY), None, None, id="the provider was away"),
        pytest.param(SendError(Reason.RATE_LIMIT), None, None, id="we were too fast"),
        pytest.param(SendError(Reason.ACCOUNT), None, None, id="our account is refused"),
        pytest.param(NotBegun(), None, None, id="the call was never made"),
    ],
)
def test_what_follows_when(desk: Desk, found: Found, became: type[Outcome] | None, reason: Reason | None) -> None:
    desk.take(send())
    (start,) = desk.starts()
    desk.finish(start, found)
    assert desk.became == ([became] if became else [])
    assert [end.reason for end in desk.ends] == ([reason] if became else [])
    assert desk.rows["r1.1"].standing is (Standing.GONE if became else Standing.WAITING)
    if became is None:
        assert desk.rows["r1.1"].content == content()
        desk.wait(STOPPED + 1)
        assert [again.ticket.tries for again in desk.starts()] == [int(not isinstance(found, NotBegun))]


@pytest.mark.parametrize(
    ("third", "became", "doubtful", "not_begun"),
    [
        pytest.param(WENT, ReplySent, (), (), id="all went"),
        pytest.param(SendError(Reason.CONTENT), ReplyFailed, (), (3,), id="the third is refused"),
        pytest.param(SendError(Reason.UNKNOWN), ReplyUnknown, (2,), (3,), id="the third is in doubt"),
    ],
)
def test_a_reply_of_four_parts_goes_part_by_part(
    desk: Desk, third: Found, became: type[Outcome], doubtful: tuple[int, ...], not_begun: tuple[int, ...]
) -> None:
    desk.take(send(parts=4))
    for number, found in enumerate((Sent(("a", "b")), Sent(("c",)), third, Sent(("e",)))):
        for start in desk.starts():
            assert start.ticket.part == number
            desk.finish(start, found)
    (end,) = desk.ends
    assert (end.became, end.doubtful, end.not_begun) == (became, doubtful, not_begun)
    assert list(end.sent)[:3] == [
        PartSent(part=0, external_id="a"),
        PartSent(part=0, external_id="b"),
        PartSent(part=1, external_id="c"),
    ]


def test_an_outcome_has_the_same_id_whoever_reports_it(desk: Desk) -> None:
    desk.take(send(parts=2))
    (start,) = desk.starts()
    desk.finish(start, SendError(Reason.UNKNOWN, code="504"))
    (end,) = desk.ends
    first, second = event_of(end, MORNING), event_of(end, MORNING + timedelta(seconds=9))
    assert first.event is not None
    assert second.event is not None
    assert first.event.id == second.event.id == first.key
    assert first.home == "00000001234567890000"
    assert isinstance(first.event.data, ReplyUnknown)
    assert (first.event.data.code, first.event.data.parts, first.event.data.not_begun) == ("504", 2, (1,))


# --- cancelled and expired -----------------------------------------------------------------------------------


def test_taken_back_while_it_waits_it_ends_at_once() -> None:
    desk = Desk(Policy(rate=1000, width=1))
    desk.take(send(1))
    desk.take(send(2, parts=2))
    desk.starts()
    assert desk.ledger.cancel("r2", Reason.ERASED)
    desk.write()
    (end,) = desk.ends
    assert (end.became, end.reason, end.not_begun) == (ReplyCancelled, Reason.ERASED, (0, 1))


@pytest.mark.parametrize(
    ("found", "became", "not_begun"),
    [
        pytest.param(WENT, ReplyCancelled, (1,), id="went: the rest is not begun"),
        pytest.param(SendError(Reason.RETRY), ReplyCancelled, (0, 1), id="did not go: nothing goes"),
        pytest.param(NotBegun(), ReplyCancelled, (0, 1), id="was never made: nothing goes"),
        pytest.param(SendError(Reason.UNKNOWN), ReplyUnknown, (1,), id="is in doubt: it stays in doubt"),
        pytest.param(SendError(Reason.CONTENT), ReplyFailed, (1,), id="is refused: it has failed"),
    ],
)
def test_taken_back_during_a_call_that(
    desk: Desk, found: Found, became: type[Outcome], not_begun: tuple[int, ...]
) -> None:
    desk.take(send(parts=2))
    (start,) = desk.starts()
    desk.ledger.cancel("r1", Reason.WITHDRAWN)
    desk.write()
    assert desk.ends == []
    assert desk.rows["r1.1"].cancelled is Reason.WITHDRAWN
    desk.finish(start, found)
    assert [(end.became, end.not_begun) for end in desk.ends] == [(became, not_begun)]


def test_taken_back_when_it_went_already_it_went(desk: Desk) -> None:
    desk.take(send())
    (start,) = desk.starts()
    desk.ledger.cancel("r1", Reason.WITHDRAWN)
    desk.finish(start, WENT)
    assert desk.became == [ReplySent]
    assert not desk.ledger.cancel("r1", Reason.WITHDRAWN)


def test_it_is_not_sent_after_its_time_but_told_to_people() -> None:
    desk = Desk(Policy(rate=1000, width=1))
    desk.take(send(1), content(lasts=7200))
    desk.take(send(2, parts=2), content(parts=2, lasts=60))
    desk.starts()
    assert desk.ledger.next_look(desk.now) == 60
    desk.wait(60)
    (end,) = desk.ends
    assert (end.became, end.reason, end.not_begun) == (ReplyFailed, Reason.EXPIRED, (0, 1))


def test_what_is_under_way_at_its_time_is_waited_for(desk: Desk) -> None:
    desk.take(send(), content(lasts=60))
    (start,) = desk.starts()
    desk.wait(61)
    assert desk.ends == []
    desk.finish(start, SendError(Reason.RETRY))
    assert [end.reason for end in desk.ends] == [Reason.EXPIRED]


def test_a_stopped_inbox_keeps_its_replies_until_their_time_is_up(desk: Desk) -> None:
    desk.take(send(1), content(lasts=STOPPED / 2))
    desk.take(send(2), content(lasts=3600), order=2)
    for start in desk.starts():
        desk.finish(start, SendError(Reason.ACCOUNT))
    assert desk.starts() == []
    desk.wait(STOPPED / 2)
    assert [(end.send.reply, end.reason) for end in desk.ends] == [("r1", Reason.EXPIRED)]
    desk.wait(STOPPED / 2)
    assert [start.send.reply for start in desk.starts()] == ["r2"]


def test_what_cannot_be_worked_at_all_fails_at_once_and_once(desk: Desk) -> None:
    assert desk.ledger.refuse(send(), Reason.ACCOUNT, "no-inbox")
    assert not desk.ledger.refuse(send(), Reason.ACCOUNT, "no-inbox")
    desk.write()
    assert [(end.became, end.reason, end.code) for end in desk.ends] == [(ReplyFailed, Reason.ACCOUNT, "no-inbox")]


# --- who goes first ------------------------------------------------------------------------------------------


def served(desk: Desk) -> Iterator[str]:
    while started := desk.starts():
        for start in started:
            yield start.send.reply
            desk.finish(start, WENT)


def test_answers_go_before_bulk_and_who_came_first_goes_first() -> None:
    desk = Desk(Policy(rate=1000, width=1))
    for order, (number, bulk) in enumerate([(1, True), (2, False), (3, True), (4, False)]):
        desk.take(send(number, bulk=bulk), order=order)
    assert desk.ledger.bulk == 2
    assert list(served(desk)) == ["r2", "r4", "r1", "r3"]
    assert desk.ledger.bulk == 0


def test_never_more_calls_at_once_than_the_width() -> None:
    desk = Desk(Policy(rate=1000, width=3))
    for number in range(10):
        desk.take(send(number), content(f"+316{number}"))
    started = desk.starts()
    assert len(started) == 3
    assert desk.ledger.next_look(desk.now) == 3600
    desk.finish(started[0], WENT)
    assert len(desk.starts()) == 1


def test_two_to_one_citizen_are_apart_and_others_pass() -> None:
    desk = Desk(Policy(rate=1000, width=8, interval=6))
    for number, who in enumerate(["anna", "anna", "bob", "anna"]):
        desk.take(send(number), content(who), order=number)
    first, other = desk.starts()
    assert (first.send.reply, other.send.reply) == ("r0", "r2")
    desk.wait(60)
    assert desk.starts() == []
    desk.finish(first, WENT)
    (second,) = desk.starts()
    assert second.send.reply == "r1"
    desk.finish(second, WENT)
    assert desk.starts() == []
    desk.wait(5.9)
    assert desk.starts() == []
    desk.wait(0.1)
    assert [start.send.reply for start in desk.starts()] == ["r3"]


def test_a_citizen_we_were_too_fast_for_waits_alone(desk: Desk) -> None:
    desk.take(send(1), content("anna"), order=1)
    (start,) = desk.starts()
    desk.finish(start, SendError(Reason.RATE_LIMIT, after=20, scope=RateScope.RECIPIENT))
    desk.take(send(2), content("anna"), order=2)
    desk.take(send(3), content("bob"), order=3)
    assert [start.send.reply for start in desk.starts()] == ["r3"]
    desk.wait(21)
    assert [start.send.reply for start in desk.starts()] == ["r1", "r2"]


@pytest.mark.parametrize("bulk", [False, True], ids=["answers", "bulk"])
@pytest.mark.parametrize("poisons", [1, 3])
def test_one_reply_that_never_goes_keeps_no_other_from_going(poisons: int, *, bulk: bool) -> None:
    """It made the breaker open, alone; it must not be every probe from then on."""
    desk = Desk(Policy(rate=1000, width=1))
    stuck = {f"r{number}" for number in range(poisons)}

    def call() -> list[str]:
        starts = desk.starts()
        for start in starts:
            desk.finish(start, SendError(Reason.RETRY) if start.send.reply in stuck else WENT)
        return [start.send.reply for start in starts]

    for number in range(poisons):
        desk.take(send(number), content(f"+3160000000{number}"), order=number)
    while not desk.gates.of("meldingen").breaker.open or desk.now.mono < 120:
        call()
        desk.wait(1)
    for number in range(10, 15):
        desk.take(send(number, bulk=bulk), content(f"+3161000000{number}"), order=number)
    waited = desk.now.mono
    while len(desk.ends) < 5:
        call()
        desk.wait(0.1)
        assert desk.now.mono < waited + 20
    assert set(desk.became) == {ReplySent}


def test_a_provider_that_is_away_is_asked_by_one_call_at_a_time_and_then_served_at_the_rate() -> None:
    desk = Desk(Policy(rate=100, width=8))
    for number in range(500):
        desk.take(send(number), content(f"+316{number}"), order=number)
    calls, seconds = 0, 0.0
    while seconds < 60:
        for start in desk.starts():
            calls += 1
            desk.finish(start, SendError(Reason.RETRY))
        desk.wait(0.05)
        seconds += 0.05
    assert FAILURES <= calls < 40
    back, first = desk.now.mono, None
    while len(desk.ends) < 500:
        for start in desk.starts():
            first = desk.now.mono if first is None else first
            desk.finish(start, WENT)
        desk.wait(0.05)
    assert first is not None
    assert first - back <= 5
    assert desk.now.mono - first == pytest.approx(5, rel=0.15)


# --- taken over ----------------------------------------------------------------------------------------------


def test_whoever_takes_over_goes_on_with_what_waits() -> None:
    desk = Desk(Policy(rate=1000, width=1))
    desk.take(send(1), order=1)
    desk.take(send(2, bulk=True), order=2)
    desk.finish(desk.starts()[0], SendError(Reason.RETRY))
    desk.taken_over()
    assert list(served(desk)) == ["r2"]
    assert desk.ledger.next_look(desk.now) == pytest.approx(0.5)
    desk.wait(0.5)
    assert list(served(desk)) == ["r1"]


def test_what_another_had_started_is_reported_as_unknown_and_not_called(desk: Desk) -> None:
    desk.take(send(parts=3))
    (start,) = desk.starts()
    desk.finish(start, WENT)
    desk.starts()
    desk.taken_over()
    (end,) = desk.ends
    assert (end.became, end.doubtful, end.not_begun) == (ReplyUnknown, (1,), (2,))
    assert list(end.sent) == [PartSent(part=0, external_id="wamid.1")]
    assert desk.starts() == []
    assert not desk.take(send(parts=3))


def test_a_new_memory_waits_for_no_call_that_it_does_not_know() -> None:
    desk = Desk(Policy(rate=1000, width=8, interval=6))
    desk.take(send(1), content("anna"))
    desk.starts()
    desk.taken_over()
    desk.take(send(2), content("anna"))
    assert [start.send.reply for start in desk.starts()] == ["r2"]


def test_our_own_call_survives_a_discarded_memory(desk: Desk) -> None:
    desk.take(send(parts=2))
    (start,) = desk.starts()
    desk.taken_over(token=US, mine={start.ticket: start.content})
    assert desk.ends == []
    assert desk.finish(start, WENT)
    (start,) = desk.starts()
    desk.finish(start, WENT)
    assert desk.became == [ReplySent]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Ticket("r1.1", 0, 0, THEM), id="another process"),
        pytest.param(Ticket("r1.2", 0, 0, US), id="another attempt"),
        pytest.param(Ticket("r1.1", 1, 0, US), id="another part"),
        pytest.param(Ticket("r1.1", 0, 1, US), id="another try"),
    ],
)
def test_a_result_of_another_call_is_not_taken_for_this_one(desk: Desk, other: Ticket) -> None:
    desk.take(send(parts=2))
    desk.starts()
    assert not desk.ledger.finish(other, WENT, 0.0, desk.now)
    desk.write()
    assert desk.ends == []


def test_what_ended_is_remembered_over_a_takeover_and_in_the_end_forgotten(desk: Desk) -> None:
    for number in range(REMEMBERED + 10):
        desk.take(send(number), order=number)
        for start in desk.starts():
            desk.finish(start, WENT)
        desk.wait(0.01)
    assert len(desk.rows) == REMEMBERED
    desk.taken_over()
    assert not desk.take(send(REMEMBERED + 9))
    assert desk.take(send(5))


def test_memory_follows_what_is_open_not_what_happened(desk: Desk) -> None:
    for number in range(5_000):
        desk.take(send(number))
        for start in desk.starts():
            desk.finish(start, WENT)
        desk.wait(0.01)
    assert len(desk.ledger) == 0
    assert len(desk.ledger._expiry) <= 1_001
    assert len(desk.ledger._by_reply) == 0
