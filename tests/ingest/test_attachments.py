"""A file is on disk, whole and under the digest of what is in it, before its message is taken."""

import asyncio
import os
from hashlib import sha256
from pathlib import Path

import pytest

from services.channels.base import File
from services.ingest.attachments import Attachments
from tests.ingest.town import ZONNEDAEL, Hub, message, running


def file(content: bytes) -> File:
    return File(sha256(content).hexdigest(), content)


def files_in(folder: Path) -> list[bytes]:
    """Each once, by however many names."""
    found = {path.stat().st_ino: path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    return [path.read_bytes() for path in found.values()]


async def test_a_file_is_found_by_what_is_in_it(tmp_path: Path) -> None:
    kept, photo = Attachments(tmp_path / "new" / "folder"), file(b"foto")
    await kept.keep([(ZONNEDAEL, photo)])
    assert kept.place(ZONNEDAEL, photo.sha256).read_bytes() == b"foto"


async def test_two_municipalities_share_no_file(tmp_path: Path) -> None:
    kept, photo = Attachments(tmp_path), file(b"foto")
    await kept.keep([(ZONNEDAEL, photo), (None, photo)])
    assert len({kept.place(oin, photo.sha256) for oin in (ZONNEDAEL, None)}) == 2
    assert len(files_in(tmp_path)) == 2


async def test_the_same_file_many_times_at_once_is_one_file(tmp_path: Path) -> None:
    kept, photo = Attachments(tmp_path), file(os.urandom(500_000))
    await asyncio.gather(*(kept.keep([(ZONNEDAEL, photo)]) for _ in range(20)))
    assert files_in(tmp_path) == [photo.content]


async def test_it_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, photo, synced = Attachments(tmp_path), file(b"foto"), []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(
            (str(Path(f"/proc/self/fd/{descriptor}").readlink()), kept.place(ZONNEDAEL, photo.sha256).exists())
        )
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    await kept.keep([(ZONNEDAEL, photo)])
    content = [named for path, named in synced if path.endswith(".part")]
    assert content == [False]
    assert synced[-1] == (str(kept.place(ZONNEDAEL, photo.sha256).parent), True)


async def test_a_message_whose_file_cannot_be_kept_has_to_come_again(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("no folder")
    async with running(tmp_path / "full") as hub:
        assert await hub.deliver(message(files=["foto.jpg"])) == 503
        assert not hub.bus.outgoing
        assert await hub.deliver(message()) == 200


async def test_the_files_of_a_message_are_kept_before_it(hub: Hub, tmp_path: Path) -> None:
    hub.bus.away = True
    assert await hub.deliver(message(files=["foto.jpg"])) == 503
    assert files_in(tmp_path) == [b"inhoud van foto.jpg"]
