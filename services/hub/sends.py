"""I4, I5: a reply goes once, and to the person who asked; again only when nobody knows whether it went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from schemas.events import ReplyCancelled, ReplyUnknown
from services.hub.finding import Finding, ids_of
from services.hub.seen import Attempt, Door, Seen

MOST_TRIES = 2
"""How often a part of a reply may have gone: once, and once more when nobody knew."""


# --- I4: sent again only when it may not have gone ---------------------------------------------------------------


def sent_again(seen: Seen) -> Iterator[Finding]:
    """I4: what certainly went is not sent again, and what may have gone only once more."""
    for attempt in seen.sends:
        if attempt.number > 1 and attempt.reply not in seen.old and not _left_some(seen, attempt):
            yield Finding("I4", "reply sent again without need", ids_of(*attempt))
    for reply, parts in _gone(seen).items():
        if parts["sent"] > 1:
            yield Finding("I4", "part of a reply sent twice", (reply,))
        if parts["tried"] > MOST_TRIES:
            yield Finding("I4", f"part of a reply that may have gone more than {MOST_TRIES} times", (reply,))


def _left_some(seen: Seen, attempt: Attempt) -> bool:
    """Whether the attempt before left something that may not have gone, and this one begins there or later."""
    before = seen.outcomes.get(Attempt(attempt.reply, attempt.number - 1), {}).values()
    sent = {part.part for outcome in before for part in outcome.sent}
    first = min(send.first_part for send in seen.sends[attempt].values())
    unfinished = any(isinstance(outcome, ReplyUnknown | ReplyCancelled) for outcome in before)
    return unfinished and not any(part >= first for part in sent)


def _gone(seen: Seen) -> Mapping[str, Mapping[str, int]]:
    """By reply: how often the part that went most often certainly went, and how often it may have."""
    sent: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    tried: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for attempt, outcomes in seen.outcomes.items():
        for outcome in outcomes.values():
            for part in outcome.sent:
                sent[attempt.reply][part.part] += 1
            for number in (*(part.part for part in outcome.sent), *outcome.doubtful):
                tried[attempt.reply][number] += 1
    return {reply: {"sent": _most(sent[reply]), "tried": _most(parts)} for reply, parts in tried.items()}


def _most(counts: Mapping[int, int]) -> int:
    return max(counts.values(), default=0)


# --- I5: to the right person -------------------------------------------------------------------------------------


def astray(seen: Seen) -> Iterator[Finding]:
    """I5: a reply leaves by a door of its own conversation."""
    for send in (send for copies in seen.sends.values() for send in copies.values()):
        doors = seen.reachable(send.conversation)
        taken = Door(send.tenant, send.address.value, send.via.inbox)
        if doors and taken not in doors and send.reply not in seen.old:
            yield Finding("I5", "reply to an address or over an inbox of another", (send.reply,))
