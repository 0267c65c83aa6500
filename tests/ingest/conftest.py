"""Ingest, running on a real socket; whatever it wrote in a test keeps the NL GOV profile."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.cloudevents import encode
from schemas.profile import findings
from tests.ingest.town import Hub, running


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(tmp_path) as hub:
        yield hub
    assert [found for event in hub.bus.events for found in findings(*encode(event))] == []
