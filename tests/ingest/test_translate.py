"""What a channel read becomes an event whose id follows from its cause alone, and whose clocks make sense."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import DeliveryStatus, MessageReceived, Times, Via
from schemas.parts import Text
from services.channels.base import AccountChange, Echo, Edit, Link, Message, Parsed, Receipt, Revocation
from services.ingest.owners import Owner
from services.ingest.translate import Arrival, event_of
from tests.ingest.toy import address

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
OWNER = Owner("0" * 20, "urn:x", b"z" * 32, Via(channel="toy", provider="own", inbox="balie"))
ARRIVAL = Arrival(OWNER, NOW, timedelta(hours=24))
BASE: dict[str, Any] = {"account": "1", "external_id": "m1", "happened": NOW}
TEXT = (Text(text="Hallo"),)
MESSAGE = Message(**BASE, addresses=(address("+31612345601"),), parts=TEXT)
EDIT = Edit(**BASE, parts=TEXT, edit_id="e1")
ECHO = Echo(**BASE, recipient=address("+31612345601"), parts=TEXT)
RECEIPT = Receipt(**BASE, status=DeliveryStatus.SENT)
LINK = Link(**BASE, old=address("+31612345601"), new=address("+31612345602"))
CHANGE = AccountChange(**BASE, change="restricted")
ITEMS = [MESSAGE, EDIT, Revocation(**BASE), ECHO, RECEIPT, LINK, CHANGE]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_the_same_item_an_hour_later_is_the_same_event(item: Parsed) -> None:
    again = event_of(item, replace(ARRIVAL, received=NOW + timedelta(hours=1)))
    assert event_of(item, ARRIVAL).id == again.id


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(ARRIVAL, owner=replace(OWNER, key=b"m" * 32)), id="of another municipality"),
        pytest.param(
            replace(ARRIVAL, owner=replace(OWNER, via=Via(channel="toy", provider="own", inbox="afval"))),
            id="of another inbox",
        ),
    ],
)
@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_the_same_ids_are_another_event_when_they_are(item: Parsed, other: Arrival) -> None:
    assert event_of(item, ARRIVAL).id != event_of(item, other).id


def test_another_provider_for_the_same_inbox_leaves_ids_as_they_are() -> None:
    moved = replace(ARRIVAL, owner=replace(OWNER, via=Via(channel="toy", provider="other", inbox="balie")))
    assert event_of(MESSAGE, ARRIVAL).id == event_of(MESSAGE, moved).id


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(replace(MESSAGE, external_id="m2"), id="another message"),
        pytest.param(replace(EDIT, edit_id="e2"), id="a second edit of the same message"),
        pytest.param(replace(RECEIPT, status=DeliveryStatus.READ), id="another status of the same reply"),
        pytest.param(replace(RECEIPT, our_id="r.1.0"), id="a receipt that names our id"),
        pytest.param(replace(LINK, new=address("+31612345603")), id="a second address in the same notice"),
        pytest.param(replace(CHANGE, change="restored"), id="another change of the account"),
    ],
)
def test_it_is_another_event(changed: Parsed) -> None:
    before = next(item for item in ITEMS if type(item) is type(changed))
    assert event_of(before, ARRIVAL).id != event_of(changed, ARRIVAL).id


def test_a_message_and_all_that_happens_to_it_are_different_events_about_one_message() -> None:
    events = [event_of(item, ARRIVAL) for item in ITEMS]
    assert len({event.id for event in events}) == len(ITEMS)
    about = {event.data.message for event in events if hasattr(event.data, "message")}
    assert about == {events[0].id}


def times(happened: datetime | None) -> Times:
    data = event_of(replace(MESSAGE, happened=happened), ARRIVAL).data
    assert isinstance(data, MessageReceived)
    return data.times


@pytest.mark.parametrize(
    ("happened", "expected"),
    [
        pytest.param(NOW - timedelta(minutes=5), NOW - timedelta(minutes=5), id="earlier is believed"),
        pytest.param(NOW + timedelta(minutes=5), NOW, id="later than now is now"),
        pytest.param(None, NOW, id="unsaid is now"),
        pytest.param(datetime(2026, 11, 24, 8, 0), datetime(2026, 11, 24, 8, 0, tzinfo=UTC), id="no zone is UTC"),  # noqa: DTZ001
        pytest.param(
            datetime(2026, 11, 24, 9, 0, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
            id="another zone is told in UTC",
        ),
    ],
)
def test_when_it_happened(happened: datetime | None, expected: datetime) -> None:
    assert times(happened) == Times(happened=expected, received=NOW)


@given(st.none() | st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.one_of(st.none(), st.timezones())))  # noqa: DTZ001
def test_nobody_wrote_after_we_received_it(happened: datetime | None) -> None:
    assert times(happened).happened <= NOW


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param(timedelta(hours=24), NOW + timedelta(hours=23), id="from when the citizen wrote"),
        pytest.param(None, None, id="none where the channel has none"),
    ],
)
def test_until_when_it_can_be_answered(window: timedelta | None, expected: datetime | None) -> None:
    earlier = replace(MESSAGE, happened=NOW - timedelta(hours=1))
    data = event_of(earlier, replace(ARRIVAL, window=window)).data
    assert isinstance(data, MessageReceived)
    assert data.answerable_until == expected


@given(st.text(max_size=30), st.text(max_size=30))
def test_two_external_ids_are_two_messages(one: str, other: str) -> None:
    ids = {event_of(replace(MESSAGE, external_id=given), ARRIVAL).id for given in (one, other)}
    assert (len(ids) == 1) == (one == other)
