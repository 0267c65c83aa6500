"""What `hub` says of itself holds: every verb teaches, and ends as it promises."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from docs.generate import hub_page
from services.hub.desk import age, harmless
from services.hub.errors import Exit
from services.hub.main import verbs
from services.hub.settings import hub_settings, kafka_settings
from services.hub.verb import EXPLAINED, Effect
from tests.hub.conftest import Hub
from tests.needs import ROOT

PROMISED = [
    *("topics", "lag", "tail", "trace", "check", "classify"),
    *("reply", "correct", "hand-over", "claim", "release", "note", "close", "erase"),
    *("dead-letters.list", "dead-letters.show", "dead-letters.replay"),
    *("spool.status", "spool.drain"),
]


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - typer's
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(typer.main.get_command(verbs)))
paths = pytest.mark.parametrize("path", ALL, ids=".".join)


def help_of(path: tuple[str, ...]) -> str:
    return CliRunner().invoke(verbs, [*path, "--help"]).output


def test_it_has_the_verbs_that_are_promised() -> None:
    assert sorted(map(".".join, ALL)) == sorted(PROMISED)


@paths
def test_help_says_what_is_left_of_it(path: tuple[str, ...]) -> None:
    said = help_of(path)
    assert sum(f"\n  {effect}" in said for effect in Effect) == 1


@paths
def test_help_has_an_example_that_can_be_typed(path: tuple[str, ...]) -> None:
    examples = re.findall(r"^    (?:.*\| )?(hub .+)$", help_of(path), re.MULTILINE)
    assert examples
    for example in examples:
        typed = re.sub(r"\$\(.*\)", "x", example)
        program, *words = shlex.split(re.split(r" [|>&]|\|\|", typed)[0])
        assert program == "hub"
        assert tuple(words[: len(path)]) == path
        ALL[path].make_context("hub", words[len(path) :])


def test_the_verbs_that_change_something_are_known() -> None:
    changing = {key.rpartition(".")[2] for key, each in EXPLAINED.items() if each.effect is not Effect.READS}
    assert changing == {
        "reply",
        "correct",
        "hand_over",
        "claim",
        "release",
        "note",
        "close",
        "erase",
        "replay",
        "drain",
    }


def test_help_says_how_it_ends() -> None:
    said = " ".join(help_of(()).split())
    for code in Exit:
        assert str(code.value) in said
    assert "when the broker, the bridge or the router does not answer" in said


NEEDING_A_BROKER = [
    pytest.param(words, id=" ".join(words))
    for words in (
        ("lag",),
        ("tail", "waste"),
        ("trace", "x"),
        ("reply", "12345678", "x"),
        ("close", "some-conversation"),
        ("dead-letters", "list"),
        ("dead-letters", "replay", "x"),
    )
]


@pytest.mark.parametrize("words", NEEDING_A_BROKER)
def test_without_a_broker_it_says_so_and_ends_with_3(words: tuple[str, ...], hub: Hub) -> None:
    result = hub(*words)
    assert result.exit_code == Exit.UNREACHABLE
    assert result.stderr.startswith("hub: the broker does not answer")
    assert result.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("topics",), id="without a tenants file"),
        pytest.param(("nonsense",), id="an unknown verb"),
        pytest.param(("tail",), id="no department"),
        pytest.param(("classify",), id="nothing to classify"),
        pytest.param(("classify", "a", "--jsonl", "b"), id="two things to classify"),
        pytest.param(("close", "12345678", "--reason", "because"), id="a reason that is none"),
    ],
)
def test_wrong_use_ends_with_2(words: tuple[str, ...], hub: Hub) -> None:
    result = hub(*words)
    assert (result.exit_code, result.stdout) == (Exit.WRONG_USE, "")
    assert result.stderr


# --- settings ---


@pytest.fixture
def remembered(tmp_path: Path) -> Path:
    path = tmp_path / "environment"
    path.write_text(
        "# made by make run\nHUB_BRIDGE=http://file\nKAFKA_BOOTSTRAP=file:1\nHUB_TOKEN=a=b\nHUB_INSIGHT=x\n"
    )
    return path


@pytest.mark.parametrize(
    ("option", "variable", "wanted"),
    [
        pytest.param("http://option", "http://variable", "http://option", id="an option goes first"),
        pytest.param(None, "http://variable", "http://variable", id="then the environment"),
        pytest.param(None, None, "http://file", id="then what make run left behind"),
    ],
)
def test_settings_come_from(
    option: str | None, variable: str | None, wanted: str, remembered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HUB_BRIDGE", raising=False)
    if variable:
        monkeypatch.setenv("HUB_BRIDGE", variable)
    assert hub_settings(remembered, bridge=option).bridge == wanted


def test_what_make_run_left_behind_is_enough(remembered: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HUB_TOKEN", "KAFKA_BOOTSTRAP"):
        monkeypatch.delenv(name, raising=False)
    token = hub_settings(remembered).token
    assert token
    assert token.get_secret_value() == "a=b"
    assert kafka_settings(remembered).bootstrap == "file:1"


def test_without_it_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_BRIDGE", raising=False)
    assert hub_settings(tmp_path / "nothing").bridge == "http://127.0.0.1:8080"


# --- what a terminal is given ---


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param("kapot\x1b[2J\x1b]0;x\x07", "kapot�[2J�]0;x�", id="no orders to a terminal"),
        pytest.param("a\u202eb", "a�b", id="no text that runs backwards"),
        pytest.param("twee\nregels é €", "twee\nregels é €", id="lines and letters as they are"),
    ],
)
def test_a_citizens_words_are_only_words(given: str, shown: str) -> None:
    assert harmless(given) == shown


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "-"), (0.04, "0.0 s"), (59.0, "59.0 s"), (300, "5 min"), (7200, "2 h"), (172_800, "2 d")],
    ids=str,
)
def test_ages_are_for_people(seconds: float | None, said: str) -> None:
    assert age(seconds) == said


def test_the_page_in_the_documents_is_what_help_says_now() -> None:
    """`make schemas` writes it anew."""
    assert (ROOT / "docs" / "reference" / "hub.md").read_text("utf-8") == hub_page()
