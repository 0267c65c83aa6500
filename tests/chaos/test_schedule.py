"""What is done in a run follows from its seed alone, and every kind of it comes."""

from collections import Counter

import pytest

from tests.chaos.schedule import OF_A_REPLICA, SERVICES, Kind, schedule


def test_the_same_seed_is_the_same_schedule_and_another_seed_another() -> None:
    assert schedule(7, 20, 8.0) == schedule(7, 20, 8.0)
    assert schedule(7, 20, 8.0) != schedule(8, 20, 8.0)


@pytest.mark.parametrize("seed", range(5))
def test_twenty_kills_hold_every_kind_on_every_service(seed: int) -> None:
    faults = schedule(seed, 20, 8.0)
    assert {fault.kind for fault in faults} == set(Kind)
    struck = {(fault.kind, fault.service) for fault in faults if fault.service}
    assert struck == {(kind, service) for kind in OF_A_REPLICA for service in SERVICES}


def test_as_many_are_struck_as_was_asked_and_none_after_the_end() -> None:
    faults = schedule(1, 50, 4.0)
    assert Counter(bool(fault.service) for fault in faults)[True] == 50
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert all(0 <= fault.at <= 200 for fault in faults)


def test_only_what_was_asked_for_is_done() -> None:
    faults = schedule(1, 6, 4.0, (Kind.KILL, Kind.NET_RESET), services=("router",))
    assert {(fault.kind, fault.service) for fault in faults} == {(Kind.KILL, "router"), (Kind.NET_RESET, "")}
