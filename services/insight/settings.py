"""What insight is told by its environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class InsightSettings(BaseSettings):
    """Where insight listens, and how much it takes on."""

    model_config = SettingsConfigDict(env_prefix="INSIGHT_", frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Where the API listens."""
    port: int = Field(default=8081, ge=0, le=65535)
    """Its port; 0 takes a free one and logs it."""
    public_url: str = "https://insight.example"
    """Where departments reach the API: it names this itself."""
    history_seconds: float = Field(default=20.0, gt=0)
    """How long the reading of one conversation's history may take."""
    histories: int = Field(default=4, gt=0)
    """Histories that are read at once; more are told to come again."""
    stop_seconds: float = Field(default=2.0, gt=0)
    """How long requests may take to end when the process stops."""
    reset_seconds: float = Field(default=25.0, gt=0)
    """How long a reset waits for stopped replicas to leave their group, which they do when their session ends."""
