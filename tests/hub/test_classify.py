"""`hub classify`: a line out for a line in, and no line is dropped without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.classification.reading import default_taxonomy
from tests.hub.conftest import Hub

LAMP, GFT = "de lantaarnpaal voor mijn deur is kapot", "onze gft-bak is niet geleegd"


def lines(*objects: object) -> str:
    return "".join(f"{each if isinstance(each, str) else json.dumps(each)}\n" for each in objects)


def test_a_line_in_is_a_line_out_in_the_same_order(hub: Hub) -> None:
    result = hub("classify", "--jsonl", "-", given=lines({"id": "a", "text": LAMP}, {"id": 7, "text": GFT}))
    out = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [(each["id"], each["department"]) for each in out] == [("a", "public-space"), (7, "waste")]
    for each in out:
        assert each.keys() == {"id", "department", "topic", "confidence", "reasons"}
        assert 0 <= each["confidence"] <= 1
        assert each["reasons"]
        assert each["department"] in default_taxonomy().titles


def test_a_message_in_a_conversation_stays_there_when_it_is_unclear(hub: Hub) -> None:
    given = lines({"id": 1, "text": "bij nummer 12", "context_department": "waste"}, {"id": 2, "text": "bij nummer 12"})
    result = hub("classify", "--jsonl", "-", given=given)
    assert [json.loads(line)["department"] for line in result.stdout.splitlines()] == ["waste", "triage"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param("kapot", "line 2: this is no JSON", id="no JSON"),
        pytest.param({"id": 1}, "line 2: text: missing", id="no text"),
        pytest.param({"text": "x"}, "line 2: id", id="no id"),
        pytest.param([], "line 2: (whole): model_type", id="no object"),
        pytest.param(
            {"id": 1, "text": "x", "context_department": "nergens"},
            "line 2: context_department: no department is called that; there are public-space",
            id="an unknown department",
        ),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_done(bad: object, said: str, hub: Hub) -> None:
    given = lines({"id": 1, "text": LAMP}, bad, {"id": 3, "text": GFT})
    result = hub("classify", "--jsonl", "-", given=given)
    assert result.exit_code == 2
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [1, 3]
    assert result.stderr.startswith(said)


def test_a_bad_line_is_not_repeated_where_logs_may_end_up(hub: Hub) -> None:
    result = hub("classify", "--jsonl", "-", given='{"id": 1, "text": 5, "naam": "Jansen"}\nmevrouw Jansen\n')
    assert "Jansen" not in result.stderr


def test_empty_lines_are_passed_over_and_counted(hub: Hub, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(f"\n{json.dumps({'id': 1, 'text': LAMP})}\n\nkapot\n")
    result = hub("classify", "--jsonl", str(file))
    assert (len(result.stdout.splitlines()), result.stderr.split(":")[0]) == (1, "line 4")


def test_one_text_is_explained(hub: Hub) -> None:
    result = hub("classify", LAMP)
    assert result.stdout.startswith("public-space (")
    assert "Straatverlichting" in result.stdout


def test_one_text_as_json(hub: Hub) -> None:
    said = json.loads(hub("classify", GFT, "--json").stdout)
    assert (said["department"], said["id"]) == ("waste", "-")


def test_another_taxonomy_has_other_departments(hub: Hub) -> None:
    taxonomy = Path(__file__).parents[1] / "router" / "taxonomy.yaml"
    assert hub("classify", LAMP, "--taxonomy", str(taxonomy)).stdout.startswith("public-space")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("version: 1\n", "taxonomy.yaml:1:", id="one that is wrong, with its line"),
        pytest.param(None, "No such file", id="one that is not there"),
    ],
)
def test_a_taxonomy_is_refused(text: str | None, said: str, hub: Hub, tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.yaml"
    if text:
        path.write_text(text)
    result = hub("classify", LAMP, "--taxonomy", str(path))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_file_that_is_not_there_is_said_so(hub: Hub) -> None:
    result = hub("classify", "--jsonl", "nergens.jsonl")
    assert (result.exit_code, "nergens.jsonl: No such file" in result.stderr) == (2, True)
