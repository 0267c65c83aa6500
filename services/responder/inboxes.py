"""From which inbox a reply leaves: its configuration, its channel, and what it may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.channels import base
from services.channels.base import Channel
from services.responder.gate import Policy
from services.runtime.process import tenants
from services.runtime.process.tenants import Tenants

LEAST_DOUBT = 120.0
CALLS_IN_DOUBT = 4
NOWHERE = Policy(rate=1.0, width=1)
"""Of an inbox that is not configured: nothing leaves from it."""


class ProviderUnknown(LookupError):
    """An inbox names a provider that its channel does not have."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """One inbox, as a way out."""

    inbox: base.Inbox
    channel: Channel
    policy: Policy


class Inboxes:
    """All inboxes of this installation, by name."""

    def __init__(self, outlets: Mapping[str, Outlet]) -> None:
        self._outlets = outlets

    def get(self, name: str) -> Outlet | None:
        """Return the way out of an inbox; None when it is not configured (any more)."""
        return self._outlets.get(name)

    def policy(self, name: str) -> Policy:
        """Return what an inbox may do."""
        outlet = self._outlets.get(name)
        return outlet.policy if outlet else NOWHERE

    def doubt(self) -> float:
        """Return T: the seconds after which a call that began in time is over, whatever became of it."""
        longest = max((outlet.channel.limits.deadline for outlet in self._outlets.values()), default=0.0)
        return max(LEAST_DOUBT, CALLS_IN_DOUBT * longest)


def inboxes_of(configured: Tenants, channels: Mapping[str, Channel]) -> Inboxes:
    """Return the inboxes of a tenants file; raises UnknownChannel or ProviderUnknown."""
    return Inboxes({inbox.name: _outlet(inbox, channels) for _tenant, inbox in configured.inboxes()})


def _outlet(inbox: tenants.Inbox, channels: Mapping[str, Channel]) -> Outlet:
    channel = channels.get(inbox.channel)
    if channel is None or inbox.provider not in channel.providers:
        raise ProviderUnknown(f"inbox {inbox.name!r}: no channel {inbox.channel!r} with provider {inbox.provider!r}")
    settings = base.Inbox(inbox.name, inbox.channel, inbox.provider, inbox.account, inbox.settings)
    return Outlet(settings, channel, _policy(inbox, channel))


def _policy(inbox: tenants.Inbox, channel: Channel) -> Policy:
    limits = channel.limits
    return Policy(inbox.rate or limits.rate, inbox.width or limits.width, limits.recipient_interval)
