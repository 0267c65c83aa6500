"""Whom this installation serves: municipalities, their inboxes, their publishers. One YAML file, read once at start.

It is refused as a whole, with every error at once, when anything in it is wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from schemas.events import Oin, Slug

Name = Annotated[Slug, Field(max_length=40)]


class TenantsRefused(ValueError):
    """The file cannot be used; the message names each place in it and what is wrong there."""


class Scope(StrEnum):
    """What a publisher's token allows."""

    REPLY = "reply"
    """Answer, note, claim, release and close in its department's conversations."""
    ROUTE = "route"
    """Correct and hand over."""
    OPERATE = "operate"
    """Everything of every department: operators and the desk."""


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Inbox(_Closed):
    """One number, mailbox or widget of a municipality: channel + provider + account."""

    name: Name
    channel: Slug
    provider: Slug
    account: str = Field(min_length=1)
    """The provider's own name of it: phone_number_id, mailbox address."""
    settings: dict[str, str] = Field(default_factory=dict)
    """What its channel needs to send: address of the API, token."""
    rate: float | None = Field(default=None, gt=0)
    """Sends a second, when other than the channel's."""
    width: int | None = Field(default=None, gt=0)
    """Sends in flight, when other than the channel's."""


class Publisher(_Closed):
    """Who may write through the bridge. The token itself is nowhere kept."""

    name: Name
    token_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    department: Slug | None = None
    scopes: frozenset[Scope] = Field(min_length=1)


class Endpoint(_Closed):
    """Where a provider reaches us: /webhooks/<channel>/<name>. It may serve inboxes of several municipalities."""

    name: Name
    channel: Slug
    provider: Slug
    secrets: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    settings: dict[str, str] = Field(default_factory=dict)
    """For a channel that listens by itself: host and port."""


class Tenant(_Closed):
    """One municipality."""

    name: Name
    oin: Oin
    title: str
    """Its name for people."""
    secret: SecretStr = Field(min_length=32)
    """Made once, never changed while the tenant lives: all message ids depend on it."""
    taxonomy: Path | None = None
    """Its departments and topics; the hub's own when absent."""
    inboxes: tuple[Inbox, ...] = ()
    publishers: tuple[Publisher, ...] = ()

    @property
    def key(self) -> bytes:
        """The secret as bytes."""
        return self.secret.get_secret_value().encode()

    @property
    def fingerprint(self) -> str:
        """A digest of the secret, fit to be shown: 16 hex digits."""
        return hashlib.sha256(b"berichtenhub:" + self.key).hexdigest()[:16]


class Tenants(_Closed):
    """The whole file."""

    tenants: tuple[Tenant, ...] = Field(min_length=1)
    endpoints: tuple[Endpoint, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for what, names in self._unique().items():
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} used twice: {', '.join(twice)}")
        return self

    def _unique(self) -> dict[str, list[str]]:
        inboxes = [inbox for tenant in self.tenants for inbox in tenant.inboxes]
        return {
            "tenant name": [tenant.name for tenant in self.tenants],
            "OIN": [tenant.oin for tenant in self.tenants],
            "inbox name": [inbox.name for inbox in inboxes],
            "account": [f"{inbox.channel}/{inbox.provider}/{inbox.account}" for inbox in inboxes],
            "endpoint": [f"{endpoint.channel}/{endpoint.name}" for endpoint in self.endpoints],
            "token": [publisher.token_sha256 for tenant in self.tenants for publisher in tenant.publishers],
        }

    def by_oin(self, oin: str) -> Tenant | None:
        """Return the municipality with this OIN."""
        return next((tenant for tenant in self.tenants if tenant.oin == oin), None)

    def by_account(self, channel: str, provider: str, account: str) -> tuple[Tenant, Inbox] | None:
        """Return whose inbox a provider's account is."""
        wanted = (channel, provider, account)
        return next((found for found in self.inboxes() if _account(found[1]) == wanted), None)

    def by_token(self, token: str) -> tuple[Tenant, Publisher] | None:
        """Return who holds this bearer token; the look-up is by digest, so it tells nothing by its time."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        return next((found for found in self._publishers() if found[1].token_sha256 == digest), None)

    def inboxes(self) -> Iterator[tuple[Tenant, Inbox]]:
        """Return every inbox with whose it is."""
        return ((tenant, inbox) for tenant in self.tenants for inbox in tenant.inboxes)

    def _publishers(self) -> Iterator[tuple[Tenant, Publisher]]:
        return ((tenant, publisher) for tenant in self.tenants for publisher in tenant.publishers)


def read(path: Path) -> Tenants:
    """Read the file; raises TenantsRefused. A taxonomy's path in it is relative to the file."""
    try:
        found = Tenants.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise TenantsRefused(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        # Without its text: it shows the line that it could not read, and that may hold a secret.
        raise TenantsRefused(f"{path}: no YAML{_place(error)}") from None
    except ValidationError as error:
        raise TenantsRefused(f"{path}: {_faults(error)}") from None
    return found.model_copy(update={"tenants": tuple(_beside(path, tenant) for tenant in found.tenants)})


def _beside(path: Path, tenant: Tenant) -> Tenant:
    if tenant.taxonomy is None:
        return tenant
    return tenant.model_copy(update={"taxonomy": path.parent / tenant.taxonomy})


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _account(inbox: Inbox) -> tuple[str, str, str]:
    return inbox.channel, inbox.provider, inbox.account


def _faults(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in found)


def accounts(tenants: Tenants) -> Mapping[tuple[str, str, str], tuple[Tenant, Inbox]]:
    """Return every inbox by (channel, provider, account): the look-up of the hot path."""
    return {_account(inbox): (tenant, inbox) for tenant, inbox in tenants.inboxes()}
