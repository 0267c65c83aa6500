"""What the bus promises a handler, and whoever reads what it wrote. One suite: in memory, and on a real Kafka."""

import re
from collections.abc import Sequence
from typing import Protocol

import pytest

from schemas.cloudevents import CloudEvent
from schemas.events import Event, FactWorklisted, HubTicked, MessageRouted, RecordSetAside
from services.runtime.bus.batches import Encoder
from services.runtime.bus.deadletters import MOST_IN_A_ROW
from services.runtime.bus.faults import Faults
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.seat import Line
from tests.runtime.sample import THEN, Names, correction, message, outgoing, receipt


class Rig(Protocol):
    """A bus with the sample service on it."""

    names: Names
    faults: Faults
    encoder: Encoder

    async def serve(self) -> None: ...
    async def write(self, lines: Sequence[Line]) -> None: ...
    async def publish(self, outgoings: Sequence[Outgoing]) -> None: ...
    async def settle(self) -> None: ...
    async def crash(self) -> None: ...
    async def deal(self) -> None: ...
    async def watch_passes(self) -> None: ...
    async def gave_up(self) -> str: ...
    async def events(self, topic: str) -> list[CloudEvent]: ...


async def receive(rig: Rig, *events: Event, prefix: str = "") -> None:
    """Publish events on `inbound`, each with its place in line as its id."""
    await rig.publish([outgoing(rig.names.inbound, each, f"{prefix}{n}") for n, each in enumerate(events)])


async def routed(rig: Rig, whose: str = "ann") -> list[tuple[int, str]]:
    """What came out for a conversation, in order: the entry's number, and which message it was."""
    found = [event.data for event in await rig.events(rig.names.routed)]
    lines = [data for data in found if isinstance(data, MessageRouted) and data.conversation == whose]
    return [(data.number, data.message.external_id if data.message else "no content") for data in lines]


async def set_aside(rig: Rig) -> list[RecordSetAside]:
    found = [event.data for event in await rig.events("dead-letters")]
    return [data for data in found if isinstance(data, RecordSetAside) and data.origin.topic in rig.names.inputs]


async def watched(rig: Rig) -> list[str]:
    found = [event.data for event in await rig.events(rig.names.facts)]
    return [data.conversation for data in found if isinstance(data, FactWorklisted)]


CRASHES = [
    pytest.param("fence.before", id="before it fences"),
    pytest.param("fence.after", id="after it fenced"),
    pytest.param("committed.after", id="after it asked for the offsets"),
    pytest.param("changelog.before", id="before it rebuilds"),
    pytest.param("changelog.after", id="after it rebuilt"),
    pytest.param("ranges.after", id="before it seeks"),
    pytest.param("commit.before", id="before it commits"),
    pytest.param("commit.after", id="after it committed, and nobody told it"),
]


class Contract:
    async def test_each_message_comes_out_once_and_in_order(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, *[message(f"{n}", whose) for n in range(100) for whose in ("ann", "bob")])
        await rig.settle()
        assert await routed(rig, "ann") == [(n + 1, f"{n}") for n in range(100)]
        assert await routed(rig, "bob") == [(n + 1, f"{n}") for n in range(100)]

    @pytest.mark.parametrize("point", CRASHES)
    async def test_nothing_is_lost_or_doubled_when_a_number_fails(self, rig: Rig, point: str) -> None:
        await rig.serve()
        await receive(rig, message("0"), message("1"))
        await rig.settle()
        rig.faults.add(point)
        rig.faults.add("commit.before")  # so that there is a next life in any case
        await receive(rig, message("2"), message("3"), prefix="later")
        await rig.settle()
        assert await routed(rig) == [(1, "0"), (2, "1"), (3, "2"), (4, "3")]
        assert point in rig.faults.happened

    async def test_who_takes_over_goes_on_where_the_dead_one_was(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, message("0"), message("1"))
        await rig.settle()
        await rig.crash()
        await receive(rig, message("2"), prefix="later")
        await rig.serve()
        await rig.settle()
        assert await routed(rig) == [(1, "0"), (2, "1"), (3, "2")]

    async def test_dealing_the_group_anew_changes_nothing(self, rig: Rig) -> None:
        await rig.serve()
        for n in range(4):
            await receive(rig, *[message(f"{n}.{m}") for m in range(25)], prefix=f"{n}.")
            await rig.deal()
        await rig.settle()
        assert await routed(rig) == [(n * 25 + m + 1, f"{n}.{m}") for n in range(4) for m in range(25)]

    async def test_the_same_event_twice_is_one_also_for_who_takes_over(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, message("0"))
        await receive(rig, message("0"))
        await rig.settle()
        await rig.crash()
        await receive(rig, message("0"))
        await rig.serve()
        await rig.settle()
        assert await routed(rig) == [(1, "0")]

    @pytest.mark.parametrize(
        ("word", "reason"),
        [
            pytest.param("poison", "the handler says no", id="that the handler refuses"),
            pytest.param("bug", r"the handler failed: ZeroDivisionError at sample\.py:\d+ \w+$", id="that finds a bug"),
            pytest.param("large", "more than 899000", id="whose output is too large for a record"),
            pytest.param("large row", "too large for a record", id="whose memory is too large for a record"),
        ],
    )
    async def test_a_record_is_set_aside_with_its_reason_and_changes_nothing(
        self, rig: Rig, word: str, reason: str
    ) -> None:
        await rig.serve()
        await receive(rig, message("0"), message(word), message("2"))
        await rig.settle()
        assert await routed(rig) == [(1, "0"), (2, "2")]
        (letter,) = await set_aside(rig)
        assert re.search(reason, letter.reason)
        assert "words" not in letter.reason
        assert letter.origin.offset == 1

    async def test_what_is_no_event_of_ours_is_set_aside_raw(self, rig: Rig) -> None:
        await rig.serve()
        await rig.write([Line(rig.names.inbound, 0, b"k", b"\xff{", [("ce_type", b"x"), ("odd", b"\xfe")])])
        await rig.settle()
        (letter,) = await set_aside(rig)
        assert (letter.raw, letter.reason) == ("/3s=", "header ce_type names no event of the hub")
        assert letter.raw_headers["ce_type"] == "x"

    async def test_a_record_in_another_municipalitys_partition_is_sent_home_and_handled_there(self, rig: Rig) -> None:
        await rig.serve()
        home = rig.encoder.line(outgoing(rig.names.inbound, message("0"), "0"))
        await rig.write([home._replace(partition=1 - home.partition)])
        await rig.settle()
        assert await routed(rig) == [(1, "0")]

    async def test_too_many_in_a_row_stop_it_and_nothing_is_consumed(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, *[message("poison") for _ in range(MOST_IN_A_ROW + 1)])
        assert "100 records in a row cannot be handled, the last: the handler says no" in await rig.gave_up()
        assert await set_aside(rig) == []

    async def test_a_memory_that_it_cannot_read_stops_it_and_no_message_is_blamed(self, rig: Rig) -> None:
        number = rig.encoder.line(outgoing(rig.names.inbound, message("0"), "0")).partition
        await rig.write([Line(rig.names.state, number, b"conversations/ann", b'{"messages":"many"}', [])])
        await rig.serve()
        await receive(rig, message("0"))
        assert "a row of conversations cannot be read by this version: messages: int" in await rig.gave_up()
        assert not await set_aside(rig)

    async def test_many_that_are_not_in_a_row_do_not_stop_it(self, rig: Rig) -> None:
        await rig.serve()
        for n in range(2):
            poison = [message("poison") for _ in range(MOST_IN_A_ROW - 1)]
            await receive(rig, *poison, message(f"{n}"), prefix=f"{n}.")
        await rig.settle()
        assert await routed(rig) == [(1, "0"), (2, "1")]
        assert len(await set_aside(rig)) == 2 * (MOST_IN_A_ROW - 1)

    async def test_signs_of_life_are_passed_over(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, HubTicked(at=THEN), message("0"))
        await rig.settle()
        assert await routed(rig) == [(1, "0")]
        assert await set_aside(rig) == []

    async def test_content_that_is_not_in_memory_is_read_back(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, message("0"), message("1"), correction("ann", 1, "0"), correction("ann", 2, "1"))
        await rig.settle()
        assert await routed(rig) == [(1, "0"), (2, "1"), (1, "0"), (2, "1")]

    async def test_content_that_is_another_message_goes_out_without(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, message("0"), correction("ann", 1, "another"))
        await rig.settle()
        assert await routed(rig) == [(1, "0"), (1, "no content")]

    async def test_a_failed_reading_back_loses_nothing(self, rig: Rig) -> None:
        await rig.serve()
        rig.faults.add("find.before")
        await receive(rig, message("0"), correction("ann", 1, "0"), message("1"))
        await rig.settle()
        assert await routed(rig) == [(1, "0"), (1, "0"), (2, "1")]

    async def test_the_other_input_is_read_as_well(self, rig: Rig) -> None:
        await rig.serve()
        await rig.publish(
            [outgoing(rig.names.outcomes, receipt("x"), "r"), outgoing(rig.names.outcomes, message("0"), "m")]
        )
        await rig.settle()
        assert await routed(rig) == [(1, "0")]

    async def test_time_that_passes_is_told_once(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, message("0"), message("1", "bob"))
        await rig.settle()
        await rig.watch_passes()
        await rig.watch_passes()
        assert sorted(await watched(rig)) == ["ann", "bob"]

    async def test_time_that_passes_is_told_once_also_to_who_takes_over(self, rig: Rig) -> None:
        await rig.serve()
        await receive(rig, message("0"))
        await rig.settle()
        await rig.crash()
        rig.faults.add("commit.after", times=2)
        await rig.serve()
        await rig.watch_passes()
        await rig.watch_passes()
        assert await watched(rig) == ["ann"]
