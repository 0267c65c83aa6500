"""Ingest, running on a real socket."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ingest.town import Hub, running


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with running(tmp_path) as hub:
        yield hub
