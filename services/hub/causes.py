"""I6, I7: nothing is there without a cause, and every step left its record."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.events import PREFIX, ConversationCommand, EntryRecorded, ReplyRequested
from schemas.ids import derived
from services.hub.finding import Finding, ids_of
from services.hub.seen import Asked, Seen

# --- I6: not without a cause -------------------------------------------------------------------------------------


def without_cause(seen: Seen) -> Iterator[Finding]:
    """I6: what was routed was taken in, what was sent or reported was asked for."""
    for message in _causeless_messages(seen) - seen.old:
        yield Finding("I6", "routed, but never taken in", (message,))
    for reply, number in seen.outcomes.keys() - seen.sends.keys():
        if reply not in seen.old:
            yield Finding("I6", "an outcome that nobody asked for", ids_of(reply, number))
    replies = {attempt.reply for attempt in seen.sends}
    for reply in replies - seen.granted - seen.old:
        yield Finding("I6", "sent, but not in the history", (reply,))
    for reply in replies - seen.requests().keys() - seen.old:
        yield Finding("I6", "sent, but nobody asked for this answer", (reply,))


def _causeless_messages(seen: Seen) -> set[str]:
    routed = {each.data.message.message for each in seen.all_routed() if each.data.message}
    return routed - seen.taken_in.keys()


# --- I7: with its record -----------------------------------------------------------------------------------------


def unrecorded(seen: Seen) -> Iterator[Finding]:
    """I7: a message has its entry, its fact and its why."""
    for routed in seen.all_routed():
        data, ids = routed.data, ids_of(routed.data.conversation, routed.data.number)
        if (data.conversation, data.number) not in seen.messages and data.conversation not in seen.erased:
            yield Finding("I7", "message without an entry", ids)
        if data.message and data.message.message not in seen.facts:
            yield Finding("I7", "message without a fact", ids)
        if not data.reasons:
            yield Finding("I7", "message routed without a reason", ids)


def unheard(seen: Seen) -> Iterator[Finding]:
    """I7: a command was carried out or refused."""
    settled = seen.refused | seen.dead() | seen.under_way() | seen.old
    granted = {command for reply, command in seen.requests().items() if reply in seen.granted}
    for command, asked in seen.commands.items():
        if command not in settled | granted and not _done(seen, command, asked):
            yield Finding("I7", f"{_kind(asked)} neither carried out nor refused", (command,))


def _done(seen: Seen, command: str, asked: Asked) -> bool:
    """Whether the history has a line that this command caused. In a merged conversation it stands elsewhere."""
    conversation = getattr(asked.data, "conversation", None)
    if conversation in seen.erased:
        return True
    if isinstance(asked.data, ReplyRequested) or not isinstance(asked.data, ConversationCommand):
        return False
    conversation = asked.data.conversation
    deeds = seen.deeds.get(conversation, ())
    wanted = (derived(command, EntryRecorded.TYPE, f"{conversation}/{number}") for number, _ in deeds)
    return conversation in seen.merged or any(name == deed for name, (_, deed) in zip(wanted, deeds, strict=True))


def _kind(asked: Asked) -> str:
    return asked.data.TYPE.removeprefix(PREFIX).removesuffix(".v1")
