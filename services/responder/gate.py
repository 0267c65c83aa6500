"""Whether one more call may leave from an inbox, and when: its rate, its width, its rests, its citizens' pauses.

A gate outlives the ledger: what a provider asked of us stays asked when our memory is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from services.channels.base import RateScope, SendError
from services.responder.breaker import Breaker
from services.responder.consequences import CONSEQUENCES, Health
from services.responder.pacing import ALWAYS, Backoff, Budget, Chance, Pace, Recipients
from services.responder.rows import Ticket

AHEAD = 0.1
"""Seconds before its moment that a call may be prepared: a round takes less."""
BACKOFF = Backoff()
"""Of one reply that is tried again."""
SLOW_DOWN = Backoff(first=0.25, longest=60.0)
"""Of an inbox or a citizen after a rate limit that did not say how long."""
DAY = 86_400.0
"""The longest that a provider can make us wait."""
CROWD = 10_000
"""Citizens to keep apart before those who may have a message are forgotten."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an inbox may do, by its channel's limits and its own configuration."""

    rate: float
    """Calls a second."""
    width: int
    """Calls at once."""
    interval: float = 0.0
    """Seconds between two to one citizen."""


class Gate:
    """Of one inbox."""

    def __init__(self, policy: Policy, chance: Chance) -> None:
        self.width = policy.width
        self.pace = Pace(policy.rate, AHEAD)
        self.budget = Budget()
        self.breaker = Breaker(chance)
        self.recipients = Recipients(policy.interval)
        self._chance = chance
        self._limits, self._slow_until = 0, ALWAYS

    def lets(self, under_way: int, now: float) -> bool:
        """Say whether one more call may be prepared."""
        return under_way < self.width and self.breaker.lets(now) and self.pace.room(now)

    def lets_again(self, now: float) -> bool:
        """Say whether something may be tried again; a probe needs no budget, since it is rare by itself."""
        return self.breaker.open or self.budget.enough(now)

    def next_chance(self, under_way: int, *, only_again: bool, now: float) -> float | None:
        """Return when `lets` may say yes; None when only a result can change it."""
        probe = self.breaker.next_probe() if self.breaker.open else now
        if under_way >= self.width or probe is None:
            return None
        budget = self.budget.next_enough(now) if only_again and not self.breaker.open else now
        return max(probe, budget, self.pace.next_room())

    def begins(self, ticket: Ticket, who: str) -> None:
        """Note that a call is prepared."""
        self.pace.prepare()
        self.breaker.begins(ticket)
        self.recipients.began(who)
        if ticket.tries:
            self.budget.spend()
        else:
            self.budget.earn()

    def adopts(self, who: str) -> None:
        """Note a call of ours that an earlier memory had prepared."""
        self.recipients.began(who)

    def renew(self, live: AbstractSet[Ticket]) -> None:
        """Let go of calls that a new memory does not know."""
        self.breaker.keep_probe(live)
        self.recipients.renew()

    def went(self, who: str, began: float | None, now: float) -> None:
        """Note that the provider took a part."""
        self._limits = 0
        self._ended(who, began, now)
        self.breaker.well()

    def never_began(self, ticket: Ticket, who: str) -> None:
        """Note that a prepared call was not made."""
        self.recipients.ended(who, None)
        self.breaker.unsure(ticket)

    def failed(self, ticket: Ticket, who: str, error: SendError, began: float | None, now: float) -> float:
        """Note that a part did not go; returns how many seconds this reply has to wait by itself."""
        self._ended(who, began, now)
        health = CONSEQUENCES[error.reason].health
        if health is Health.WELL:
            self.breaker.well()
        elif health is Health.STOPPED:
            self.breaker.stop(now)
        elif health is Health.BUSY:
            return self._busy(ticket, who, error, now)
        else:
            self.breaker.ill(ticket, now)
            return self._ill(ticket, error, now)
        return 0.0

    def _busy(self, ticket: Ticket, who: str, error: SendError, now: float) -> float:
        self.breaker.unsure(ticket)
        if error.scope is RateScope.RECIPIENT:
            wait = self._asked(error) or SLOW_DOWN.wait(ticket.tries + 1, 0.5 + self._chance() / 2)
            self.recipients.hold(who, now + wait)
            return wait
        # Calls that were under way together found the same limit: it counts once.
        self._limits += now >= self._slow_until
        wait = self._asked(error) or SLOW_DOWN.wait(self._limits, 0.5 + self._chance() / 2)
        self._slow_until = max(self._slow_until, now + wait)
        self.pace.hold(self._slow_until)
        return wait

    def _ill(self, ticket: Ticket, error: SendError, now: float) -> float:
        asked = self._asked(error)
        if asked:
            self.pace.hold(now + asked)
            return asked
        # While the breaker is open it does the waiting for all.
        return 0.0 if self.breaker.open else BACKOFF.wait(ticket.tries + 1, self._chance())

    def _asked(self, error: SendError) -> float:
        """Return the seconds that the provider asked for, and up to a tenth more: no wave comes back at once."""
        return min(error.after or 0.0, DAY) * (1 + self._chance() / 10)

    def _ended(self, who: str, began: float | None, now: float) -> None:
        self.recipients.ended(who, began)
        if len(self.recipients) > CROWD:
            self.recipients.forget(now)


class Gates:
    """Of all inboxes of a number, each made when it is first asked for."""

    def __init__(self, policy_of: Callable[[str], Policy], chance: Chance) -> None:
        self._policy_of, self._chance = policy_of, chance
        self._gates: dict[str, Gate] = {}

    def of(self, inbox: str) -> Gate:
        """Return the gate of an inbox."""
        if inbox not in self._gates:
            self._gates[inbox] = Gate(self._policy_of(inbox), self._chance)
        return self._gates[inbox]

    def renew(self, live: AbstractSet[Ticket]) -> None:
        """Let go of calls that a new memory does not know."""
        for gate in self._gates.values():
            gate.renew(live)

    def resting(self) -> Iterator[str]:
        """Return the inboxes whose provider is given a rest."""
        return (name for name, gate in self._gates.items() if gate.breaker.open)

    def stopped(self) -> Iterator[str]:
        """Return the inboxes whose own account is refused."""
        return (name for name, gate in self._gates.items() if gate.breaker.stopped)
