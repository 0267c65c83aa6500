"""All that is in this folder runs on a real broker."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
# A broker, groups that form and transactions that time out: slower than memory, never endless.
SECONDS = 120


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.kafka)
            if not item.get_closest_marker("timeout"):
                item.add_marker(pytest.mark.timeout(SECONDS))
