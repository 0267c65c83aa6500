"""What anybody outside can send at will must not stop a municipality: it is set aside, however much of it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta

import pytest

from schemas import events as e
from schemas.events import Event
from schemas.ids import message_id
from schemas.parts import Text
from services.runtime.bus.deadletters import MOST_IN_A_ROW
from tests.flow.hub import ANNA, KEY, OIN, WHATSAPP, Hub


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    made = Hub()
    yield made
    await made.bus.close()


def _changed(external_id: str, now: datetime) -> Event:
    return e.MessageEdited(
        tenant=OIN,
        message=_id(external_id),
        via=WHATSAPP,
        external_id=external_id,
        parts=(Text(text="toch niet"),),
        times=e.Times(happened=now, received=now),
    )


def _taken_back(external_id: str, now: datetime) -> Event:
    times = e.Times(happened=now, received=now)
    return e.MessageRevoked(tenant=OIN, message=_id(external_id), via=WHATSAPP, external_id=external_id, times=times)


def _long_under_way(external_id: str, now: datetime) -> Event:
    received = now - timedelta(days=9)
    return e.MessageReceived(
        tenant=OIN,
        message=_id(external_id),
        via=WHATSAPP,
        sender=e.Sender(addresses=(ANNA,)),
        external_id=external_id,
        parts=(Text(text="hallo?"),),
        times=e.Times(happened=received, received=received),
    )


def _id(external_id: str) -> str:
    return message_id(KEY, WHATSAPP.channel, WHATSAPP.inbox, external_id)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(_changed, id="changes of messages that are not known any more"),
        pytest.param(_taken_back, id="messages taken back that are not known any more"),
        pytest.param(_long_under_way, id="what lay in a spool for longer than ids are remembered"),
    ],
)
async def test_many_of_these_in_a_row_are_set_aside_and_the_next_message_comes_through(
    hub: Hub, sent: Callable[[str, datetime], Event]
) -> None:
    for number in range(MOST_IN_A_ROW + 20):
        await hub.put("inbound", sent(f"old-{number}", hub.clock.now()), f"odd-{number}")
    await hub.write("de lantaarnpaal voor mijn deur is kapot")
    assert len(hub.routed("public-space")) == 1
    assert len(hub.on("dead-letters", e.RecordSetAside)) == MOST_IN_A_ROW + 20
