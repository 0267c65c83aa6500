"""The files of an erased message go, but for those that another message came with too."""

import asyncio
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.cloudevents import CloudEvent, encode
from schemas.events import MessageErased
from schemas.ids import derived
from schemas.topics import ERASED
from services.channels.base import File
from services.ingest.attachments import Attachments
from services.ingest.eraser import Eraser
from services.ingest.holders import Hold
from tests.ingest.town import NOW, ZONNEDAEL, message, running

OTHER = "00000001823288445000"
ONE, TWO = derived("message", 1), derived("message", 2)


def file(content: bytes) -> File:
    return File(sha256(content).hexdigest(), content)


PHOTO, DRAWING = file(b"foto van de lantaarn"), file(b"tekening")


async def keep(kept: Attachments, holder: str, *files: File, oin: str = ZONNEDAEL) -> None:
    await kept.keep([(oin, each) for each in files], [Hold(oin, each.sha256, holder) for each in files])


def contents(folder: Path) -> set[bytes]:
    return {path.read_bytes() for path in folder.rglob("*") if path.is_file()} - {b""}


async def test_a_file_goes_with_its_message(tmp_path: Path) -> None:
    kept = Attachments(tmp_path)
    await keep(kept, ONE, PHOTO, DRAWING)
    assert await kept.erase(ZONNEDAEL, ONE) == 2
    assert contents(tmp_path) == set()


async def test_a_file_of_two_messages_stays_until_the_last_of_them_goes(tmp_path: Path) -> None:
    kept = Attachments(tmp_path)
    await keep(kept, ONE, PHOTO)
    await keep(kept, TWO, PHOTO, DRAWING)
    assert await kept.erase(ZONNEDAEL, ONE) == 0
    assert kept.place(ZONNEDAEL, PHOTO.sha256).read_bytes() == PHOTO.content
    assert await kept.erase(ZONNEDAEL, TWO) == 2
    assert contents(tmp_path) == set()


async def test_another_municipalitys_copy_stays(tmp_path: Path) -> None:
    kept = Attachments(tmp_path)
    await keep(kept, ONE, PHOTO)
    await keep(kept, ONE, PHOTO, oin=OTHER)
    await kept.erase(ZONNEDAEL, ONE)
    assert kept.place(OTHER, PHOTO.sha256).read_bytes() == PHOTO.content


async def test_erased_twice_is_erased_once(tmp_path: Path) -> None:
    kept = Attachments(tmp_path)
    await keep(kept, ONE, PHOTO)
    assert [await kept.erase(ZONNEDAEL, ONE) for _ in range(2)] == [1, 0]


async def test_the_same_picture_sent_again_later_is_kept(tmp_path: Path) -> None:
    kept = Attachments(tmp_path)
    await keep(kept, ONE, PHOTO)
    await kept.erase(ZONNEDAEL, ONE)
    await keep(kept, TWO, PHOTO)
    await kept.erase(ZONNEDAEL, ONE)
    assert contents(tmp_path) == {PHOTO.content}


async def test_killed_while_erasing_it_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Attachments(tmp_path)
    await keep(kept, ONE, PHOTO)
    place, unlink = kept.place(ZONNEDAEL, PHOTO.sha256), Path.unlink

    def killed(path: Path, *, missing_ok: bool = False) -> None:
        if path != place:
            raise InterruptedError
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", killed)
        with pytest.raises(InterruptedError):
            await kept.erase(ZONNEDAEL, ONE)
    await keep(kept, TWO, PHOTO)
    await kept.erase(ZONNEDAEL, ONE)
    assert kept.place(ZONNEDAEL, PHOTO.sha256).read_bytes() == PHOTO.content
    await kept.erase(ZONNEDAEL, TWO)
    assert contents(tmp_path) == set()


async def test_kept_and_erased_at_once_by_many_nothing_is_lost_and_nothing_left(tmp_path: Path) -> None:
    folder = [Attachments(tmp_path) for _ in range(4)]
    names = [derived("message", n) for n in range(40)]
    shared = file(os.urandom(20_000))
    stays = names[::2]

    async def live(n: int, name: str) -> None:
        await keep(folder[n % 4], name, shared)
        if name not in stays:
            await folder[(n + 1) % 4].erase(ZONNEDAEL, name)

    await asyncio.gather(*(live(n, name) for n, name in enumerate(names)))
    assert folder[0].place(ZONNEDAEL, shared.sha256).read_bytes() == shared.content
    for name in stays:
        await folder[0].erase(ZONNEDAEL, name)
    assert contents(tmp_path) == set()


@pytest.mark.parametrize("holder", ["..", "../../x", "a/b", "", "x" * 36, "/etc"])
async def test_only_our_own_ids_become_a_path(tmp_path: Path, holder: str) -> None:
    kept = Attachments(tmp_path / "files")
    await keep(kept, ONE, PHOTO)
    assert await kept.erase(ZONNEDAEL, holder) == 0
    assert contents(tmp_path) == {PHOTO.content}


# --- what dead letters held ----------------------------------------------------------------------------------


def written_at(folder: Path) -> datetime:
    [links] = folder.glob("*/letters/*/*")
    return datetime.fromtimestamp(links.stat().st_mtime, UTC)


async def test_the_bytes_of_a_dead_letter_go_when_it_is_gone_and_no_sooner(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert (await hub.post(b"nonsense " * 5_000)).status == 200
        [letter] = hub.bus.set_aside
        assert letter.file
    kept = Attachments(tmp_path)
    written = written_at(tmp_path)
    assert await kept.sweep(written - timedelta(seconds=1)) == 0
    assert contents(tmp_path) == {b"nonsense " * 5_000}
    assert await kept.sweep(written + timedelta(seconds=1)) == 1
    assert contents(tmp_path) == set()


async def test_what_a_message_holds_is_never_swept(tmp_path: Path) -> None:
    kept = Attachments(tmp_path)
    await keep(kept, ONE, PHOTO)
    await kept.keep([(ZONNEDAEL, PHOTO)], [Hold(ZONNEDAEL, PHOTO.sha256, TWO, is_letter=True)])
    assert await kept.sweep(datetime.now(UTC) + timedelta(days=1)) == 0
    assert contents(tmp_path) == {PHOTO.content}


# --- from the webhook to the topic `erased` ------------------------------------------------------------------


@dataclass
class Record:
    """As it is read."""

    headers: list[tuple[str, bytes]]
    value: bytes | None
    topic: str = ERASED.name
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    key: bytes | None = None


def erased(name: str, oin: str = ZONNEDAEL) -> Record:
    data = MessageErased(tenant=oin, conversation="c", message=name, number=1)
    return Record(*encode(CloudEvent("erased", "hub", NOW, data)))


async def test_a_picture_that_came_by_a_webhook_goes_when_its_message_is_told_to_be_erased(tmp_path: Path) -> None:
    async with running(tmp_path) as hub:
        assert await hub.deliver(message(id="m1", files=["foto.jpg"])) == 200
        assert await hub.deliver(message(id="m2", files=["foto.jpg"])) == 200
        names = [event.id for event in hub.bus.events]
        eraser = Eraser(Attachments(tmp_path))
        await eraser.take([erased(names[0])])
        assert contents(tmp_path) == {b"inhoud van foto.jpg"}
        await eraser.take([Record([], b"garbage"), erased(names[1])])
        assert contents(tmp_path) == set()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ke"), st.integers(0, 4), st.integers(0, 2)), max_size=30))
def test_whatever_the_order_a_file_is_there_exactly_while_somebody_holds_it(steps: list[tuple[str, int, int]]) -> None:
    import tempfile  # noqa: PLC0415 - a fresh folder for each example

    files, holding = [file(bytes([n])) for n in range(3)], dict[int, set[int]]()
    with tempfile.TemporaryDirectory() as folder:
        kept = Attachments(Path(folder))
        for what, name, content in steps:
            holder = derived("message", name)
            if what == "k":
                kept._keep_all([(ZONNEDAEL, files[content])], [Hold(ZONNEDAEL, files[content].sha256, holder)])
                holding.setdefault(name, set()).add(content)
            else:
                kept._erase(ZONNEDAEL, holder)
                holding.pop(name, None)
        there = {n for n, each in enumerate(files) if kept.place(ZONNEDAEL, each.sha256).exists()}
    assert there == set().union(*holding.values())
