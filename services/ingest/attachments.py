"""Files that came with a message: a folder where each is found by what is in it, and on disk before we say so."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

from services.channels.base import File

NOBODYS = "nobodys"
"""The folder of files whose municipality is not known."""


class Attachments:
    """The folder: `<OIN>/<first two digits>/<sha256>`. A municipality's files can be thrown away as one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, files: Iterable[tuple[str | None, File]]) -> None:
        """Write files, each with the OIN of whose it is, and return when they would outlive a power cut.

        Raises OSError. A file that is already there is not written again.
        """
        await asyncio.to_thread(self._keep_all, list(files))

    def place(self, oin: str | None, sha256: str) -> Path:
        """Return where a file is, or would be."""
        return self._folder / (oin or NOBODYS) / sha256[:2] / sha256

    def _keep_all(self, files: list[tuple[str | None, File]]) -> None:
        for oin, file in files:
            _keep(file, self.place(oin, file.sha256))


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
