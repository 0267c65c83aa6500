"""`hub spool`: it tells what waits, and leaves a spool alone whose owner lives. Draining: kafka/test_hub_spool.py."""

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from services.runtime.process.clock import ManualClock
from services.runtime.spool.spool import Spool
from services.runtime.spool.store import Store
from tests.hub.conftest import Hub
from tests.hub.past import START
from tests.ingest.flaky import line

AGE = 90.0


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """The spool of a replica that is gone, with two records, one of which nobody took."""
    folder = tmp_path / "spools" / "ingest-1"
    folder.mkdir(parents=True)
    store = Store(folder)
    store.append((START.timestamp() - AGE, line(name, b"Kanarie")) for name in ("k0", "k1"))
    store.hold(1, "not to my liking")
    store.close()
    return folder


def empty(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with closing(Store(folder)) as store:
        store.append([])


def test_it_tells_what_waits_how_old_it_is_and_that_nobody_has_it(hub: Hub, filled: Path) -> None:
    found = hub("spool", "status", str(filled.parent), "--json")
    (row,) = [json.loads(each) for each in found.stdout.splitlines()]
    assert (row["spool"], row["owner"], row["records"], row["refused"]) == (str(filled), False, 1, 1)
    assert row["oldest_seconds"] == AGE
    assert found.exit_code == 1
    assert "Kanarie" not in found.output


def test_an_empty_spool_is_no_reason_to_do_anything(hub: Hub, tmp_path: Path) -> None:
    empty(tmp_path)
    assert hub("spool", "status", str(tmp_path)).exit_code == 0


@pytest.mark.parametrize("verb", ["status", "drain"])
def test_where_there_is_no_spool_it_says_so(hub: Hub, tmp_path: Path, verb: str) -> None:
    found = hub("spool", verb, str(tmp_path))
    assert (found.exit_code, "no spool in" in found.output) == (2, True)
    assert not list(tmp_path.iterdir())
    assert hub("spool", verb, str(tmp_path / "nowhere")).exit_code == 2


def test_it_drains_one_spool_and_not_whichever_comes_first(hub: Hub, filled: Path) -> None:
    empty(filled.parent / "ingest-2")
    assert hub("spool", "drain", str(filled.parent)).exit_code == 2


def test_a_spool_whose_owner_lives_is_left_to_it(hub: Hub, filled: Path) -> None:
    owner = Spool(filled, 1 << 20, ManualClock(START))
    asyncio.run(owner.open(0))
    try:
        found = hub("spool", "drain", str(filled))
        assert (found.exit_code, "another process has it" in found.output) == (2, True)
        told = hub("spool", "status", str(filled), "--json")
        assert json.loads(told.stdout)["owner"] is True
    finally:
        asyncio.run(owner.close())


def test_without_a_broker_it_says_so_and_everything_stays(hub: Hub, filled: Path) -> None:
    assert hub("spool", "drain", str(filled)).exit_code == 3
    assert json.loads(hub("spool", "status", str(filled), "--json").stdout)["records"] == 1
