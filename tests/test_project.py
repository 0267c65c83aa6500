"""The ground under the house: what the make file, the lock, the wheel and the licence promise."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.needs import ROOT, need_program, need_shared

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()


def make(*arguments: str) -> str:
    command = [need_program("make", package="make"), "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def described() -> list[str]:
    return re.findall(r"^  make ([a-z-]+) ", make("help"), re.MULTILINE)


def test_help_names_every_command() -> None:
    commands = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert described() == commands[0].split()


@pytest.mark.parametrize("command", ["setup", "run", "test", "check", "bench", "schemas", "clean"])
def test_a_newcomer_finds(command: str) -> None:
    assert command in described()


def test_set_up_does_nothing_when_nothing_changed(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    assert "Nothing to be done" in make("-C", str(tmp_path), "setup")


@pytest.mark.parametrize(
    ("python", "said"),
    [
        pytest.param('case "$2" in *version_info*) exit 1;; esac', "is older than 3.11", id="too old"),
        pytest.param('case "$2" in venv) exit 1;; esac', "apt install python3-venv", id="without venv"),
    ],
)
def test_set_up_says_what_to_do_about_a_python_that_is(python: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "pyproject.toml").touch()
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{python}\n")
    fake.chmod(0o755)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        make("-C", str(tmp_path), "setup", f"PYTHON={fake}")
    assert said in failed.value.stdout
    assert not (tmp_path / ".venv").exists()


def entries() -> list[str]:
    """The lock, package by package: name and version, hashes, and who asks for it."""
    return [entry for entry in re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE) if entry]


def locked() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[.+\])?==([^ ;]+)", LOCK, re.MULTILINE))


def declared() -> list[Requirement]:
    dependencies = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
    return [Requirement(line) for line in dependencies]


def test_the_lock_names_no_place_to_get_things_from() -> None:
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert "--find-links" not in LOCK


def test_the_lock_pins_every_package_by_hash() -> None:
    loose = [entry for entry in entries() if "==" not in entry or "--hash=sha256:" not in entry]
    assert not loose


@pytest.mark.parametrize("wanted", declared(), ids=str)
def test_the_lock_holds_what_the_project_declares(wanted: Requirement) -> None:
    assert wanted.specifier.contains(locked()[wanted.name])


def test_the_lock_holds_nothing_else_in_our_name() -> None:
    ours = {entry.split("==")[0] for entry in entries() if "berichtenhub (pyproject" in entry}
    assert {name.split("[")[0] for name in ours} == {wanted.name for wanted in declared()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


@pytest.mark.parametrize("room", ["schemas/events.py", "services/channels/base.py"])
def test_the_wheel_holds(room: str, wheel: list[str]) -> None:
    assert room in wheel


@pytest.mark.parametrize("room", ["cases", "tests", "demo", "deploy", "bench"])
def test_the_wheel_leaves_at_home(room: str, wheel: list[str]) -> None:
    assert not [name for name in wheel if room in Path(name).parts]


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("module", sorted((ROOT / "schemas").rglob("*.py")), ids=lambda path: path.name)
def test_the_contract_touches_only_pydantic_and_the_standard_library(module: Path) -> None:
    assert set(imported(module)) <= sys.stdlib_module_names | {"pydantic", "schemas"}


def test_what_the_product_says_of_itself_is_complete() -> None:
    """https://yml.publiccode.tools/schema.core.html"""
    said = yaml.safe_load((ROOT / "publiccode.yml").read_text())
    assert said["softwareVersion"] == PROJECT["project"]["version"]
    assert said["legal"]["license"] == PROJECT["project"]["license"] == "EUPL-1.2"
    assert set(said["description"]) == {"nl", "en"}
    for words in said["description"].values():
        assert len(words["shortDescription"]) <= 150 <= len(words["longDescription"])
        assert words["features"]


@pytest.mark.parametrize(
    ("required", "outcome"),
    [
        pytest.param("", pytest.skip.Exception, id="skipped here"),
        pytest.param("all", pytest.fail.Exception, id="a failure where all is required"),
    ],
)
def test_a_missing_program_is(required: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_REQUIRE", required)
    with pytest.raises(outcome, match="apt install the-package"):
        need_program("no-such-program", package="the-package")


def test_the_makers_data_may_always_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_REQUIRE", "all")
    with pytest.raises(pytest.skip.Exception, match="no-such-folder"):
        need_shared("no-such-folder")
