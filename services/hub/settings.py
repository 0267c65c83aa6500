"""What `hub` is told: by options, by the environment, and else by the file that `make run` leaves behind."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.process.settings import KafkaSettings

REMEMBERED = Path(".run/environment")
"""Lines NAME=value: where the hub that `make run` started in this folder is reached."""


class HubSettings(BaseSettings):
    """The operator's command line; a file `.run/environment` in the working directory gives defaults for all of it."""

    model_config = SettingsConfigDict(env_prefix="HUB_", frozen=True, use_attribute_docstrings=True, extra="ignore")

    tenants: Path = Path("tenants.yaml")
    """The file that says whom this installation serves; for `topics` and `check`."""
    bridge: str = "http://127.0.0.1:8080"
    """Base address of ingest, for the verbs that change something."""
    token: SecretStr | None = None
    """Bearer token for the bridge. No option has it: others can read a command line."""
    wait: float = Field(default=5.0, ge=0)
    """Seconds to wait for what became of a command."""


def remembered(path: Path) -> dict[str, str]:
    """Return what a file of lines NAME=value says; nothing when it is not there."""
    if not path.is_file():
        return {}
    lines = (line.partition("=") for line in path.read_text("utf-8").splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


def hub_settings(path: Path = REMEMBERED, **given: object) -> HubSettings:
    """Return the settings; what is given goes before the environment, and that before the file."""
    return HubSettings.model_validate(_settings(HubSettings, path, given))


def kafka_settings(path: Path = REMEMBERED, **given: object) -> KafkaSettings:
    """Return how to reach the broker, likewise."""
    return KafkaSettings.model_validate(_settings(KafkaSettings, path, given))


def _settings(kind: type[BaseSettings], path: Path, given: Mapping[str, object]) -> dict[str, object]:
    prefix = str(kind.model_config.get("env_prefix", ""))
    named = {f"{prefix}{name}".upper(): name for name in kind.model_fields}
    everywhere = {**remembered(path), **os.environ}
    found: dict[str, object] = {named[name]: value for name, value in everywhere.items() if name in named}
    return found | {name: value for name, value in given.items() if value is not None}
