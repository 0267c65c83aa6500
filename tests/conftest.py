"""What every test may ask for."""

import uuid
from collections.abc import Iterator

import pytest

from deploy.kafka.broker import Broker
from deploy.kafka.ladder import given_address, own_broker
from deploy.kafka.software import KafkaMissingError
from tests.needs import missing


@pytest.fixture(scope="session")
def bootstrap() -> Iterator[str]:
    """The address of a real Kafka, shared by all tests of this process: name what is yours."""
    given = given_address()
    if given:
        yield given
        return
    with _broker_or_skip() as broker:
        yield broker.start().bootstrap


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A running broker of this test's own, to be killed, paused and restarted."""
    with _broker_or_skip() as broker:
        yield broker.start()


@pytest.fixture
def prefix() -> str:
    """A name that no other test has, for topics, groups and tenants on the shared broker."""
    return f"t{uuid.uuid4().hex[:8]}"


def _broker_or_skip() -> Broker:
    try:
        return own_broker()
    except KafkaMissingError as failure:
        missing("no Kafka on this machine", str(failure))
