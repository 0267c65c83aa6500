"""Dead letters: which can be put back, as what, and never twice."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from schemas import events as e
from schemas.cloudevents import encode
from schemas.profile import findings
from schemas.topics import INBOUND
from services.hub.errors import WrongUse
from services.hub.letters import Letter, NotReplayable, line_of, mark_of, pick
from services.runtime.bus.batches import partition_of
from tests.hub.past import NOBODY, START, busy_day


def a_letter(**changes: Any) -> Letter:  # noqa: ANN401 - the event's own fields
    """The message of a municipality that was not served."""
    event = next(each.event for each in busy_day() if isinstance(each.event.data, e.RecordSetAside))
    assert isinstance(event.data, e.RecordSetAside)
    return Letter(event.id, event.time, event.data.model_copy(update=changes))


def test_it_goes_back_as_it_was_to_its_own_partition() -> None:
    letter = a_letter()
    line = line_of(letter)
    assert (line.topic, line.partition) == ("inbound", partition_of(NOBODY, INBOUND.partitions))
    assert line.value == letter.raw
    assert dict(line.headers) == {name: value.encode() for name, value in letter.data.raw_headers.items()}
    assert line.key.decode() == letter.event().id


def test_its_mark_lies_beside_it_and_is_the_same_each_time() -> None:
    letter = a_letter()
    mark = mark_of(letter, START)
    assert mark == mark_of(letter, START)
    assert mark.key == mark.home == letter.origin
    assert mark.event
    assert isinstance(mark.event.data, e.RecordReplayed)
    assert mark.event.data.dead_letter == letter.id
    assert findings(*encode(mark.event)) == []


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        pytest.param(
            replace(a_letter(), replayed=START), "put back already, on 24-11 09:00 UTC", id="that was put back"
        ),
        pytest.param(
            a_letter(origin=e.Origin(topic="whatsapp/demo")), "it came by whatsapp/demo", id="that was no record"
        ),
        pytest.param(
            a_letter(origin=e.Origin(topic="outbox", partition=0, offset=0)), "it came by outbox", id="of a send"
        ),
        pytest.param(a_letter(raw=""), "too large to be copied", id="that was not copied"),
        pytest.param(
            a_letter(raw=b64encode(b"{}").decode()), "this version cannot read it", id="that would come back at once"
        ),
    ],
)
def test_one_is_not_put_back(letter: Letter, why: str) -> None:
    with pytest.raises(NotReplayable, match=why):
        line_of(letter)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("abcd-1", "abcd-1", id="the whole id"),
        pytest.param("b", "bcde-1", id="as much as tells it from others"),
        pytest.param("abcd", None, id="one that fits two"),
        pytest.param("z", None, id="one that fits none"),
    ],
)
def test_a_letter_is_named_by(name: str, found: str | None) -> None:
    letters = [replace(a_letter(), id=each) for each in ("abcd-1", "abcd-2", "bcde-1")]
    if found:
        assert pick(letters, name).id == found
    else:
        with pytest.raises(WrongUse, match=name):
            pick(letters, name)
