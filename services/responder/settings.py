"""What the responder is told by its environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ResponderSettings(BaseSettings):
    """How it works; how fast each inbox may go stands with the inbox, in the tenants file."""

    model_config = SettingsConfigDict(env_prefix="RESPONDER_", frozen=True, use_attribute_docstrings=True)

    linger_seconds: float = Field(default=0.005, ge=0, le=1)
    """How long a round waits for company: longer costs an answer that much time, and the broker less work."""
    bulk_room: int = Field(default=1_000, gt=0)
    """Bulk sends in hand for one partition number; more wait in their topic. Answers have no such bound."""
