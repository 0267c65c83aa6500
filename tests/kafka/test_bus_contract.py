"""The same contract on a real Kafka."""

from collections.abc import AsyncIterator

import pytest

from tests.kafka.rig import KafkaRig
from tests.runtime.contract import Contract


@pytest.fixture
async def rig(bootstrap: str, prefix: str) -> AsyncIterator[KafkaRig]:
    made = KafkaRig(bootstrap, prefix)
    await made.start()
    yield made
    await made.close()


class TestOnKafka(Contract):
    """All of it."""
