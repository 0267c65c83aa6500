"""What must hold of everything that lies on the topics. Pure: records in, findings out, one pass, order per partition.

I1  every message that was taken in is on exactly one queue for each of its routings, or is a dead letter with a reason
I2  nothing is there twice: no routing of a message, no send of an attempt, no outcome of one, no event
I3  in a conversation the order on the queue is the order in which the messages were taken in
I4  a part of a reply is sent again only when it may not have gone, and once at most
I5  a reply goes to an address and over an inbox of its own conversation
I6  nothing is there without a cause: no routed message that was not taken in, no answer or outcome nobody asked for
I7  every step left its record: an entry and a fact for each message, a deed or a refusal for each command, a why
I8  what was taken in has come out (lag): see `pending`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.cloudevents import CloudEvent
from services.hub import causes, queues, sends
from services.hub.account import Account, Accounts
from services.hub.finding import Finding
from services.hub.seen import Place, Seen

_INVARIANTS = (
    queues.lost,
    queues.lost_in_a_move,
    queues.elsewhere,
    queues.unexplained,
    queues.doubled,
    queues.disordered,
    sends.sent_again,
    sends.astray,
    causes.without_cause,
    causes.unrecorded,
    causes.unheard,
)
__all__ = ["Check", "Finding"]


@dataclass
class Check:
    """One pass over the topics. Feed it every record once, those of a partition in their order."""

    tenants: Mapping[str, str] = field(default_factory=dict)
    """Short names by OIN, to know whose queue is whose; without it any tenant's will do."""
    handled: Mapping[tuple[str, int], int] | None = None
    """By (topic, partition): up to which offset its service had read it before the pass; None: all of it."""
    since: datetime | None = None
    """What was logged before may have left its topic by age and is not missed; None: nothing has."""
    records: int = 0
    accounts: Accounts = field(default_factory=Accounts)
    seen: Seen = field(init=False)

    def __post_init__(self) -> None:
        self.seen = Seen(self.handled, self.since)

    def feed(self, topic: str, partition: int, offset: int, event: CloudEvent) -> None:
        """Take in one record."""
        self.records += 1
        self.accounts.take(event)
        self.seen.take(Place(topic, partition, offset), event)

    def feed_unreadable(self, topic: str, partition: int, offset: int) -> None:
        """Take in one that is no event of ours."""
        self.records += 1
        self.seen.unreadable.append(Place(topic, partition, offset))

    def pending(self) -> dict[str, int]:
        """Return what has not come out yet, by what it is; on a live system some always is."""
        sends = self.seen.sends.keys() - self.seen.outcomes.keys()
        return {"messages": len(queues.unrouted(self.seen)), "sends": len(sends)}

    def findings(self) -> list[Finding]:
        """Return all that does not hold, of what has come to rest."""
        found = {finding for invariant in _INVARIANTS for finding in invariant(self.seen)}
        return sorted({*found, *queues.misplaced(self.seen, self.tenants), *self._unbalanced()})

    def account(self) -> list[Account]:
        """Return the figures of every tenant."""
        return self.accounts.all(self.seen.dead(), self.seen.under_way())

    def _unbalanced(self) -> Iterator[Finding]:
        for conversation in self.accounts.overdrawn():
            yield Finding("I7", "more answered than asked", (conversation,))
        for account in self.account():
            if account.missing:
                yield Finding("I7", f"{account.missing} messages are nowhere in the account", (account.tenant,))
            if account.replies_missing:
                yield Finding("I7", f"{account.replies_missing} replies neither granted nor refused", (account.tenant,))
