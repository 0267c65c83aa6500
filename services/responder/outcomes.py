"""Says what became of an attempt, part by part: one event for each attempt, always the same for the same end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.cloudevents import CloudEvent, source_of
from schemas.events import Outcome, PartSent, Reason, ReplyCancelled, ReplyFailed, ReplySent, ReplyUnknown
from schemas.ids import derived
from schemas.topics import OUTCOMES
from services.responder.rows import Send
from services.runtime.bus.handler import Outgoing


@dataclass(frozen=True, slots=True)
class End:
    """How an attempt ended. `part` is the one at which it ended: what lies after it was not begun."""

    send: Send
    became: type[Outcome]
    sent: Sequence[PartSent]
    part: int
    reason: Reason | None = None
    code: str | None = None

    @property
    def doubtful(self) -> tuple[int, ...]:
        """The parts of which nobody knows whether they went."""
        return (self.part,) if self.became is ReplyUnknown else ()

    @property
    def not_begun(self) -> tuple[int, ...]:
        """The parts that certainly did not go and were not refused either."""
        refused_or_doubtful = self.became in (ReplyFailed, ReplyUnknown) and self.reason is not Reason.EXPIRED
        return tuple(range(self.part + refused_or_doubtful, self.send.parts))


def sent(send: Send, parts: Sequence[PartSent]) -> End:
    """Every part went."""
    return End(send, ReplySent, parts, send.parts)


def failed(send: Send, parts: Sequence[PartSent], part: int, reason: Reason, code: str | None = None) -> End:
    """This part will not go."""
    return End(send, ReplyFailed, parts, part, reason, code)


def unknown(send: Send, parts: Sequence[PartSent], part: int, code: str | None = None) -> End:
    """This part may have gone."""
    return End(send, ReplyUnknown, parts, part, Reason.UNKNOWN, code)


def cancelled(send: Send, parts: Sequence[PartSent], part: int, reason: Reason) -> End:
    """It was taken back before this part."""
    return End(send, ReplyCancelled, parts, part, reason)


def event_of(end: End, at: datetime) -> Outgoing:
    """Return the event for the router, on the partition of the tenant."""
    send = end.send
    data = end.became(
        tenant=send.tenant,
        reply=send.reply,
        conversation=send.conversation,
        inbox=send.inbox,
        attempt=send.attempt,
        sent=tuple(end.sent),
        doubtful=end.doubtful,
        not_begun=end.not_begun,
        parts=send.parts,
        reason=end.reason,
        code=end.code,
    )
    event_id = derived(send.reply, send.attempt, "outcome")
    return Outgoing(OUTCOMES.name, event_id, send.tenant, CloudEvent(event_id, source_of(send.tenant), at, data))
