"""The history: one numbered entry for all that was said and done in a conversation. Written here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from schemas.events import Author, DeliveryStatus, EntryKind, EntryRecorded, MessageEchoed, MessageReceived
from schemas.parts import Part
from services.router.tables import Conversation, Line, Reply, Taken
from services.router.turn import Turn


class _Where(TypedDict):
    tenant: str
    conversation: str
    reference: str
    number: int


REVOKED = "De burger heeft dit bericht ingetrokken."
ERASED = "Gewist op verzoek van de burger."


def message(turn: Turn, conversation: Conversation, number: int, received: MessageReceived) -> None:
    """Record what a citizen wrote."""
    turn.write(
        EntryRecorded(
            **_where(conversation, number),
            kind=EntryKind.MESSAGE,
            at=received.times.received,
            department=conversation.department,
            via=received.via,
            sender=received.sender,
            message=received.message,
            parts=received.parts,
            subject=received.subject,
        )
    )


def changed(turn: Turn, conversation: Conversation, number: int, line: Line, parts: Sequence[Part]) -> None:
    """Record anew what a citizen wrote, as they want it now; without parts it was taken back."""
    taken = line.taken
    turn.write(
        EntryRecorded(
            **_where(conversation, number),
            kind=EntryKind.MESSAGE,
            at=line.at,
            department=conversation.department,
            via=taken.via if taken else None,
            sender=taken.sender if taken else None,
            message=taken.message if taken else None,
            parts=tuple(parts),
            subject=taken.subject if taken and parts else None,
            text=None if parts else REVOKED,
        )
    )


def erased(turn: Turn, conversation: Conversation, number: int, line: Line) -> None:
    """Record in the place of an entry that it was erased."""
    turn.write(
        EntryRecorded(
            **_where(conversation, number),
            kind=line.kind,
            at=line.at,
            department=conversation.department,
            author=line.author,
            message=line.taken.message if line.taken else None,
            reply=line.reply,
            text=ERASED,
        )
    )


def moved_in(turn: Turn, conversation: Conversation, number: int, taken: Taken, text: str) -> None:
    """Record that a message stands in this conversation too; its words stay where they were first recorded."""
    turn.write(
        EntryRecorded(
            **_where(conversation, number),
            kind=EntryKind.MESSAGE,
            at=taken.received,
            department=conversation.department,
            via=taken.via,
            sender=taken.sender,
            message=taken.message,
            subject=taken.subject,
            text=text,
        )
    )


def reply(turn: Turn, conversation: Conversation, answer: Reply, status: DeliveryStatus) -> None:
    """Record an answer, or record anew how far it got; one without its words was erased, and its line with it."""
    if answer.erased:
        return
    turn.write(
        EntryRecorded(
            **_where(conversation, answer.number),
            kind=EntryKind.REPLY,
            at=answer.accepted_at,
            department=answer.department,
            via=answer.via,
            author=answer.author,
            reply=answer.id,
            parts=answer.parts,
            subject=answer.subject,
            status=status,
        )
    )


def echo(turn: Turn, conversation: Conversation, number: int, echoed: MessageEchoed) -> None:
    """Record an answer that was given outside the hub."""
    turn.write(
        EntryRecorded(
            **_where(conversation, number),
            kind=EntryKind.ECHO,
            at=echoed.times.received,
            department=conversation.department,
            via=echoed.via,
            reply=echoed.message,
            parts=echoed.parts,
            status=DeliveryStatus.SENT,
        )
    )


def deed(
    turn: Turn,
    conversation: Conversation,
    kind: EntryKind,
    author: Author | None,
    text: str | None = None,
    to_department: str | None = None,
) -> None:
    """Record what somebody of the municipality, or the hub, did last: a note, a move, a claim, a closing."""
    turn.write(
        EntryRecorded(
            **_where(conversation, conversation.last),
            kind=kind,
            at=turn.now,
            department=conversation.department,
            author=author,
            text=text,
            to_department=to_department,
        )
    )


def _where(conversation: Conversation, number: int) -> _Where:
    return {
        "tenant": conversation.tenant,
        "conversation": conversation.id,
        "reference": conversation.reference,
        "number": number,
    }
