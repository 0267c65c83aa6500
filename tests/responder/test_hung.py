"""A broker forgot the end of a transaction: what it says was started is not called as if nothing had been."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from schemas.events import Outcome, ReplyUnknown
from services.responder.gate import Gates, Policy
from services.responder.hung import started_in
from services.responder.ledger import Ledger
from services.responder.moves import Now
from services.responder.rows import Row, Standing
from tests.responder.test_ledger import content, send

NOW = Now(datetime(2026, 11, 24, 9, tzinfo=UTC), 0.0)
STARTED = Row(standing=Standing.STARTED, order=1, send=send(), token="theirs")
GONE = Row(standing=Standing.GONE, order=2)
WAITING = Row(standing=Standing.WAITING, order=1, send=send(), content=content())


class Record(NamedTuple):
    key: bytes | None
    value: bytes | None
    topic: str = "responder.state"
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    headers: tuple[tuple[str, bytes], ...] = ()


def record(row: Row, key: str = "sends/r1.1") -> Record:
    return Record(key.encode(), row.model_dump_json().encode())


def found(rows: Mapping[str, Row], hung: Mapping[str, Row]) -> Ledger:
    ledger = Ledger(Gates(lambda _inbox: Policy(rate=1000, width=8), lambda: 0.5), "ours")
    ledger.load(rows.items(), lambda _ticket: None, NOW, hung)
    return ledger


def became(ledger: Ledger) -> list[type[Outcome]]:
    return [end.became for end in ledger.settle(NOW).ends]


def test_what_waits_and_may_have_been_called_ends_as_unknown() -> None:
    ledger = found({"r1.1": WAITING}, {"r1.1": STARTED})
    assert list(ledger.starts(NOW)) == []
    assert became(ledger) == [ReplyUnknown]


def test_what_is_asked_again_and_may_have_been_called_ends_as_unknown_and_once() -> None:
    ledger = found({}, {"r1.1": STARTED})
    assert ledger.take(send(), content(), 0, NOW)
    assert not ledger.take(send(), content(), 0, NOW)
    assert list(ledger.starts(NOW)) == []
    assert became(ledger) == [ReplyUnknown]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"r2.1": STARTED}, id="another send"),
        pytest.param({"r1.2": STARTED}, id="another attempt"),
        pytest.param({"r1.1": STARTED.model_copy(update={"tries": 1})}, id="another try"),
        pytest.param({"r1.1": STARTED.model_copy(update={"part": 1})}, id="another part"),
    ],
)
def test_what_waits_is_called_when_what_hangs_is_about(other: Mapping[str, Row]) -> None:
    assert len(list(found({"r1.1": WAITING}, other).starts(NOW))) == 1


@pytest.mark.parametrize(
    ("records", "started"),
    [
        pytest.param([record(STARTED)], ["r1.1"], id="a start"),
        pytest.param([record(WAITING)], [], id="what was only taken in"),
        pytest.param(
            [record(STARTED), record(Row(standing=Standing.GONE, order=2))], ["r1.1"], id="a start, then its end"
        ),
        pytest.param([record(STARTED, "timers/r1.1"), Record(b"void", None)], [], id="rows of other tables, and none"),
    ],
)
def test_of_what_hangs_it_heeds(records: list[Record], started: list[str]) -> None:
    assert list(started_in(records)) == started
