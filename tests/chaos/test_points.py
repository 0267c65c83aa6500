"""The list of crash points is the one that the code passes and the one that the documents give."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import with_points
from services.runtime.process.crash import POINTS, killing
from tests.needs import ROOT

PAGE = ROOT / "docs" / "delivery-guarantees.md"


def passed() -> Iterator[str]:
    for path in (ROOT / "services").rglob("*.py"):
        yield from literals(path)


def literals(path: Path) -> Iterator[str]:
    """Every string that stands whole in a module and is passed to a function that says where the process is."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"crash.here", "_passed"}:
            match node.args[0]:
                case ast.Constant(value=str(point)):
                    yield point


def test_every_point_is_passed_once_and_every_one_that_is_passed_is_a_point() -> None:
    assert sorted(passed()) == sorted(POINTS)


def test_the_documents_say_what_happens_at_each_point() -> None:
    page = PAGE.read_text("utf-8")
    assert [point for point in POINTS if f"| `{point}` |" not in page] == []
    assert with_points(page) == page


def test_it_dies_there_and_nowhere_else() -> None:
    died: list[str] = []
    here = killing("bus.after_commit", lambda: died.append("now"))
    here("bus.before_commit")
    assert died == []
    here("bus.after_commit")
    assert died == ["now"]


def test_it_dies_the_third_time_and_not_again() -> None:
    died: list[int] = []
    here = killing("bus.after_commit:3", lambda: died.append(times))
    for times in range(1, 6):  # noqa: B007 - read by the function above
        here("bus.after_commit")
    assert died == [3]


@pytest.mark.parametrize("wanted", ["bus.nowhere", "bus.after_commit:often", "", ":2"])
def test_a_point_that_is_none_is_refused(wanted: str) -> None:
    with pytest.raises(ValueError, match="no such point"):
        killing(wanted, lambda: None)
