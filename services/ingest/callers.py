"""Who writes through the bridge, by bearer token, and what each may say: a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from schemas import events as e
from schemas.events import Command
from services.runtime.process.tenants import Publisher, Scope, Tenants

ALLOWED_BY: Mapping[type[Command], frozenset[Scope]] = {
    e.ReplyRequested: frozenset({Scope.REPLY, Scope.OPERATE}),
    e.ConversationNoted: frozenset({Scope.REPLY, Scope.OPERATE}),
    e.ConversationClaimed: frozenset({Scope.REPLY, Scope.OPERATE}),
    e.ConversationReleased: frozenset({Scope.REPLY, Scope.OPERATE}),
    e.ConversationClosed: frozenset({Scope.REPLY, Scope.OPERATE}),
    e.RoutingCorrected: frozenset({Scope.ROUTE, Scope.OPERATE}),
    e.ConversationHandedOver: frozenset({Scope.ROUTE, Scope.OPERATE}),
    e.ConversationLinked: frozenset({Scope.ROUTE, Scope.OPERATE}),
    e.ConversationUnlinked: frozenset({Scope.ROUTE, Scope.OPERATE}),
    e.ContactErased: frozenset({Scope.OPERATE}),
    e.ChannelWithdrawn: frozenset({Scope.OPERATE}),
    e.DeadLetterReplayed: frozenset({Scope.OPERATE}),
}
"""Which scope allows which command: one of those named is enough. Whose conversation it is, only the router knows."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a token."""

    oin: str
    publisher: Publisher

    def may(self, command: type[Command]) -> bool:
        """Say whether a scope of theirs allows it."""
        return not ALLOWED_BY[command].isdisjoint(self.publisher.scopes)


class Callers:
    """Everybody who holds a token. Looked up by digest, so that the time it takes tells nothing of a token."""

    def __init__(self, tenants: Tenants) -> None:
        self._by_digest = {
            publisher.token_sha256: Caller(tenant.oin, publisher)
            for tenant in tenants.tenants
            for publisher in tenant.publishers
        }

    def holding(self, token: str) -> Caller | None:
        """Return who holds this token."""
        return self._by_digest.get(sha256(token.encode()).hexdigest())
