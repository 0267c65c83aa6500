"""Finds channels: every folder here that holds a channel.py with one class that keeps the contract."""

from __future__ import annotations

from importlib import import_module
from inspect import isclass
from pathlib import Path
from types import ModuleType

from services.channels.base import Channel

_HERE = Path(__file__).parent


class UnknownChannel(LookupError):
    """Configuration names a channel that no folder has. The message lists those that exist."""


def available() -> tuple[str, ...]:
    """Return the names of all channels there are, by folder."""
    return tuple(sorted(found.parent.name for found in _HERE.glob("*/channel.py")))


def load(name: str) -> Channel:
    """Return the channel in the folder of this name; raises UnknownChannel."""
    if name not in available():
        raise UnknownChannel(f"there is no channel {name!r}; there are: {', '.join(available())}")
    return _only_channel(import_module(f"services.channels.{name}.channel"))


def load_all() -> dict[str, Channel]:
    """Return every channel by its name."""
    return {name: load(name) for name in available()}


def _only_channel(module: ModuleType) -> Channel:
    own = [thing for thing in vars(module).values() if isclass(thing) and thing.__module__ == module.__name__]
    (found,) = [thing for thing in own if hasattr(thing, "verify") and hasattr(thing, "parse")]
    channel = found()
    if not isinstance(channel, Channel):
        raise TypeError(f"{module.__name__} does not keep the contract of services/channels/base.py")
    return channel
