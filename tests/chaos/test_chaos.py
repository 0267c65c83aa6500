"""A short run of everything, and the one fault of the broker's that needs a run of its own."""

from pathlib import Path

import pytest

from tests.chaos.run import run
from tests.chaos.schedule import Kind
from tests.chaos.stage import Wanted

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]


def _unsaid(_line: str) -> None:
    """Nobody is watching."""


@pytest.mark.timeout(240)
async def test_killed_stopped_cut_off_and_without_a_broker_nothing_is_lost_doubled_or_reordered(tmp_path: Path) -> None:
    kinds = (Kind.KILL, Kind.TERM, Kind.BROKER_KILL, Kind.NET_RESET)
    wanted = Wanted(seed=1, messages=4_000, kills=6, every=4, tenants=6, share=0.1, kinds=kinds, doubt=4, flush=False)
    result = await run(wanted, tmp_path, _unsaid)
    assert result.faults == []
    assert result.verdict.messages == wanted.messages
    assert len(result.done) >= 8


@pytest.mark.timeout(400)
async def test_a_broker_that_forgets_the_end_of_transactions_costs_no_message_and_no_reply_goes_twice(
    tmp_path: Path,
) -> None:
    """Kafka 4.3.1, killed and away for longer than its session of 9 s, the default: facts of the bus, ownership.py."""
    kinds = (Kind.BROKER_KILL_LONG,)
    wanted = Wanted(
        seed=5, messages=4_000, kills=3, every=20, tenants=6, share=0.4, kinds=kinds, broker_session=9.0, flush=False
    )
    result = await run(wanted, tmp_path, _unsaid)
    assert result.torn, "the broker tore nothing: nothing was tried"
    assert result.verdict.faults(torn=True) == []
    assert result.verdict.messages == wanted.messages
