"""The read API, running."""

from collections.abc import AsyncIterator

import pytest

from tests.insight.desk import Desk, running


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with running() as desk:
        yield desk
