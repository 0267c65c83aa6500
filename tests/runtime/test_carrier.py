"""What the broker never takes becomes a dead letter that can be put back; everything else is waited for."""

from base64 import b64decode
from datetime import UTC, datetime

import pytest
from aiokafka import errors

from schemas.cloudevents import decode, encode
from schemas.events import RecordSetAside
from schemas.profile import findings
from services.runtime.bus.carrier import Carrier, letter
from services.runtime.bus.connection import plain
from services.runtime.bus.deadletters import MOST_COPIED
from services.runtime.bus.producer import Producer, _what_follows
from services.runtime.bus.seat import Line, Refused
from services.runtime.process.clock import ManualClock
from tests.ingest.flaky import line

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "never"),
    [
        pytest.param(errors.MessageSizeTooLargeError(), True, id="too large"),
        pytest.param(errors.RecordListTooLargeError(), True, id="a batch that is too large"),
        pytest.param(errors.InvalidTimestampError(), True, id="a time that it does not want"),
        pytest.param(errors.CorruptRecordException(), True, id="a record that is none"),
        pytest.param(errors.TopicAuthorizationFailedError(), False, id="a right that we lack"),
        pytest.param(errors.UnknownTopicOrPartitionError(), False, id="a topic that is not there"),
        pytest.param(errors.OutOfOrderSequenceNumber(), False, id="a hole in the numbering"),
        pytest.param(errors.UnknownError(), False, id="a fault of its own"),
        pytest.param(errors.NotEnoughReplicasError(), False, id="too few replicas"),
        pytest.param(errors.ProducerClosed(), False, id="a producer that was closed"),
    ],
)
def test_only_what_is_about_the_record_itself_is_a_refusal_for_ever(error: errors.KafkaError, never: bool) -> None:  # noqa: FBT001
    assert isinstance(_what_follows(error), Refused) is never


def test_a_dead_letter_holds_the_whole_record_and_is_one_however_often_it_is_written() -> None:
    refused = Line("inbound", 3, b"k0", b"Kanarie", [("ce_id", b"e-1"), ("ce_type", b"x")])
    first, second = (letter(refused, "MessageSizeTooLargeError", NOW) for _ in range(2))
    assert first == second
    assert first.event
    headers, value = encode(first.event)
    assert findings(headers, value) == []
    data = decode(headers, value).data
    assert isinstance(data, RecordSetAside)
    assert (b64decode(data.raw), data.raw_headers) == (b"Kanarie", {"ce_id": "e-1", "ce_type": "x"})
    assert (data.origin.topic, data.origin.partition) == ("inbound", 3)
    assert "Kanarie" not in f"{first.key} {headers} {data.reason}"


async def test_what_is_too_large_for_a_dead_letter_is_not_cut() -> None:
    carrier = Carrier(Producer(plain("127.0.0.1:1")), ManualClock(NOW))
    with pytest.raises(Refused, match="too large for a dead letter"):
        await carrier.set_aside(line("k0", b"x" * (MOST_COPIED + 1)), "MessageSizeTooLargeError")
