"""How a process ends: when it is told to, also while it waits for something, and in bounded time."""

import asyncio
import os
import signal

import pytest

from services.runtime.process import stop as stopping
from services.runtime.process.stop import Stop, Stopped, bounded


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_well(number: signal.Signals) -> None:
    stop = Stop()
    stop.on_signals()
    try:
        assert not stop.wanted
        os.kill(os.getpid(), number)
        async with asyncio.timeout(5):
            await stop.wait()
        assert (stop.wanted, stop.exit_code, stop.failure) == (True, 0, None)
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(each)


async def test_one_that_gives_up_ends_badly_and_says_why_it_did_first() -> None:
    stop = Stop()
    stop.fail("memory and offsets contradict each other")
    stop.fail("what followed from that")
    async with asyncio.timeout(5):
        await stop.wait()
    assert (stop.exit_code, stop.failure) == (1, "memory and offsets contradict each other")


async def test_what_is_awaited_is_returned_when_no_stop_comes() -> None:
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await Stop().unless(work()) == "done"


async def test_what_goes_wrong_while_it_is_awaited_is_raised() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await Stop().unless(work())


@pytest.mark.parametrize("before", [True, False], ids=["the stop came before", "the stop comes meanwhile"])
async def test_what_is_awaited_for_ever_is_cut_off_by_the_stop(*, before: bool) -> None:
    stop, cleaned = Stop(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    if before:
        stop.now()
    else:
        asyncio.get_running_loop().call_later(0.01, stop.now)
    with pytest.raises(Stopped):
        await stop.unless(work())
    assert cleaned.is_set() or before, "it may clean up behind itself"


async def test_one_that_will_not_be_cut_off_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "STEP", 0.05)
    stop, let_go = Stop(), asyncio.Event()

    async def stubborn() -> None:
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue

    asyncio.get_running_loop().call_later(0.01, stop.now)
    with pytest.raises(Stopped):
        async with asyncio.timeout(5):
            await stop.unless(stubborn())
    let_go.set()
    await asyncio.sleep(0)


async def fails() -> None:
    raise OSError("a word of somebody's")


@pytest.mark.parametrize(
    ("step", "well"),
    [
        pytest.param(lambda: asyncio.sleep(0), True, id="it ended"),
        pytest.param(fails, False, id="it failed"),
        pytest.param(lambda: asyncio.sleep(60), False, id="it takes too long"),
    ],
)
async def test_no_step_of_stopping_keeps_the_next_from_coming(step: object, *, well: bool) -> None:
    assert callable(step)
    async with asyncio.timeout(5):
        assert await bounded("a step", step(), seconds=0.05) is well
