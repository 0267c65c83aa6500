"""Time, handed in."""

from datetime import UTC, datetime, timedelta

import pytest

from services.runtime.process.clock import Clock, ManualClock, SystemClock

START = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock(START)], ids=["the machine's", "a test's"])
def test_the_wall_clock_is_utc_and_the_others_do_not_go_back(clock: Clock) -> None:
    assert clock.now().utcoffset() == timedelta()
    for tell in (clock.monotonic, clock.boottime):
        first = tell()
        assert tell() >= first


def test_the_machines_wall_clock_tells_the_time_of_now() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)


def test_a_tests_clock_moves_when_told_to_in_all_its_senses() -> None:
    clock = ManualClock(START)
    clock.advance(90.5)
    assert clock.now() == START + timedelta(seconds=90.5)
    assert clock.monotonic() == clock.boottime() == 90.5
