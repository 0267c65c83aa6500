"""How a verb ends when it does not end well. Nothing of a citizen's is in these messages: they go to a terminal.

HubError            exit code
  WrongUse          2   what was asked cannot be: mend the command, the settings or the file
  Unreachable       3   the broker, the bridge or the router does not answer: try again, or look at them
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class Exit(IntEnum):
    """What a script is told."""

    OK = 0
    FOUND = 1
    """Something is wrong with what was looked at, or what was asked was refused."""
    WRONG_USE = 2
    UNREACHABLE = 3


class HubError(Exception):
    """A verb cannot do what it was asked."""

    code: ClassVar[Exit] = Exit.FOUND


class WrongUse(HubError):
    """What was asked cannot be."""

    code = Exit.WRONG_USE


class Unreachable(HubError):
    """Somebody does not answer."""

    code = Exit.UNREACHABLE
