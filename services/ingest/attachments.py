"""Files that came with a message: a folder where each is found by what is in it, and on disk before we say so.

A file that came with several messages is there once, and each of them holds it by a link of its own: so it goes when
the last of them is erased. Who keeps and who erases wait for each other, also between replicas.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

from services.channels.base import File
from services.ingest.holders import Hold

NOBODYS = "nobodys"
"""The folder of files whose municipality is not known."""
HELD, LETTERS = "held", "letters"
"""The folders of links, beside the files: of messages, and of dead letters."""
_ID = re.compile(r"[0-9a-f-]{36}")
"""Ids of ours: nothing else becomes a path."""
_LAST = 2
"""Names of a file that one message holds: its own and the link."""


class Attachments:
    """The folder: `<OIN>/<first two digits>/<sha256>`. A municipality's files can be thrown away as one.

    `<OIN>/held/<first two of the id>/<id>/<sha256>` are the links by the id of a message; `letters` instead of `held`
    by that of a dead letter.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, files: Iterable[tuple[str | None, File]], held: Iterable[Hold] = ()) -> None:
        """Write files, each with the OIN of whose it is, and return when they would outlive a power cut.

        `held` says who holds which of them. Raises OSError. A file that is already there is not written again.
        """
        await asyncio.to_thread(self._keep_all, list(files), list(held))

    async def erase(self, oin: str | None, holder: str) -> int:
        """Throw away what only this message holds, and return how many files that were; raises OSError."""
        return await asyncio.to_thread(self._erase, oin, holder)

    async def sweep(self, before: datetime) -> int:
        """Throw away what only dead letters from before this hold; returns how many files, raises OSError."""
        return await asyncio.to_thread(self._sweep, before.timestamp())

    def place(self, oin: str | None, sha256: str) -> Path:
        """Return where a file is, or would be."""
        return self._folder / (oin or NOBODYS) / sha256[:2] / sha256

    def _links(self, oin: str | None, holder: str, kind: str = HELD) -> Path:
        return self._folder / (oin or NOBODYS) / kind / holder[:2] / holder

    def _keep_all(self, files: list[tuple[str | None, File]], held: list[Hold]) -> None:
        for oin in dict.fromkeys(oin for oin, _ in files):
            theirs = {file.sha256: file for owner, file in files if owner == oin}
            with self._alone(oin):
                self._keep_theirs(oin, theirs, [hold for hold in held if hold.oin == oin and hold.sha256 in theirs])

    def _keep_theirs(self, oin: str | None, files: dict[str, File], held: list[Hold]) -> None:
        for sha256, file in files.items():
            _keep(file, self.place(oin, sha256))
        for hold in held:
            kind = LETTERS if hold.is_letter else HELD
            _link(self.place(oin, hold.sha256), self._links(oin, hold.holder, kind))

    def _erase(self, oin: str | None, holder: str) -> int:
        links = self._links(oin, holder)
        return self._let_go_of_all(oin, links) if _ID.fullmatch(holder) and links.is_dir() else 0

    def _sweep(self, before: float) -> int:
        old = [links for links in self._folder.glob(f"*/{LETTERS}/*/*") if links.stat().st_mtime < before]
        return sum(self._let_go_of_all(_owner(links), links) for links in old)

    def _let_go_of_all(self, oin: str | None, links: Path) -> int:
        with self._alone(oin):
            found = sum(_let_go(link, self.place(oin, link.name)) for link in sorted(links.iterdir()))
            with suppress(FileNotFoundError):
                links.rmdir()
        return found

    @contextmanager
    def _alone(self, oin: str | None) -> Iterator[None]:
        """Hold a municipality's folder for oneself: nobody links to a file that is just being thrown away."""
        folder = self._folder / (oin or NOBODYS)
        _make_folder(folder)
        with (folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _owner(links: Path) -> str | None:
    name = links.parents[2].name
    return None if name == NOBODYS else name


def _link(place: Path, links: Path) -> None:
    _make_folder(links)
    with suppress(FileExistsError):
        (links / place.name).hardlink_to(place)
    _sync_folder(links)


def _let_go(link: Path, place: Path) -> bool:
    """Unlink; the file itself goes first when nobody else holds it, so that whoever is killed between can go on."""
    last = link.stat().st_nlink <= _LAST and place.exists() and place.samefile(link)
    if last:
        place.unlink()
    link.unlink()
    return last


def _keep(file: File, place: Path) -> None:
    _make_folder(place.parent)
    if not place.exists():
        _write(file.content, place)
    _sync_folder(place.parent)


def _write(content: bytes, place: Path) -> None:
    """Write aside and move: under its name a file is whole or not there, also when two write it at once."""
    with NamedTemporaryFile(dir=place.parent, suffix=".part", delete=False) as aside:
        aside.write(content)
        aside.flush()
        os.fsync(aside.fileno())
    Path(aside.name).replace(place)


def _make_folder(folder: Path) -> None:
    if folder.exists():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
