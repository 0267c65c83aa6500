"""What was built at start is not looked through again and again."""

import gc
from collections.abc import Iterator

import pytest

from services.runtime.process import garbage


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_was_built_is_left_alone() -> None:
    gc.unfreeze()
    garbage.calm()
    assert gc.get_freeze_count() > 1_000
    assert gc.get_threshold()[0] == garbage.YOUNG


def test_what_holds_itself_still_goes() -> None:
    garbage.calm()
    before = len(gc.get_objects())
    for _ in range(2 * garbage.YOUNG):
        circle: list[object] = []
        circle.append(circle)
    assert len(gc.get_objects()) < before + 1.5 * garbage.YOUNG
