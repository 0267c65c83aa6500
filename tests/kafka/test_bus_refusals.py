"""What the bus refuses to go on with, on a real Kafka, and says why."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import RecordsToDelete
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from tests.kafka.rig import KafkaRig, admin, home, looped
from tests.runtime.contract import receive, routed
from tests.runtime.sample import correction, message


@pytest.fixture
async def rig(bootstrap: str, prefix: str) -> AsyncIterator[KafkaRig]:
    made = KafkaRig(bootstrap, prefix)
    await made.start()
    yield made
    await made.close()


async def test_records_that_were_next_and_are_gone_stop_it(rig: KafkaRig) -> None:
    await rig.serve()
    await receive(rig, message("0"))
    await rig.settle()
    await rig.crash()
    await receive(rig, message("1"), message("2"), prefix="later")
    place = TopicPartition(rig.names.inbound, home(rig))
    async with admin(rig) as client:
        await client.delete_records({place: RecordsToDelete(before_offset=2)})
    await rig.serve()
    assert "offset 1 is to be read next, and the log holds 2 to 3" in await rig.gave_up()


async def test_records_that_vanish_while_it_reads_stop_it(rig: KafkaRig) -> None:
    await rig.serve()
    await receive(rig, message("0"))
    await rig.settle()
    rig.loops[0][0]._consumer.seek(TopicPartition(rig.names.inbound, home(rig)), 1000)
    assert "records that were to be read next are gone from the log" in await rig.gave_up()


async def test_content_that_is_too_old_goes_out_without(rig: KafkaRig) -> None:
    await rig.serve()
    await receive(rig, message("0"), message("1"))
    await rig.settle()
    async with admin(rig) as client:
        await client.delete_records({TopicPartition(rig.names.inbound, home(rig)): RecordsToDelete(before_offset=1)})
    await receive(rig, correction("ann", 1, "0"), correction("ann", 2, "1"), prefix="later")
    await rig.settle()
    assert await routed(rig) == [(1, "0"), (2, "1"), (1, "no content"), (2, "1")]


async def test_offsets_that_are_not_the_memorys_stop_it(rig: KafkaRig) -> None:
    await receive(rig, message("0"), message("1"))
    place = TopicPartition(rig.names.inbound, home(rig))
    tool = AIOKafkaConsumer(**rig.connection, group_id=rig.plan().group, enable_auto_commit=False)
    await tool.start()
    tool.assign([place])
    await tool.commit({place: 1})
    await tool.stop()
    await rig.serve()
    assert "are not those of the memory {}" in await rig.gave_up()


async def test_a_group_that_deals_parts_of_numbers_stops_it(rig: KafkaRig) -> None:
    await rig.serve()
    await rig.settle()
    intruder = AIOKafkaConsumer(
        rig.names.inbound,
        **rig.connection,
        group_id=rig.plan().group,
        partition_assignment_strategy=[RangePartitionAssignor],
    )
    starting = asyncio.create_task(intruder.start())
    assert "did not deal whole partition numbers" in await rig.gave_up()
    await starting
    await intruder.stop()


async def test_a_topic_that_is_missing_stops_it_before_it_begins(rig: KafkaRig) -> None:
    loop, stop = looped(rig, f"department.{rig.names.prefix}.waste")
    await loop.run()
    missing = f"department.{rig.names.prefix}.waste has none"
    assert stop.failure == f"not the partitions that schemas/topics.py declares: {missing}"
