"""The plain producer, the topics and the readers, on a real Kafka."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.kafka.broker import Broker
from schemas.cloudevents import decode
from schemas.ids import derived
from services.runtime.bus.admin import drift, make_topics
from services.runtime.bus.handler import Poison
from services.runtime.bus.reader import Start, reading
from services.runtime.bus.seat import GiveUp, NotDurable
from tests.kafka.rig import KafkaRig, admin, until
from tests.runtime.contract import receive
from tests.runtime.sample import message


@pytest.fixture
async def rig(bootstrap: str, prefix: str) -> AsyncIterator[KafkaRig]:
    made = KafkaRig(bootstrap, prefix)
    await made.start()
    yield made
    await made.close()


async def test_what_is_not_confirmed_in_time_is_said_to_be_and_arrives_once_all_the_same(
    broker: Broker, prefix: str
) -> None:
    rig = KafkaRig(broker.bootstrap, prefix)
    await rig.start()
    rig.producer._wait = 1.0
    broker.pause()
    with pytest.raises(NotDurable, match=r"not confirmed within 1.0 s"):
        await receive(rig, message("0"))
    broker.resume()

    async def arrived() -> bool:
        return [event.id for event in await rig.events(rig.names.inbound)] == ["0"]

    await until(arrived)
    await rig.close()


async def test_one_that_is_too_large_is_poison_and_none_of_them_was_sent(rig: KafkaRig) -> None:
    large = message("0").model_copy(update={"subject": "x" * 1_000_000})
    with pytest.raises(Poison):
        await receive(rig, message("1"), large)
    assert await rig.events(rig.names.inbound) == []


async def test_after_a_refusal_of_the_broker_the_next_ones_go_through(rig: KafkaRig) -> None:
    """A refused record leaves a hole in the producer's numbering: every later one would be refused as well."""
    async with admin(rig) as client:
        small = ConfigResource(ConfigResourceType.TOPIC, rig.names.inbound, {"max.message.bytes": "2000"})
        await client.alter_configs([small])
    await until(lambda: has_drifted(rig, "max.message.bytes"))
    large = message("0").model_copy(update={"subject": "".join(derived(n) for n in range(250))})
    with pytest.raises(NotDurable, match="refused: MessageSizeTooLargeError"):
        await receive(rig, large)

    async def goes_through() -> bool:
        try:
            await receive(rig, message("1"), prefix="later")
        except NotDurable:
            return False
        return True

    await until(goes_through)
    assert [event.id for event in await rig.events(rig.names.inbound)] == ["later0"]


async def has_drifted(rig: KafkaRig, setting: str) -> bool:
    return setting in {each.what for each in await drift(rig.connection, rig.names.all)}


async def test_topics_are_made_once_and_what_differs_is_told(rig: KafkaRig) -> None:
    assert await make_topics(rig.connection, rig.names.all) == []
    assert await drift(rig.connection, rig.names.all) == []
    async with admin(rig) as client:
        kept = ConfigResource(ConfigResourceType.TOPIC, rig.names.inbound, {"retention.ms": "1"})
        await client.alter_configs([kept])
    await until(lambda: has_drifted(rig, "retention.ms"))
    declared = dict(rig.names.all) | {rig.names.facts: replace(rig.names.declared(rig.names.facts), partitions=5)}
    found = {(each.topic, each.what, each.found) for each in await drift(rig.connection, declared.items())}
    assert (rig.names.inbound, "retention.ms", "1") in found
    assert (rig.names.facts, "partitions", "2") in found


async def test_a_reader_that_begins_now_sees_what_comes_and_drops_what_it_knows(rig: KafkaRig) -> None:
    await receive(rig, message("0"), prefix="before")
    async with reading(rig.connection, [rig.names.inbound], Start.NOW) as reader:
        await receive(rig, message("1"), message("2"))
        await receive(rig, message("1"), message("2"), message("3"))
        seen = [decode(record.headers, record.value).id async for record in reader.to_the_end()]
    assert seen == ["0", "1", "2"]


async def test_a_reader_of_a_topic_that_does_not_exist_says_so(rig: KafkaRig) -> None:
    with pytest.raises(GiveUp, match="no such topic: nowhere"):
        async with reading(rig.connection, ["nowhere"]):
            pass
