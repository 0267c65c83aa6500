"""The parts of Faust that we put in the place of its own: what they keep that stock Faust lets go."""

from types import SimpleNamespace
from typing import Any

import pytest
from mode.utils.queues import FlowControlQueue

from services.insight.safe import Flow, SafeConsumer


async def test_what_was_read_just_before_reading_goes_on_is_kept() -> None:
    flow = Flow()
    queue = FlowControlQueue[int](flow_control=flow, clear_on_resume=True)
    flow.resume()
    queue.force_put_nowait(1)
    flow.resume()
    assert queue.qsize() == 1
    assert flow.is_active()


async def test_what_was_read_before_partitions_went_is_thrown_away() -> None:
    flow = Flow()
    queue = FlowControlQueue[int](flow_control=flow, clear_on_resume=True)
    queue.force_put_nowait(1)
    flow.suspend()
    flow.clear()
    assert queue.empty()
    assert not flow.is_active()


@pytest.mark.parametrize(
    ("acked", "pending", "committed", "left"),
    [
        pytest.param([1, 2, 3], [], 4, [], id="all is done: the next is where reading goes on"),
        pytest.param([1, 2, 5], [], 6, [], id="markers of transactions leave holes; nothing is in them"),
        pytest.param([2, 3], [1], None, [2, 3], id="the first is still worked on"),
        pytest.param([1, 2, 4], [3], 3, [4], id="one in the middle is still worked on"),
        pytest.param([1, 2], [3], 3, [], id="the last is still worked on"),
        pytest.param([], [1], None, [], id="nothing is done"),
    ],
)
def test_never_past_what_is_still_worked_on(
    acked: list[int], pending: list[int], committed: int | None, left: list[int]
) -> None:
    found = consumer(acked, pending)
    assert SafeConsumer._new_offset(found, TP) == committed
    assert found._acked[TP] == left
    assert found._acked_index[TP] == set(left)


def test_what_an_earlier_generation_works_on_holds_nobody() -> None:
    found = consumer([5], [])
    found._unacked_messages = {message(1, generation=0)}
    assert SafeConsumer._new_offset(found, TP) == 6


TP: Any = ("facts", 0)


def message(offset: int, generation: int = 1) -> Any:  # noqa: ANN401 - a message of Faust's
    return Message(tp=TP, offset=offset, acked=False, generation_id=generation)


class Message(SimpleNamespace):
    __hash__ = object.__hash__  # type: ignore[assignment]


def consumer(acked: list[int], pending: list[int]) -> Any:  # noqa: ANN401 - a consumer without a broker
    found = SimpleNamespace(
        app=SimpleNamespace(consumer_generation_id=1),
        _acked={TP: [*acked]},
        _acked_index={TP: {*acked}},
        _unacked_messages={message(offset) for offset in pending},
    )
    found._first_pending = lambda tp: SafeConsumer._first_pending(found, tp)  # type: ignore[arg-type]
    return found
