"""What the router is told by its environment."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.router.policy import Policy


class RouterSettings(BaseSettings):
    """How long the router waits for what."""

    model_config = SettingsConfigDict(env_prefix="ROUTER_", frozen=True, use_attribute_docstrings=True)

    reopen_days: float = Field(default=14, gt=0)
    """Days in which a closed conversation opens again when its citizen writes; after them it is forgotten."""
    answer_hours: float = Field(default=72, gt=0)
    """Hours after which an answer that did not go is people's, unless its author named a time."""
    doubt_seconds: float = Field(default=120, ge=1)
    """Seconds in which a receipt may settle a reply of which nobody knows whether it went."""
    resend: bool = True
    """Whether a reply that is still in doubt then is sent again, once; else it is people's at once."""
    orphan_days: float = Field(default=30, gt=0)
    """Days that a receipt waits for the reply it is about."""
    idle_days: float | None = Field(default=30, gt=0)
    """Days of silence after which a conversation closes in which all is answered; empty: never."""

    def policy(self) -> Policy:
        """Return them as the router's rules."""
        return Policy(
            reopens_for=timedelta(days=self.reopen_days),
            answer_within=timedelta(hours=self.answer_hours),
            doubt_for=timedelta(seconds=self.doubt_seconds),
            resends=self.resend,
            orphans_for=timedelta(days=self.orphan_days),
            idle_for=None if self.idle_days is None else timedelta(days=self.idle_days),
        )
