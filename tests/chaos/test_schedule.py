"""What is done in a run follows from its seed alone, and every kind of it comes."""

from collections import Counter

import pytest

from tests.chaos.schedule import OF_A_REPLICA, OF_ALL, SERVICES, Bounds, Kind, schedule


def test_the_same_seed_is_the_same_schedule_and_another_seed_another() -> None:
    assert schedule(7, Bounds(20, 8.0)) == schedule(7, Bounds(20, 8.0))
    assert schedule(7, Bounds(20, 8.0)) != schedule(8, Bounds(20, 8.0))


@pytest.mark.parametrize("seed", range(5))
def test_twenty_kills_hold_every_kind_on_every_service(seed: int) -> None:
    faults = schedule(seed, Bounds(20, 8.0))
    assert {fault.kind for fault in faults} == set(Kind)
    struck = {(fault.kind, fault.service) for fault in faults if fault.service}
    assert struck == {(kind, service) for kind in OF_A_REPLICA for service in SERVICES}


def test_as_many_are_struck_as_was_asked_and_none_after_the_end() -> None:
    faults = schedule(1, Bounds(50, 4.0))
    assert Counter(bool(fault.service) for fault in faults)[True] == 50
    assert [fault.at for fault in faults] == sorted(fault.at for fault in faults)
    assert all(0 <= fault.at <= 200 for fault in faults)


def test_only_what_was_asked_for_is_done() -> None:
    faults = schedule(1, Bounds(6, 4.0, (Kind.KILL, Kind.NET_RESET), ("router",)))
    assert {(fault.kind, fault.service) for fault in faults} == {(Kind.KILL, "router"), (Kind.NET_RESET, "")}


def test_when_only_the_broker_is_to_be_struck_it_is_struck_so_often() -> None:
    faults = schedule(1, Bounds(4, 25.0, (Kind.BROKER_KILL_LONG,), broker_session=9.0))
    assert [fault.kind for fault in faults] == [Kind.BROKER_KILL_LONG] * 4
    assert all(fault.seconds > 9 for fault in faults)


def test_every_kind_befalls_one_replica_or_all() -> None:
    assert {*OF_A_REPLICA, *OF_ALL} == set(Kind)
