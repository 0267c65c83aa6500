"""Whatever happens in whatever order: no call twice, never too fast or too many, one outcome for each attempt."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.events import Reason
from schemas.parts import Address, AddressKind, Text
from services.channels.base import RateScope, SendError, Sent
from services.responder.gate import Gates, Policy
from services.responder.ledger import Ledger
from services.responder.moves import Found, NotBegun, Now, Start
from services.responder.rows import Content, Row, Send, Ticket

MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC)
RATE, WIDTH = 4.0, 3

NOT_SENT: list[Found] = [
    SendError(Reason.RETRY),
    SendError(Reason.RETRY, after=7),
    SendError(Reason.RATE_LIMIT, after=3),
    SendError(Reason.RATE_LIMIT, scope=RateScope.RECIPIENT),
    SendError(Reason.ACCOUNT),
]
FINAL: list[Found] = [SendError(Reason.UNKNOWN), SendError(Reason.RECIPIENT), SendError(Reason.CONTENT)]
founds = st.one_of(st.just(Sent(("x",))), st.sampled_from(NOT_SENT), st.sampled_from(FINAL), st.just(NotBegun()))


class Life(RuleBasedStateMachine):
    """One partition number through several owners. `rows` is the changelog: all that a new owner knows."""

    @initialize(interval=st.sampled_from([0.0, 6.0]), chance=st.floats(0, 0.999))
    def begin(self, interval: float, chance: float) -> None:
        policy = Policy(RATE, WIDTH, interval)
        self.gates = Gates(lambda _inbox: policy, lambda: chance)
        self.now, self.owner = Now(MORNING, 0.0), 0
        self.rows: dict[str, Row] = {}
        self.taken: dict[str, Send] = {}
        self.outcomes: Counter[str] = Counter()
        self.under_way: dict[Ticket, tuple[Start, float]] = {}
        self.called: Counter[tuple[str, int, int]] = Counter()
        self.moments: list[float] = []
        self.ledger = Ledger(self.gates, "owner-0")

    def write(self) -> None:
        """Commit a round."""
        settled = self.ledger.settle(self.now)
        for key, row in settled.rows.items():
            if row is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = Row.model_validate_json(row.model_dump_json())
        self.outcomes.update(end.send.key for end in settled.ends)

    def call(self, started: list[Start]) -> None:
        """Make the calls of a round that was committed."""
        for start in started:
            moment = self.gates.of("meldingen").pace.moment(self.now.mono)
            self.moments.append(moment)
            self.under_way[start.ticket] = (start, moment)
            self.called[start.ticket.key, start.ticket.part, start.ticket.tries] += 1

    # --- what may happen ---

    @rule(
        number=st.integers(0, 5),
        parts=st.integers(1, 3),
        bulk=st.booleans(),
        who=st.sampled_from(["anna", "bob"]),
        lasts=st.sampled_from([20, 600, 250_000]),
    )
    def take(self, number: int, parts: int, bulk: bool, who: str, lasts: int) -> None:  # noqa: FBT001
        known = [send for send in self.taken.values() if send.reply == f"r{number}"]
        attempt = len(known) + 1 if all(self.outcomes[send.key] for send in known) else len(known)
        send = Send(
            tenant="00000001234567890000",
            reply=f"r{number}",
            conversation=f"c{number}",
            channel="whatsapp",
            inbox="meldingen",
            attempt=attempt,
            first_part=0,
            parts=parts,
            bulk=bulk,
        )
        content = Content(
            address=Address(kind=AddressKind.TEL, value=who),
            parts=tuple(Text(text="dag") for _ in range(parts)),
            not_after=self.now.wall + timedelta(seconds=lasts),
        )
        new = self.ledger.take(send, content, len(self.taken), self.now)
        assert new == (send.key not in self.taken)
        self.taken.setdefault(send.key, send)
        self.write()

    @rule(number=st.integers(0, 5))
    def take_again(self, number: int) -> None:
        known = [send for send in self.taken.values() if send.reply == f"r{number}"]
        content = Content(address=Address(kind=AddressKind.TEL, value="x"), parts=(), not_after=self.now.wall)
        for send in known:
            assert not self.ledger.take(send, content, 0, self.now)

    @rule()
    def a_round(self) -> None:
        self.ledger.expire(self.now)
        started = list(self.ledger.starts(self.now))
        self.write()
        self.call(started)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 100), found=founds)
    def a_call_ends(self, which: int, found: Found) -> None:
        ticket = list(self.under_way)[which % len(self.under_way)]
        _start, began = self.under_way.pop(ticket)
        if isinstance(found, NotBegun):
            self.called[ticket.key, ticket.part, ticket.tries] -= 1
        assert self.ledger.finish(ticket, found, None if isinstance(found, NotBegun) else began, self.now)
        self.write()

    @rule(number=st.integers(0, 5))
    def take_back(self, number: int) -> None:
        self.ledger.cancel(f"r{number}", Reason.WITHDRAWN)
        self.write()

    @rule(seconds=st.floats(0.01, 30))
    def time_passes(self, seconds: float) -> None:
        self.now = Now(self.now.wall + timedelta(seconds=seconds), self.now.mono + seconds)

    @rule()
    def another_takes_over(self) -> None:
        """SIGKILL: what was under way is nobody's, and the gates of the other process are new."""
        self.under_way = {}
        self.gates = Gates(self.gates._policy_of, self.gates._chance)
        self.owner += 1
        self.moments = []
        self.rebuild(known=False)

    @rule()
    def a_commit_fails(self) -> None:
        """Our memory is thrown away with a round that was not written; our calls go on."""
        self.ledger.expire(self.now)
        for start in self.ledger.starts(self.now):
            self.gates.of(start.send.inbox).pace.give_up()
        self.rebuild(known=True)

    def rebuild(self, *, known: bool) -> None:
        self.ledger = Ledger(self.gates, f"owner-{self.owner}")
        mine = {ticket: start.content for ticket, (start, _) in self.under_way.items()} if known else {}
        self.ledger.load(self.rows.items(), mine.get, self.now)
        self.write()

    # --- what is promised ---

    @invariant()
    def nothing_is_called_twice(self) -> None:
        assert max(self.called.values(), default=0) <= 1

    @invariant()
    def one_call_of_a_send_at_a_time_and_never_more_than_the_width(self) -> None:
        assert max(Counter(ticket.key for ticket in self.under_way).values(), default=0) <= 1
        assert len(self.under_way) <= WIDTH
        assert self.ledger.tickets() == set(self.under_way)

    @invariant()
    def never_above_the_rate(self) -> None:
        for first, begin in enumerate(self.moments):
            assert sum(moment < begin + 5 for moment in self.moments[first:]) <= RATE * 5 * 1.01 + 1

    @invariant()
    def what_was_taken_in_is_here_or_has_its_one_outcome(self) -> None:
        here = {key for key, row in self.rows.items() if row.send is not None}
        for key in self.taken:
            assert self.outcomes[key] + (key in here) == 1

    def teardown(self) -> None:
        """In the end everything has its outcome, and what is waited for is known."""
        for _ in range(500):
            self.a_round()
            for ticket in list(self.under_way):
                _start, began = self.under_way.pop(ticket)
                self.ledger.finish(ticket, Sent(("x",)), began, self.now)
                self.write()
            if not len(self.ledger):
                break
            look = self.ledger.next_look(self.now)
            assert look < 90_000
            self.time_passes(max(look, 0.001))
        assert set(self.outcomes) == set(self.taken)
        assert set(self.outcomes.values()) <= {1}
        assert self.ledger.bulk == 0
        assert not any(self.ledger.open.values())


Life.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestLife = Life.TestCase
