"""The ledger that is the responder's queue: what was taken in, what may begin, what ended and how.

Pure: time and chance are handed in, and what has to be written is handed out (`settle`). A send is waiting (with its
content), started (without) or gone; each move is written, in one transaction with its outcome, before anything follows
from it. So whoever finds a send waiting knows that its next part was not called, and whoever finds one started does
not call it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from heapq import heapify, heappop, heappush

from schemas.events import PartSent, Reason
from services.channels.base import SendError, Sent
from services.responder import outcomes
from services.responder.consequences import CONSEQUENCES, Fate
from services.responder.entry import Entry, entry_of, row_of
from services.responder.gate import DAY, Gates
from services.responder.hung import same_call
from services.responder.inbox import Inbox
from services.responder.moves import Found, NotBegun, Now, Settled, Start
from services.responder.outcomes import End
from services.responder.pacing import NEVER
from services.responder.rows import Content, Row, Send, Standing, Ticket

REMEMBERED = 5_000
"""Ended sends whose request, should it come again, is still known."""
_NONE: Mapping[str, Row] = {}
SLACK = 1_000
"""Ended sends that may still lie in the heap of what expires."""


class Ledger:
    """Of one partition number. `token` is what this process signs its calls with."""

    def __init__(self, gates: Gates, token: str) -> None:
        self._gates, self._token = gates, token
        self._entries: dict[str, Entry] = {}
        self._by_reply: dict[str, Entry] = {}
        self._inboxes: dict[str, Inbox] = {}
        self._gone: dict[str, int] = {}
        self._hung: Mapping[str, Row] = {}
        self._gone_order = 0
        self._expiry: list[tuple[datetime, str]] = []
        self._touched: dict[str, None] = {}
        self._ends: list[End] = []
        self.bulk = 0
        """Bulk sends it holds."""
        self.open: Counter[str] = Counter()
        """Sends that have no outcome yet, by channel."""

    # --- taking in ---

    def take(self, send: Send, content: Content, order: int, now: Now) -> bool:
        """Take in a request; returns whether it was new. What was asked for before is not asked for again."""
        if send.key in self._entries or send.key in self._gone:
            return False
        if send.key in self._hung:
            self._doubt(send, self._hung[send.key])
            return True
        entry = Entry(send, content, order, send.first_part)
        self._add(entry)
        self._inbox(entry).put(entry, now.mono)
        self._touch(entry)
        return True

    def refuse(self, send: Send, reason: Reason, code: str) -> bool:
        """Answer a request that cannot be worked at all; returns whether it was new."""
        if send.key in self._entries or send.key in self._gone:
            return False
        self._forget_oldest()
        self._remember(send.key)
        self._ends.append(outcomes.failed(send, (), send.first_part, reason, code))
        return True

    def cancel(self, reply: str, reason: Reason) -> bool:
        """Take a reply back: at once when it waits, else after its call. Returns whether it is here."""
        entry = self._by_reply.get(reply)
        if entry is None:
            return False
        entry.cancelled = reason
        if entry.standing is Standing.WAITING:
            self._end(entry, outcomes.cancelled(entry.send, entry.sent, entry.part, reason))
        else:
            self._touch(entry)
        return True

    # --- going out ---

    def starts(self, now: Now) -> Iterator[Start]:
        """Start all that may begin now. The calls may be made only when what `settle` then says has been written."""
        for inbox in list(self._inboxes.values()):
            while entry := inbox.next_to_begin(now.mono):
                yield self._start(inbox, entry)

    def _start(self, inbox: Inbox, entry: Entry) -> Start:
        ticket = inbox.begins(entry, self._token)
        entry.standing, entry.token = Standing.STARTED, self._token
        self._touch(entry)
        return Start(ticket, entry.send, entry.content)

    # --- coming back ---

    def finish(self, ticket: Ticket, found: Found, began: float | None, now: Now) -> bool:
        """Take what became of a call; returns whether it was one we wait for. `began` is when it was made."""
        entry = self._entries.get(ticket.key)
        if entry is None or entry.standing is not Standing.STARTED or entry.ticket(entry.token or "") != ticket:
            return False
        inbox = self._inbox(entry)
        if isinstance(found, Sent):
            inbox.gate.went(entry.who, began, now.mono)
            self._went(entry, found, now)
        elif isinstance(found, NotBegun):
            inbox.gate.never_began(ticket, entry.who)
            self._again(entry, 0.0, now)
        else:
            wait = inbox.gate.failed(ticket, entry.who, found, began, now.mono)
            self._failed(entry, found, wait, now)
        inbox.ended(entry, now.mono)
        return True

    def _went(self, entry: Entry, found: Sent, now: Now) -> None:
        entry.sent += [PartSent(part=entry.part, external_id=name) for name in found.external_ids]
        entry.part, entry.tries = entry.part + 1, 0
        if entry.part == entry.send.parts:
            self._end(entry, outcomes.sent(entry.send, entry.sent))
        else:
            self._again(entry, 0.0, now)

    def _failed(self, entry: Entry, error: SendError, wait: float, now: Now) -> None:
        fate = CONSEQUENCES[error.reason].fate
        if fate is Fate.FAILED:
            self._end(entry, outcomes.failed(entry.send, entry.sent, entry.part, error.reason, error.code))
        elif fate is Fate.UNKNOWN:
            self._end(entry, outcomes.unknown(entry.send, entry.sent, entry.part, error.code))
        else:
            entry.tries += 1
            self._again(entry, wait, now)

    def _again(self, entry: Entry, wait: float, now: Now) -> None:
        """Have a part wait that certainly did not go, unless nobody wants it any more."""
        if entry.cancelled:
            self._end(entry, outcomes.cancelled(entry.send, entry.sent, entry.part, entry.cancelled))
        elif entry.content.not_after <= now.wall:
            self._expire(entry)
        else:
            entry.standing, entry.token, entry.wait = Standing.WAITING, None, wait
            self._inbox(entry).put(entry, now.mono)
            self._touch(entry)

    # --- time ---

    def expire(self, now: Now) -> None:
        """End what waits and is not to be sent any more."""
        while self._expiry and self._expiry[0][0] <= now.wall:
            _, key = heappop(self._expiry)
            entry = self._entries.get(key)
            if entry and entry.standing is Standing.WAITING:
                self._expire(entry)

    def next_look(self, now: Now) -> float:
        """Return the seconds until something may begin or expire; infinite when only others can change that."""
        begin = min((inbox.next_look(now.mono) for inbox in self._inboxes.values()), default=NEVER)
        expiry = (self._expiry[0][0] - now.wall).total_seconds() if self._expiry else NEVER
        return max(0.0, min(begin - now.mono, expiry))

    def _expire(self, entry: Entry) -> None:
        self._end(entry, outcomes.failed(entry.send, entry.sent, entry.part, Reason.EXPIRED))

    # --- what is to be written ---

    def settle(self, now: Now) -> Settled:
        """Return what changed since the last time."""
        rows = {key: self._row(key, now) for key in self._touched}
        settled = Settled(rows, tuple(self._ends))
        self._touched, self._ends = {}, []
        return settled

    def load(
        self,
        rows: Iterable[tuple[str, Row]],
        mine: Callable[[Ticket], Content | None],
        now: Now,
        hung: Mapping[str, Row] = _NONE,
    ) -> None:
        """Take over what an earlier memory left: `mine` returns the content of a call that is ours and still known.

        What was started by anybody else ends as unknown; so does what a torn transaction says was started (`hung`).
        """
        self._hung = hung
        known = sorted(rows, key=lambda pair: pair[1].order)
        self._gone = {key: row.order for key, row in known if row.standing is Standing.GONE}
        self._gone_order = max(self._gone.values(), default=0)
        for _key, row in known:
            if row.send is not None and row.content is not None:
                self._load_waiting(row.send, row, row.content, now)
            elif row.send is not None:
                self._load_started(row.send, row, mine)
        self._gates.renew(self.tickets())
        for entry in self._started():
            self._inbox(entry).adopts(entry)

    def tickets(self) -> set[Ticket]:
        """Return the calls that are under way."""
        return {entry.ticket(entry.token or "") for entry in self._started()}

    def abandon(self, gone: Callable[[str], bool], code: str) -> None:
        """Fail what waits for inboxes that are no longer configured."""
        lost = [entry for entry in self._entries.values() if entry.standing is Standing.WAITING]
        for entry in lost:
            if gone(entry.send.inbox):
                self._end(entry, outcomes.failed(entry.send, entry.sent, entry.part, Reason.ACCOUNT, code))

    def __len__(self) -> int:
        return len(self._entries)

    def _started(self) -> list[Entry]:
        return [entry for entry in self._entries.values() if entry.standing is Standing.STARTED]

    def _load_waiting(self, send: Send, row: Row, content: Content, now: Now) -> None:
        hung = self._hung.get(send.key)
        if hung and same_call(hung, row):
            self._doubt(send, row)
            return
        entry = entry_of(send, row, content)
        due = (row.due - now.wall).total_seconds() if row.due else 0.0
        entry.wait = min(max(0.0, due), DAY)
        self._add(entry)
        self._inbox(entry).put(entry, now.mono)

    def _load_started(self, send: Send, row: Row, mine: Callable[[Ticket], Content | None]) -> None:
        content = mine(Ticket(send.key, row.part, row.tries, row.token or ""))
        if content is None:
            self._doubt(send, row)
        else:
            entry = entry_of(send, row, content)
            entry.standing = Standing.STARTED
            self._add(entry)

    def _doubt(self, send: Send, row: Row) -> None:
        self._remember(send.key)
        self._ends.append(outcomes.unknown(send, row.sent, row.part))

    # --- entries ---

    def _add(self, entry: Entry) -> None:
        self._entries[entry.send.key] = self._by_reply[entry.send.reply] = entry
        self.bulk += entry.send.bulk
        self.open[entry.send.channel] += 1
        heappush(self._expiry, (entry.content.not_after, entry.send.key))
        if len(self._expiry) > 2 * len(self._entries) + SLACK:
            self._tidy_expiry()

    def _tidy_expiry(self) -> None:
        """Drop those that ended long before they would have expired."""
        self._expiry = [(entry.content.not_after, key) for key, entry in self._entries.items()]
        heapify(self._expiry)

    def _end(self, entry: Entry, end: End) -> None:
        del self._entries[entry.send.key]
        if self._by_reply.get(entry.send.reply) is entry:
            del self._by_reply[entry.send.reply]
        self.bulk -= entry.send.bulk
        self.open[entry.send.channel] -= 1
        self._remember(entry.send.key)
        self._ends.append(end)

    def _remember(self, key: str) -> None:
        self._forget_oldest()
        self._gone_order += 1
        self._gone[key] = self._gone_order
        self._touched[key] = None

    def _forget_oldest(self) -> None:
        while len(self._gone) >= REMEMBERED:
            oldest = next(iter(self._gone))
            del self._gone[oldest]
            self._touched[oldest] = None

    def _inbox(self, entry: Entry) -> Inbox:
        name = entry.send.inbox
        if name not in self._inboxes:
            self._inboxes[name] = Inbox(self._gates.of(name), self._entries)
        return self._inboxes[name]

    def _touch(self, entry: Entry) -> None:
        self._touched[entry.send.key] = None

    def _row(self, key: str, now: Now) -> Row | None:
        entry = self._entries.get(key)
        if entry is not None:
            return row_of(entry, now.wall)
        order = self._gone.get(key)
        return None if order is None else Row(standing=Standing.GONE, order=order)
