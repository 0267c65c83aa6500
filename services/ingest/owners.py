"""Whose a provider's account is: all that the hot path must know of a municipality, looked up once at start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.cloudevents import source_of
from schemas.events import Via
from services.runtime.process.tenants import Inbox, Tenant, Tenants, accounts

Account = tuple[str, str, str]
"""Channel, provider, and the provider's own name of an inbox."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A municipality's inbox, as events name it."""

    oin: str
    source: str
    key: bytes
    """The municipality's secret."""
    via: Via


def owners(tenants: Tenants) -> Mapping[Account, Owner]:
    """Return the owner of every inbox by its account."""
    return {account: _owner(*found) for account, found in accounts(tenants).items()}


def _owner(tenant: Tenant, inbox: Inbox) -> Owner:
    via = Via(channel=inbox.channel, provider=inbox.provider, inbox=inbox.name)
    return Owner(oin=tenant.oin, source=source_of(tenant.oin), key=tenant.key, via=via)
