"""What goes out: to the partition of its home, in its order, in batches the broker takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import CloudEvent, source_of
from schemas.events import Origin, RecordSetAside
from services.runtime.bus.batches import MAX_BATCH, MAX_LINE, Encoder, by_partition, cut, partition_of, size
from services.runtime.bus.deadletters import set_aside
from services.runtime.bus.handler import Outgoing, Poison
from services.runtime.bus.memory_broker import Written
from services.runtime.bus.plan import Place
from services.runtime.bus.seat import Line
from tests.runtime.sample import OIN, THEN


@pytest.mark.parametrize(
    ("home", "hashed"),
    [
        # Kafka's own: org.apache.kafka.common.utils.UtilsTest, testMurmur2, made positive as its partitioner does
        pytest.param("21", -973932308, id="two digits"),
        pytest.param("foobar", -790332482, id="six letters"),
        pytest.param("a-little-bit-long-string", -985981536, id="a longer one"),
        pytest.param("a-little-bit-longer-string", -1486304829, id="another length"),
    ],
)
def test_a_home_has_the_partition_that_kafkas_own_producers_choose(home: str, hashed: int) -> None:
    assert partition_of(home, 12) == (hashed & 0x7FFFFFFF) % 12


PLACES = st.tuples(st.sampled_from(["entries", "facts"]), st.integers(0, 2))
SIZES = st.one_of(st.integers(0, MAX_LINE - 100), st.sampled_from([0, 10, MAX_LINE // 2, MAX_LINE - 100]))


@given(drawn=st.lists(st.tuples(PLACES, SIZES), max_size=12))
def test_batches_hold_every_line_once_in_order_and_stay_below_the_limit(drawn: list[tuple[Place, int]]) -> None:
    lines = [Line(*place, b"%d" % n, bytes(much), [("ce_id", b"1")]) for n, (place, much) in enumerate(drawn)]
    for place, own in by_partition(lines):
        batches = cut(own)
        wanted = [line.key for line in lines if (line.topic, line.partition) == place]
        assert [line.key for batch in batches for line in batch] == wanted
        assert all(sum(map(size, batch)) <= MAX_BATCH for batch in batches)


def test_what_our_events_need_beside_their_value_is_counted_generously() -> None:
    data = RecordSetAside(origin=Origin(topic="inbound"), reason="r", raw="")
    event = CloudEvent("i" * 200, source_of(OIN), THEN, data, sequence="1" * 20, traceparent="t" * 55)
    line = Encoder().line(Outgoing("dead-letters", "k" * 200, "k", event))
    headers = sum(len(name) + len(value) + 6 for name, value in line.headers)
    assert size(line) >= len(line.key) + len(line.value or b"") + headers + 24


def letter(raw: str) -> Outgoing:
    data = RecordSetAside(origin=Origin(topic="inbound"), reason="r", raw=raw)
    return Outgoing("dead-letters", "k", "k", CloudEvent("1", source_of(OIN), THEN, data))


def test_a_record_that_no_batch_can_hold_is_poison_before_anything_is_sent() -> None:
    with pytest.raises(Poison, match=r"dead-letters has \d+ bytes, more than"):
        Encoder().line(letter("x" * MAX_LINE))


def test_no_event_is_a_tombstone() -> None:
    line = Encoder().line(Outgoing("entries", "c/1", "c", None))
    assert (line.key, line.value, line.headers) == (b"c/1", None, [])


@pytest.mark.parametrize(
    ("topic", "tenant", "partition", "strayed"),
    [
        pytest.param("inbound", OIN, partition_of(OIN, 12), False, id="at home"),
        pytest.param("inbound", OIN, (partition_of(OIN, 12) + 1) % 12, True, id="in another's partition"),
        pytest.param("inbound", None, 3, False, id="nobody's: a sign of life"),
        pytest.param("outbox", OIN, 3, False, id="where the inbox is the home"),
    ],
)
def test_a_record_has_strayed(topic: str, tenant: str | None, partition: int, *, strayed: bool) -> None:
    assert Encoder().strayed(topic, partition, tenant) is strayed


def test_a_record_too_large_to_be_copied_is_set_aside_by_its_origin() -> None:
    large = Written("inbound", 3, 7, 0, b"k", bytes(MAX_LINE), [])
    aside = set_aside(large, "why")
    assert Encoder().line(aside)
    assert aside.event
    data = aside.event.data
    assert isinstance(data, RecordSetAside)
    assert (data.origin.partition, data.origin.offset, data.raw) == (3, 7, "")
    assert data.reason == "why (too large to be copied: read it at its origin)"
