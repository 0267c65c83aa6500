"""One send as the ledger holds it in memory; its row in the changelog, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.events import PartSent, Reason
from services.responder.rows import Content, Row, Send, Standing, Ticket


@dataclass(slots=True)
class Entry:
    """One send, in memory; in at most one place of its inbox at a time."""

    send: Send
    content: Content
    order: int
    part: int
    standing: Standing = Standing.WAITING
    tries: int = 0
    sent: list[PartSent] = field(default_factory=list)
    wait: float = 0.0
    """Seconds it was told to wait when it was put to wait last."""
    token: str | None = None
    cancelled: Reason | None = None

    @property
    def who(self) -> str:
        """The citizen, for their pauses."""
        return self.content.address.value

    def ticket(self, token: str) -> Ticket:
        """Name the call that is next."""
        return Ticket(self.send.key, self.part, self.tries, token)


def entry_of(send: Send, row: Row, content: Content) -> Entry:
    """Return the entry of a row that was kept."""
    return Entry(
        send,
        content,
        row.order,
        row.part,
        tries=row.tries,
        sent=list(row.sent),
        token=row.token,
        cancelled=row.cancelled,
    )


def row_of(entry: Entry, now: datetime) -> Row:
    """Return the row to keep of an entry: the content only while it waits."""
    waits = entry.standing is Standing.WAITING
    return Row(
        standing=entry.standing,
        order=entry.order,
        send=entry.send,
        content=entry.content if waits else None,
        part=entry.part,
        tries=entry.tries,
        sent=tuple(entry.sent),
        due=now + timedelta(seconds=entry.wait) if waits and entry.wait else None,
        token=entry.token,
        cancelled=entry.cancelled,
    )
