"""A channel is found by its folder, and by nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from services.channels import loader
from services.channels.base import Channel
from services.channels.loader import UnknownChannel, available, load, load_all

CHANNEL = """
from services.channels.base import Limits

class Pigeon:
    name = "pigeon"
    providers = ("own",)
    limits = Limits(max_text=40)
    def verify(self, request, endpoint): ...
    def parse(self, request, endpoint): return []
    {send}
"""
SEND = "async def send(self, outbound, http): ..."


def test_every_folder_with_a_channel_is_available() -> None:
    room = Path(loader.__file__).parent
    assert set(available()) == {found.parent.name for found in room.glob("*/channel.py")}
    assert "whatsapp" in available()


def test_all_channels_load_and_keep_the_contract() -> None:
    assert all(isinstance(channel, Channel) for channel in load_all().values())
    assert tuple(load_all()) == available()


def test_a_name_that_no_folder_has_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownChannel, match="whatsapp"):
        load("postduif")


@pytest.mark.parametrize("name", ["../whatsapp", "whatsapp.channel", "", "base"])
def test_a_name_is_a_folder_and_no_path(name: str) -> None:
    with pytest.raises(UnknownChannel):
        load(name)


@pytest.fixture
def pigeon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder beside the others, without an edit anywhere."""
    folder = tmp_path / "pigeon"
    folder.mkdir()
    monkeypatch.setattr(loader, "_HERE", tmp_path)
    package = ModuleType("services.channels.pigeon")
    package.__path__ = [str(folder)]
    monkeypatch.setitem(sys.modules, "services.channels.pigeon", package)
    yield folder
    sys.modules.pop("services.channels.pigeon.channel", None)


def test_adding_a_folder_is_adding_a_channel(pigeon: Path) -> None:
    (pigeon / "channel.py").write_text(CHANNEL.format(send=SEND))
    assert available() == ("pigeon",)
    assert load("pigeon").name == "pigeon"


def test_a_folder_that_breaks_the_contract_is_refused_at_once(pigeon: Path) -> None:
    (pigeon / "channel.py").write_text(CHANNEL.format(send=""))
    with pytest.raises(TypeError, match="contract"):
        load("pigeon")
