"""The reference of the router: a bare aiokafka loop with the same guarantee and outputs of the same size, and no more.

Consume, decode, write four outputs and the offsets in one transaction per batch; one producer per input partition.
Prints one line of JSON when it has done BENCH_COUNT records.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

BATCH = 4_000


async def main() -> None:
    """Run until all records are done."""
    bootstrap, count = os.environ["KAFKA_BOOTSTRAP"], int(os.environ["BENCH_COUNT"])
    outputs: list[str] = json.loads(os.environ["BENCH_OUTPUTS"])
    consumer = AIOKafkaConsumer(
        "inbound", bootstrap_servers=bootstrap, group_id="bench-bare", auto_offset_reset="earliest",
        isolation_level="read_committed", enable_auto_commit=False, max_partition_fetch_bytes=4 * 2**20,
    )  # fmt: skip
    await consumer.start()
    producers: dict[TopicPartition, AIOKafkaProducer] = {}
    done, began, cpu = 0, 0.0, 0.0
    while done < count:
        got = await consumer.getmany(timeout_ms=500, max_records=BATCH)
        if got and not began:
            began, cpu = time.perf_counter(), time.process_time()
        for place, records in got.items():
            if place not in producers:
                producers[place] = await _producer(bootstrap, place)
            await _transaction(producers[place], place, records, outputs)
            done += len(records)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    sys.stdout.write(json.dumps({"rate": done / seconds, "cpu_us": cpu / done * 1e6}) + "\n")
    for producer in producers.values():
        await producer.stop()
    await consumer.stop()


async def _producer(bootstrap: str, place: TopicPartition) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=f"bench-bare-{place.partition}", max_batch_size=900_000
    )
    await producer.start()
    return producer


async def _transaction(
    producer: AIOKafkaProducer, place: TopicPartition, records: list[ConsumerRecord[Any, Any]], outputs: list[str]
) -> None:
    async with producer.transaction():
        for topic in outputs:
            await _write(producer, topic, place.partition, records)
        await producer.send_offsets_to_transaction({place: records[-1].offset + 1}, "bench-bare")


async def _write(
    producer: AIOKafkaProducer, topic: str, partition: int, records: list[ConsumerRecord[Any, Any]]
) -> None:
    sent, batch = [], producer.create_batch()
    for record in records:
        value = json.dumps(json.loads(record.value)).encode()
        headers = list(record.headers)
        if batch.append(key=record.key, value=value, timestamp=None, headers=headers) is None:
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=partition % 3))
            batch = producer.create_batch()
            batch.append(key=record.key, value=value, timestamp=None, headers=headers)
    batch.close()
    sent.append(await producer.send_batch(batch, topic, partition=partition % 3))
    await asyncio.gather(*sent)


if __name__ == "__main__":
    asyncio.run(main())
