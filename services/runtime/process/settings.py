"""What every service is told by its environment: read once, in __main__, and never looked at again."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class KafkaSettings(BaseSettings):
    """How to reach the broker."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True, use_attribute_docstrings=True)

    bootstrap: str = "127.0.0.1:9092"
    """Addresses of brokers, by comma."""
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is secured."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How we prove who we are, with SASL."""
    username: str | None = None
    """Our name, with SASL."""
    password: SecretStr | None = None
    """Our password, with SASL."""
    ca_file: Path | None = None
    """Who signed the broker's certificate."""
    cert_file: Path | None = None
    """Our certificate, with mutual TLS."""
    key_file: Path | None = None
    """Its key."""


class ProcessSettings(BaseSettings):
    """What every service wants to know about itself."""

    model_config = SettingsConfigDict(env_prefix="HUB_", frozen=True, use_attribute_docstrings=True)

    tenants: Path = Path("tenants.yaml")
    """The file that says whom this installation serves (services/runtime/process/tenants.py)."""
    instance: str = Field(default="0", pattern=r"^[a-zA-Z0-9.-]+$")
    """This replica's name for life, unique within its service: 0, 1 ... (its ordinal in a StatefulSet)."""
    management_host: str = "127.0.0.1"
    """Where /livez, /readyz and /metrics listen."""
    management_port: int = Field(default=0, ge=0, le=65535)
    """Their port; 0 takes a free one and logs it."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important line that is still logged."""
