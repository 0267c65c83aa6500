"""A call that was prepared, and then is not to be made."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.parts import Address, AddressKind, Text
from services.channels.base import SendError, Sent
from services.responder.calls import Calls
from services.responder.gate import AHEAD, Gates, Policy
from services.responder.moves import NotBegun, Start
from services.responder.rows import Content, Send, Ticket
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics

MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC)
START = Start(
    Ticket("r1.1", 0, 0, "us"),
    Send(
        tenant="00000001234567890000",
        reply="r1",
        conversation="c1",
        channel="paper",
        inbox="meldingen",
        attempt=1,
        first_part=0,
        parts=1,
    ),
    Content(
        address=Address(kind=AddressKind.TEL, value="+31612345678"),
        parts=(Text(text="Dag."),),
        not_after=MORNING + timedelta(hours=1),
    ),
)


class Desk:
    def __init__(self) -> None:
        self.clock, self.made = ManualClock(MORNING), 0
        self.gates = Gates(lambda _inbox: Policy(rate=10, width=8), lambda: 0.0)
        self.gate = self.gates.of("meldingen")
        self.calls = Calls(self.deliver, self.gates, self.clock, Metrics(), late=60)

    async def deliver(self, _start: Start) -> Sent | SendError:
        self.made += 1
        return Sent(("x",))

    async def called(self, since: float) -> object:
        self.gate.begins(START.ticket, "anna")
        self.calls.prepare([START])
        self.calls.begin([START], since)
        for task in list(self.calls._tasks):
            await task
        (call,) = self.calls.over()
        return call.found


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_it_is_made_when_nothing_is_against_it(desk: Desk) -> None:
    assert await desk.called(since=0.0) == Sent(("x",))
    assert desk.made == 1


async def test_it_goes_back_to_waiting_when_the_inbox_was_told_to_slow_down(desk: Desk) -> None:
    desk.gate.pace.hold(30.0)
    assert await desk.called(since=0.0) == NotBegun()
    assert desk.made == 0
    assert desk.gate.pace.next_room() == pytest.approx(30 - AHEAD)


async def test_it_goes_back_to_waiting_when_we_were_away_too_long(desk: Desk) -> None:
    desk.clock.advance(60.1)
    assert await desk.called(since=0.0) == NotBegun()
    assert desk.made == 0


async def test_it_leaves_its_place_when_its_commit_failed(desk: Desk) -> None:
    desk.gate.begins(START.ticket, "anna")
    desk.calls.prepare([START])
    desk.calls.drop([START])
    assert [call.found for call in desk.calls.over()] == [NotBegun()]
    assert desk.gate.pace._prepared == 0
