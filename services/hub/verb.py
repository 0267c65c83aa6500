"""How a verb explains itself: what it does, whether that can be undone, and an example that can be typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import typer

F = TypeVar("F", bound=Callable[..., Any])


class Effect(StrEnum):
    """What is left of a verb when it is done."""

    READS = "Only reads."
    UNDOABLE = "Can be undone"
    FINAL = "Cannot be undone"


@dataclass(frozen=True)
class Explained:
    """What the help says beside the options. `how`: how it is undone, or why it is not."""

    effect: Effect
    examples: tuple[str, ...]
    how: str = ""

    def help(self, doc: str) -> str:
        """Return the text of --help."""
        effect = f"{self.effect}: {self.how}" if self.how else str(self.effect)
        examples = "\n".join(f"  {example}" for example in self.examples)
        return f"{joined(doc)}\n\n{effect}\n\n\b\nFor example:\n{examples}"


EXPLAINED: dict[str, Explained] = {}
"""By the function of each verb."""


def reads(*examples: str) -> Callable[[F], F]:
    """Explain a verb that changes nothing."""
    return _explain(Explained(Effect.READS, examples))


def undoable(how: str, *examples: str) -> Callable[[F], F]:
    """Explain a verb that another one takes back."""
    return _explain(Explained(Effect.UNDOABLE, examples, how))


def final(why: str, *examples: str) -> Callable[[F], F]:
    """Explain a verb that nothing takes back."""
    return _explain(Explained(Effect.FINAL, examples, why))


def add(app: typer.Typer, name: str, function: Callable[..., Any]) -> None:
    """Make a verb of an explained function."""
    explained = EXPLAINED[_key(function)]
    doc = function.__doc__ or ""
    app.command(name, help=explained.help(doc), short_help=joined(doc).partition("\n")[0])(function)


def _explain(explained: Explained) -> Callable[[F], F]:
    def remember(function: F) -> F:
        EXPLAINED[_key(function)] = explained
        return function

    return remember


def _key(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def joined(doc: str) -> str:
    """Return paragraphs without the line breaks of the source."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in doc.split("\n\n"))
