"""What ingest is told by its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class IngestSettings(BaseSettings):
    """Where ingest listens, and how much it takes."""

    model_config = SettingsConfigDict(env_prefix="INGEST_", frozen=True, use_attribute_docstrings=True)

    host: str = "127.0.0.1"
    """Where the API and the webhooks listen."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Their port; 0 takes a free one and logs it."""
    public_url: str = "https://hub.example"
    """Where providers and publishers reach us from outside: some signatures are over it, and the API names it."""
    attachments: Path = Path("attachments")
    """The folder of files that came with messages; every replica needs the same one."""
    body_bytes: int = Field(default=256_000, gt=0)
    """The largest body that is taken by HTTP."""
    body_seconds: float = Field(default=12.0, gt=0)
    """How long a body may take to come."""
    header_seconds: float = Field(default=12.0, gt=0)
    """How long a connection may take to come with a request, or with the next one."""
    publish_seconds: float = Field(default=1.0, gt=0)
    """How long the broker may take to keep what came in, before it goes to the spool."""
    spool: Path = Path("spool")
    """The folder of spools, on a disk that outlives the process; each replica has its own in it, by HUB_INSTANCE."""
    spool_bytes: int = Field(default=1 << 30, gt=0)
    """The most that waits on disk for the broker; beyond it senders have to come again."""
    spool_claim_seconds: float = Field(default=20.0, ge=0)
    """How long to wait at the start for a former process of this name to let go of its spool."""
    width: int = Field(default=2_000, gt=0)
    """Requests that may wait for the broker at once; more are told to come again."""
    stop_seconds: float = Field(default=5.0, gt=0)
    """How long requests may take to end when the process stops."""
