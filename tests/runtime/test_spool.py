"""The spool: what it said it keeps is on disk, in order, and goes when the broker has it; full or broken it says so."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.runtime.bus.seat import Line
from services.runtime.process.clock import ManualClock
from services.runtime.spool import store as stores
from services.runtime.spool.claim import Claim, nobodys
from services.runtime.spool.forwarder import Forwarder, Told
from services.runtime.spool.siblings import abandoned, has_owner
from services.runtime.spool.spool import Spool
from services.runtime.spool.store import FILE, Broken, Full, Row, SpoolError, Store, Taken, sizes
from tests.ingest.flaky import REFUSED, Broker, first_copies, line

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
PLENTY = 1 << 20


@asynccontextmanager
async def opened(folder: Path, limit: int = PLENTY, clock: ManualClock | None = None) -> AsyncIterator[Spool]:
    spool = Spool(folder, limit, clock or ManualClock(NOW))
    await spool.open(0)
    try:
        yield spool
    finally:
        await spool.close()


async def drained(spool: Spool, broker: Broker) -> list[bytes]:
    await Forwarder(spool, broker).drain()
    return broker.log


def healthy(spool: Spool) -> bool:
    return spool.failing is None


def keys(count: int) -> list[bytes]:
    return [f"k{n}".encode() for n in range(count)]


texts = st.text(max_size=20)
lines = st.builds(
    Line,
    topic=st.sampled_from(["inbound", "dead-letters"]),
    partition=st.integers(0, 11),
    key=st.binary(max_size=30),
    value=st.none() | st.binary(max_size=3_000),
    headers=st.lists(st.tuples(texts, st.binary(max_size=20)), max_size=4),
)


@settings(deadline=None)  # it syncs a disk
@given(brought=st.lists(lines, max_size=12))
def test_a_line_comes_back_as_it_was_brought(brought: list[Line], tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(tmp_path_factory.mktemp("spool"))
    store.append((1.5, one) for one in brought)
    store.close()
    found = store.head(0, 100)
    assert [row.line for row in found] == brought
    assert store.totals().bytes == sizes(brought)
    store.close()


async def test_what_many_bring_at_once_is_kept_by_few_syncs_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    append = Store.append

    def counted(self: Store, brought: Iterator[tuple[float, Line]]) -> None:
        at_once = list(brought)
        commits.append(len(at_once))
        append(self, at_once)

    monkeypatch.setattr(Store, "append", counted)
    async with opened(tmp_path) as spool:
        await asyncio.gather(*(spool.append([line(f"k{n}")]) for n in range(200)))
        assert await drained(spool, Broker()) == keys(200)
    assert len(commits) <= 3
    assert sum(commits) == 200


async def test_what_was_kept_is_there_for_the_next_owner(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append([line("k0"), line("k1")])
    clock = ManualClock(NOW)
    clock.advance(60)
    async with opened(tmp_path, clock=clock) as spool:
        assert (spool.records, spool.age) == (2, 60)
        assert await drained(spool, Broker()) == keys(2)
        assert (spool.records, spool.bytes, spool.age) == (0, 0, 0)
    async with opened(tmp_path) as spool:
        assert (spool.records, spool.bytes) == (0, 0)


async def test_only_one_process_has_it_and_the_next_waits_for_it(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(Taken):
            await Spool(tmp_path, PLENTY, ManualClock(NOW)).open(0)
    async with opened(tmp_path):
        pass


async def test_a_spool_that_is_full_says_so_and_takes_more_once_something_went(tmp_path: Path) -> None:
    async with opened(tmp_path, limit=sizes([line("k0")]) * 3) as spool:
        await spool.append([line("k0"), line("k1"), line("k2")])
        with pytest.raises(Full):
            await spool.append([line("k3")])
        assert spool.failing == "it holds as much as it may"
        assert await drained(spool, Broker()) == keys(3)
        await spool.append([line("k3")])
        assert healthy(spool)
        assert spool.records == 1


@contextmanager
def disk(monkeypatch: pytest.MonkeyPatch, fault: type[Exception] | str) -> Iterator[None]:
    """A disk with this fault, for the connections that are opened meanwhile."""
    with monkeypatch.context() as patch:
        if isinstance(fault, str):
            patch.setattr(stores, "_SETTINGS", stores._SETTINGS + fault)
        else:
            patch.setattr(stores, "_opened", _raiser(fault))
        yield


def _raiser(fault: type[Exception]):  # type: ignore[no-untyped-def]  # noqa: ANN202
    def fails(_folder: Path) -> sqlite3.Connection:
        raise fault(5, "Input/output error")

    return fails


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        pytest.param("PRAGMA max_page_count = 12;", Full, id="the disk is full"),
        pytest.param(sqlite3.OperationalError, Broken, id="SQLite cannot write"),
        pytest.param(sqlite3.DatabaseError, Broken, id="the file is no database any more"),
        pytest.param(OSError, Broken, id="the folder is gone"),
    ],
)
async def test_a_disk_that_fails_keeps_nothing_and_is_used_again_when_it_is_well(
    fault: type[Exception] | str, error: type[SpoolError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = line("large", b"x" * 50_000)
    async with opened(tmp_path) as spool:
        await spool.append([line("k0")])
        await spool._run(spool._store.close)
        with disk(monkeypatch, fault):
            with pytest.raises(error):
                await spool.append([large])
            await spool.probe()
            assert spool.failing
            await spool._run(spool._store.close)
        await spool.probe()
        assert healthy(spool)
        assert spool.records == 1
        await spool.append([line("k1")])
        assert await drained(spool, Broker()) == keys(2)


async def test_nothing_of_a_group_is_kept_when_its_sync_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as spool:
        await spool._run(spool._store.close)
        with disk(monkeypatch, "PRAGMA max_page_count = 12;"):
            brought = [spool.append([line(f"k{n}", b"x" * 20_000)]) for n in range(9)]
            found = await asyncio.gather(*brought, return_exceptions=True)
        assert {type(one) for one in found} == {Full}
        assert (spool.records, spool.bytes) == (0, 0)
        assert await drained(spool, Broker()) == []


@pytest.mark.parametrize("at", [0, 4, 9])
async def test_a_record_that_the_broker_refuses_is_a_dead_letter_and_never_a_blocked_head(
    at: int, tmp_path: Path
) -> None:
    broker, refused = Broker(), list[str]()
    async with opened(tmp_path) as spool:
        brought = [line(f"k{n}") for n in range(9)]
        await spool.append([*brought[:at], line(REFUSED.decode()), *brought[at:]])
        await Forwarder(spool, broker, Told(refused=refused.append)).drain()
        assert first_copies(broker.log) == keys(9)
        assert (broker.set_asides, refused) == ([REFUSED], ["inbound"])
        assert (spool.records, spool.bytes, spool.refused) == (0, 0, 0)


async def test_what_nobody_takes_stays_aside_in_the_spool_until_people_let_it_go_again(tmp_path: Path) -> None:
    broker = Broker()
    broker.refuses_dead_letters = True
    async with opened(tmp_path) as spool:
        await spool.append([line("k0"), line(REFUSED.decode()), line("k1")])
        assert first_copies(await drained(spool, broker)) == keys(2)
        assert (spool.records, spool.refused, spool.bytes) == (0, 1, sizes([line(REFUSED.decode())]))
    async with opened(tmp_path) as spool:
        assert (spool.records, spool.refused, spool.bytes) == (0, 1, sizes([line(REFUSED.decode())]))
        broker.refuses_dead_letters = False
        await spool.release()
        await drained(spool, broker)
        assert (broker.set_asides, spool.refused, spool.records, spool.bytes) == ([REFUSED], 0, 0, 0)


async def test_what_the_broker_has_and_the_disk_cannot_let_go_of_is_forwarded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = Broker()
    async with opened(tmp_path) as spool:
        await spool.append([line("k0")])
        forwarder = Forwarder(spool, broker)
        with monkeypatch.context() as patch:
            patch.setattr(Store, "remove", lambda _self, _last: (_ for _ in ()).throw(Broken("the disk")))
            for _ in range(3):
                with pytest.raises(Broken):
                    await forwarder.drain()
            assert (broker.log, spool.records) == (keys(1), 0)
        await spool.append([line("k1")])
        await forwarder.drain()
        assert (broker.log, spool.bytes) == (keys(2), 0)


async def test_a_lone_forwarder_goes_on_after_the_broker_was_away(tmp_path: Path) -> None:
    broker = Broker()
    async with opened(tmp_path) as spool:
        broker.pause()
        forwarding = asyncio.create_task(Forwarder(spool, broker, pause=0.01).run())
        await spool.append([line("k0")])
        while not broker._waiting:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)
        await spool.append([line("k1")])
        broker.lose(written=1)
        broker.connect(asyncio.get_running_loop())
        broker.resume()
        await asyncio.wait_for(spool.emptied(), 5)
        await spool.append([line("k2")])
        await asyncio.wait_for(spool.emptied(), 5)
        forwarding.cancel()
        assert first_copies(broker.log) == keys(3)


async def test_nothing_that_went_can_be_read_on_the_disk_any_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as spool:
        await spool.append([line(f"k{n}", b"Kanarie van de Kade 12 " * 300) for n in range(50)])
        assert b"Kanarie" in everything(tmp_path)
        await drained(spool, Broker())
        assert b"Kanarie" not in everything(tmp_path)
        assert len(everything(tmp_path)) < 200_000
    assert b"Kanarie" not in everything(tmp_path)


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_nor_what_went_while_something_else_still_waits(tmp_path: Path) -> None:
    """Once SQLite has moved its log into the file, which it does by itself every few megabytes."""
    async with opened(tmp_path) as spool:
        await spool.append([line(f"k{n}", b"Kanarie van de Kade 12 " * 300) for n in range(50)])
        await spool.append([line("waits")])
        rows = await spool.head(0, 50)
        spool.acknowledged(50)
        await spool.remove(rows[-1].number, sum(row.size for row in rows))
        with closing(sqlite3.connect(tmp_path / FILE)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert b"Kanarie" not in everything(tmp_path)
        assert spool.records == 1


async def test_its_age_is_that_of_the_oldest_that_still_waits(tmp_path: Path) -> None:
    clock, broker = ManualClock(NOW), Broker()
    async with opened(tmp_path, clock=clock) as spool:
        for n in range(2):
            await spool.append([line(f"k{n}")])
            clock.advance(60)
        assert spool.age == 120
        rows = await spool.head(0, 1)
        await broker.carry([rows[0].line])
        spool.acknowledged(1)
        await spool.head(rows[0].number, 1)
        assert spool.age == 60


async def test_with_nothing_to_do_it_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    head = Store.head

    def counted(self: Store, after: int, most: int) -> list[Row]:
        looks.append(after)
        return head(self, after, most)

    monkeypatch.setattr(Store, "head", counted)
    async with opened(tmp_path) as spool:
        forwarding = asyncio.create_task(Forwarder(spool, Broker()).run())
        await spool.append([line("k0")])
        await spool.emptied()
        await asyncio.sleep(0.1)
        assert len(looks) <= 4
        forwarding.cancel()


async def test_a_full_spool_is_not_called_well_because_its_disk_is(tmp_path: Path) -> None:
    async with opened(tmp_path, limit=10) as spool:
        with pytest.raises(Full):
            await spool.append([line("k0")])
        await spool.probe()
        assert spool.failing == "it holds as much as it may"


async def test_a_file_that_is_none_is_waited_for_and_opened_once_it_is_mended(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database at all, it is something else" * 100)
    spool = Spool(tmp_path, PLENTY, ManualClock(NOW))
    for _ in range(2):
        with pytest.raises(Broken):
            await spool.open(0)
    (tmp_path / FILE).unlink()
    await spool.open(0)
    await spool.close()


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "spools" / "0"
    async with opened(folder) as spool:
        await spool.append([line("k0")])
        assert folder.stat().st_mode & 0o077 == 0
        assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}


async def test_a_spool_that_holds_something_and_has_no_owner_is_seen_by_the_others(tmp_path: Path) -> None:
    async with opened(tmp_path / "0") as spool:
        await spool.append([line("k0")])
        assert abandoned(tmp_path / "1") == []
    async with opened(tmp_path / "2"):
        pass
    (found,) = abandoned(tmp_path / "1")
    assert (found.name, found.totals and found.totals.records) == ("0", 1)
    assert abandoned(tmp_path / "0") == []


def test_a_spool_without_owner_that_cannot_be_read_is_seen_too(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / FILE).write_bytes(b"this is no database at all, it is something else" * 100)
    assert abandoned(tmp_path / "1") == [("0", None)]


def test_who_looks_keeps_nobody_from_taking_it_afterwards(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.append([(1.0, line("k0"))])
    store.close()
    with nobodys(tmp_path), nobodys(tmp_path):
        assert not has_owner(tmp_path)
    abandoned(tmp_path / "other")
    claim = Claim(tmp_path)
    claim.take()
    assert has_owner(tmp_path)
    claim.release()
