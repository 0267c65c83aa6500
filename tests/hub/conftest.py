"""`hub` as an operator types it, at a desk where nothing is left to the surroundings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from services.hub.desk import Desk
from services.hub.main import verbs
from services.hub.settings import HubSettings
from services.runtime.bus.connection import plain
from services.runtime.process.clock import ManualClock
from tests.hub.past import START

Hub = Callable[..., Result]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk from which no broker and no bridge is reached."""
    settings = HubSettings(
        tenants=tmp_path / "tenants.yaml", bridge="http://127.0.0.1:1", token=SecretStr("secret"), wait=0
    )
    return Desk(settings, plain("127.0.0.1:1"), ManualClock(START), chance=lambda: "by-chance")


@pytest.fixture
def hub(desk: Desk) -> Hub:
    """Run `hub` with these words."""

    def run(*words: str, given: str | None = None) -> Result:
        return CliRunner().invoke(verbs, list(words), input=given, obj=desk)

    return run
