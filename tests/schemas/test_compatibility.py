"""Whoever reads our events today can read them tomorrow: every revision against every released one."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas import generate
from schemas.compatibility import breaks
from schemas.events import EVENTS, PREFIX

RELEASED = Path(__file__).parents[2] / "schemas" / "released"
POLL = {"type": "object", "properties": {"kind": {"const": "poll", "type": "string"}}}
ROUTED = generate.json_schema(EVENTS["nl.berichtenhub.message.routed.v1"])


def released() -> list[Path]:
    return sorted(RELEASED.glob("*/*.json"))


@pytest.mark.parametrize("path", released(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_todays_schema_gets_along_with_the_released_one(path: Path) -> None:
    model = EVENTS.get(PREFIX + path.stem)
    assert model is not None, "an event that was released is gone"
    assert breaks(json.loads(path.read_text("utf-8")), generate.json_schema(model)) == []


def test_there_is_a_release_to_compare_with() -> None:
    assert released()


def test_a_schema_gets_along_with_itself() -> None:
    assert breaks(ROUTED, ROUTED) == []


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(lambda s: s["properties"].pop("reference") and s["required"].remove("reference"),
                     "older consumer: $.reference: needed", id="a field that readers need is gone"),
        pytest.param(lambda s: s["properties"]["number"].update(type="string"), "type string is read as integer",
                     id="a number became a text"),
        pytest.param(lambda s: s["required"].append("topic"), "newer consumer: $.topic: needed",
                     id="a field became needed that old events lack"),
        pytest.param(lambda s: s["$defs"]["AddressKind"]["enum"].append("pigeon"), "pigeon is not among",
                     id="a word was added to a closed list"),
        pytest.param(lambda s: s["$defs"]["AddressKind"]["enum"].remove("tel"), "newer consumer",
                     id="a word was taken from a closed list"),
        pytest.param(lambda s: s["$defs"]["Text"]["properties"]["text"].update(maxLength=9), "maxLength 16000 is over",
                     id="texts became shorter"),
        pytest.param(lambda s: s["$defs"]["Text"]["properties"]["text"].update(maxLength=99_000), "maxLength 99000",
                     id="texts became longer than readers take"),
        pytest.param(lambda s: s["$defs"]["Suggestion"]["properties"]["confidence"].update(maximum=100),
                     "maximum 100 is over", id="a share became a percentage"),
        pytest.param(lambda s: s["properties"]["department"].update(pattern=".*"), "pattern differs",
                     id="names are written otherwise"),
        pytest.param(lambda s: s["$defs"]["Text"].update(properties={"kind": {"const": "text"}}, required=[]),
                     "text: needed", id="a part lost its words"),
    ],
)  # fmt: skip
def test_a_breaking_change_is_caught(change: Change, why: str) -> None:
    mutant = copy.deepcopy(ROUTED)
    change(mutant)
    assert why in " | ".join(breaks(ROUTED, mutant))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda s: s["properties"].update(added={"type": "string"}), id="an optional field was added"),
        pytest.param(lambda s: s["properties"]["number"].update(description="other words"), id="better described"),
        pytest.param(lambda s: s["$defs"]["MessageReceived"]["properties"]["parts"]["items"]["oneOf"].append(POLL),
            id="a kind of part was added: older readers call it unknown"),
    ],
)  # fmt: skip
def test_a_harmless_change_is_let_through(change: Change) -> None:
    mutant = copy.deepcopy(ROUTED)
    change(mutant)
    assert breaks(ROUTED, mutant) == []
