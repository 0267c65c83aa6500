"""What waits to leave from one inbox, and in which order: answers before bulk, who came first before who came later."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from services.responder.entry import Entry
from services.responder.gate import Gate
from services.responder.pacing import ALWAYS, NEVER
from services.responder.rows import Standing, Ticket


class _Place(NamedTuple):
    """A place in a heap: sorted by time or tries first, then by who came first."""

    rank: float
    order: int
    key: str


def _lane(entry: Entry) -> int:
    """Number the lanes: answers tried again, new answers, bulk tried again, new bulk."""
    return 2 * entry.send.bulk + (entry.tries == 0)


class Inbox:
    """The queue of one inbox. It knows entries by their key; what is no longer in `entries` is passed over."""

    def __init__(self, gate: Gate, entries: dict[str, Entry]) -> None:
        self.gate, self._entries = gate, entries
        self._ready: tuple[list[_Place], ...] = ([], [], [], [])
        self._later: list[_Place] = []
        self._parked: dict[str, list[str]] = {}
        self.under_way = 0

    # --- in ---

    def put(self, entry: Entry, now: float) -> None:
        """Have an entry wait: until its pause is over, or for its turn."""
        if entry.wait > 0:
            heappush(self._later, _Place(now + entry.wait, entry.order, entry.send.key))
        else:
            self._to_ready(entry)

    def _to_ready(self, entry: Entry) -> None:
        heappush(self._ready[_lane(entry)], _Place(entry.tries, entry.order, entry.send.key))

    # --- out ---

    def next_to_begin(self, now: float) -> Entry | None:
        """Return the entry whose call may be prepared now, taken out; None when none may."""
        self._wake(now)
        while self.gate.lets(self.under_way, now):
            entry = self._first(now)
            if entry is None or self._may_have_one(entry, now):
                return entry
        return None

    def begins(self, entry: Entry, token: str) -> Ticket:
        """Start a call."""
        ticket = entry.ticket(token)
        self.under_way += 1
        self.gate.begins(ticket, entry.who)
        return ticket

    def adopts(self, entry: Entry) -> None:
        """Take over a call of ours that was begun before."""
        self.under_way += 1
        self.gate.adopts(entry.who)

    def ended(self, entry: Entry, now: float) -> None:
        """Note that a call is over: whoever waited for the same citizen waits for their pause instead."""
        self.under_way -= 1
        free_at = self.gate.recipients.free_at(entry.who)
        for key in self._parked.pop(entry.who, ()):
            if key in self._entries:
                self._wait_for_pause(self._entries[key], free_at, now)

    def _wake(self, now: float) -> None:
        while self._later and self._later[0].rank <= now:
            entry = self._valid(heappop(self._later))
            if entry:
                entry.wait = 0.0
                self._to_ready(entry)

    def _first(self, now: float) -> Entry | None:
        again = self.gate.lets_again(now)
        lanes = self._by_failures() if self.gate.breaker.open else self._ready if again else self._ready[1::2]
        return next((entry for lane in lanes if (entry := self._pop(lane))), None)

    def _by_failures(self) -> list[list[_Place]]:
        """A probe is what failed least: one reply that never goes would be every probe, and keep all others waiting."""
        return sorted(filter(self._holds, self._ready), key=lambda lane: lane[0].rank)

    def _pop(self, lane: list[_Place]) -> Entry | None:
        while lane:
            entry = self._valid(heappop(lane))
            if entry:
                return entry
        return None

    def _may_have_one(self, entry: Entry, now: float) -> bool:
        free_at = self.gate.recipients.free_at(entry.who)
        if free_at <= now:
            return True
        if free_at == NEVER:
            self._parked.setdefault(entry.who, []).append(entry.send.key)
        else:
            self._wait_for_pause(entry, free_at, now)
        return False

    def _wait_for_pause(self, entry: Entry, free_at: float, now: float) -> None:
        rank = now if free_at == ALWAYS else free_at
        heappush(self._later, _Place(rank, entry.order, entry.send.key))

    def _valid(self, place: _Place) -> Entry | None:
        entry = self._entries.get(place.key)
        return entry if entry is not None and entry.standing is Standing.WAITING else None

    # --- when to look again ---

    def next_look(self, now: float) -> float:
        """Return when something may begin that may not now; NEVER when only a result can change it."""
        return min(self._next_ready(now), self._next_later())

    def _next_ready(self, now: float) -> float:
        again, fresh = (any(map(self._holds, self._ready[lane::2])) for lane in (0, 1))
        if not (again or fresh):
            return NEVER
        at = self.gate.next_chance(self.under_way, only_again=not fresh, now=now)
        return NEVER if at is None else at

    def _next_later(self) -> float:
        while self._later and self._valid(self._later[0]) is None:
            heappop(self._later)
        return self._later[0].rank if self._later else NEVER

    def _holds(self, lane: list[_Place]) -> bool:
        while lane and self._valid(lane[0]) is None:
            heappop(lane)
        return bool(lane)
