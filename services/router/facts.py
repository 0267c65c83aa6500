"""What happened, without a word of what was said. Written here and nowhere else.

The account adds up from facts alone, at every moment:
messages received = answered + open + closed without an answer + needing none + handed to people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from schemas.events import (
    Closing,
    FactConversationClaimed,
    FactConversationClosed,
    FactConversationOpened,
    FactDeliveryChanged,
    FactMessageMoved,
    FactMessageReceived,
    FactRefused,
    FactReplyAccepted,
    FactWorklisted,
    MessageReceived,
    Move,
    Refusal,
    Via,
)
from services.classification.classify import Classification
from services.router.tables import Conversation, Reply
from services.router.turn import Turn


@dataclass(frozen=True, slots=True)
class Answered:
    """What one answer settles: how many messages, for how long, and whether it is the first since the opening."""

    messages: int
    first: bool
    waited: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Came:
    """From which conversation messages came by a merge, and when the oldest of them was received."""

    conversation: str
    oldest: datetime


class _Common(TypedDict):
    tenant: str
    conversation: str
    department: str
    channel: str
    inbox: str


def opened(turn: Turn, conversation: Conversation, *, reopened: bool = False) -> None:
    """A conversation began, or began again."""
    fact = FactConversationOpened(
        **_common(turn, conversation), at=turn.now, reopened=reopened, linked=bool(conversation.linked)
    )
    turn.fact(fact)


def received(
    turn: Turn, conversation: Conversation, number: int, message: MessageReceived, judged: Classification, *, asks: bool
) -> None:
    """A message was taken in and routed; by the way it came in, also when its conversation began elsewhere."""
    fact = FactMessageReceived(
        **_common(turn, conversation, message.via),
        at=message.times.received,
        message=message.message,
        number=number,
        topic=judged.topic,
        confidence=judged.confidence,
        gate=judged.gate,
        automatic=message.automatic,
        needs_answer=asks,
    )
    turn.fact(fact, number)


def moved(
    turn: Turn,
    conversation: Conversation,
    from_department: str,
    move: Move,
    messages: int,
    came: Came | None = None,
) -> None:
    """Unanswered messages came to another department, or from another conversation."""
    fact = FactMessageMoved(
        **_common(turn, conversation),
        at=turn.now,
        from_department=from_department,
        move=move,
        messages=messages,
        from_conversation=came.conversation if came else None,
        oldest=came.oldest if came else None,
    )
    turn.fact(fact)


def accepted(turn: Turn, conversation: Conversation, reply: str, number: int, answered: Answered) -> None:
    """An answer was granted, or seen outside the hub."""
    fact = FactReplyAccepted(
        **_common(turn, conversation),
        at=turn.now,
        reply=reply,
        number=number,
        first=answered.first,
        waited=answered.waited,
        answered=answered.messages,
    )
    turn.fact(fact, reply)


def refused(turn: Turn, conversation: Conversation, why: Refusal, command_type: str) -> None:
    """A command or reply was refused."""
    turn.fact(FactRefused(**_common(turn, conversation), at=turn.now, why=why, command_type=command_type))


def delivery(turn: Turn, conversation: Conversation, reply: Reply) -> None:
    """A reply got further, or did not, or its price became known."""
    fact = FactDeliveryChanged(
        **_common(turn, conversation, reply.via),
        at=turn.now,
        reply=reply.id,
        status=reply.reported,
        reason=reply.reason,
        code=reply.code,
        cost=reply.cost,
    )
    turn.fact(fact, f"{reply.id}/{reply.reported}/{reply.cost}")


def closed(turn: Turn, conversation: Conversation, reason: Closing, unanswered: int) -> None:
    """A conversation ended."""
    fact = FactConversationClosed(**_common(turn, conversation), at=turn.now, reason=reason, unanswered=unanswered)
    turn.fact(fact)


def claimed(turn: Turn, conversation: Conversation, *, released: bool) -> None:
    """Somebody took it up, or laid it down."""
    turn.fact(FactConversationClaimed(**_common(turn, conversation), at=turn.now, released=released))


def worklisted(turn: Turn, conversation: Conversation, reply: Reply, why: str) -> None:
    """An answer did not arrive: what it answered is people's now."""
    fact = FactWorklisted(
        **_common(turn, conversation, reply.via), at=turn.now, reply=reply.id, why=why, messages=reply.answers
    )
    turn.fact(fact, reply.id)


def restricted(turn: Turn, via: Via, event: str) -> None:
    """A provider changed what our account may do: people must look. It belongs to no conversation."""
    fact = FactWorklisted(
        tenant=turn.oin,
        conversation=event,
        department=turn.served.triage,
        channel=via.channel,
        inbox=via.inbox,
        at=turn.now,
        why="account-changed",
    )
    turn.fact(fact)


def _common(turn: Turn, conversation: Conversation, via: Via | None = None) -> _Common:
    way = via or conversation.via
    return {
        "tenant": turn.oin,
        "conversation": conversation.id,
        "department": conversation.department,
        "channel": way.channel,
        "inbox": way.inbox,
    }
