"""The bars, on citizens' own words and on hard invented ones. The texts lie outside the project."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.classification.classify import Context, Message, classify
from services.classification.reading import default_taxonomy
from services.classification.taxonomy import Department, Taxonomy

FOLDER = Path(os.environ.get("HUB_CLASSIFICATION_CORPUS", Path(__file__).parents[3] / "shared/data/classification"))
NAMES = {"public_space": "public-space", "waste": "waste", "other": "triage"}
TAXONOMY = default_taxonomy()

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no labelled texts beside the project: set HUB_CLASSIFICATION_CORPUS"
)


def rows(name: str, **fields: str) -> list[dict[str, Any]]:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return [row for row in map(json.loads, lines) if all(row[key] == value for key, value in fields.items())]


def share_right(labelled: list[dict[str, Any]], taxonomy: Taxonomy = TAXONOMY) -> float:
    assert labelled
    return sum(expected(row) == department(row, taxonomy) for row in labelled) / len(labelled)


def expected(row: dict[str, Any]) -> str:
    return NAMES[row["department"]]


def department(row: dict[str, Any], taxonomy: Taxonomy) -> str:
    return classify(Message(row["text"]), None, taxonomy).department


BARS = [
    pytest.param("public.dev.jsonl", {"kind": "real-report"}, 0.93, id="real reports"),
    pytest.param("public.dev.jsonl", {"kind": "real-report", "lang": "en"}, 0.85, id="real reports in English"),
    pytest.param("public.dev.jsonl", {"kind": "real-report", "lang": "nl"}, 0.93, id="real reports in Dutch"),
    pytest.param("constructed.dev.jsonl", {}, 0.90, id="hard messages"),
    pytest.param("public.dev.jsonl", {}, 0.83, id="all public texts"),
    pytest.param("public.dev.jsonl", {"kind": "faq"}, 0.77, id="questions and answers that nobody tuned to"),
]


@pytest.mark.parametrize(("name", "fields", "bar"), BARS)
def test_the_corpus_goes_to_the_right_department(name: str, fields: dict[str, str], bar: float) -> None:
    share = share_right(rows(name, **fields))
    assert share >= bar, f"{share:.3f} of {name} {fields}"


def in_a_conversation() -> Iterator[dict[str, Any]]:
    yield from (row for row in rows("constructed.dev.jsonl") if row.get("context_department"))


def test_the_corpus_in_a_conversation_goes_to_its_department() -> None:
    for row in in_a_conversation():
        context = Context(NAMES[row["context_department"]], 60)
        found = classify(Message(row["text"]), context, TAXONOMY).department
        assert found == NAMES[row["department_with_context"]], row["id"]


def test_moving_topics_to_a_new_department_costs_the_corpus_next_to_nothing() -> None:
    moved = {"abandoned_vehicle", "parking"}
    topics = tuple(
        each.model_copy(update={"department": "handhaving"}) if each.name in moved else each for each in TAXONOMY.topics
    )
    departments = (*TAXONOMY.departments, Department(name="handhaving", title="Handhaving"))
    remapped = Taxonomy.model_validate(
        TAXONOMY.model_copy(update={"topics": topics, "departments": departments}).model_dump()
    )
    labelled = rows("constructed.dev.jsonl") + rows("public.dev.jsonl", kind="real-report")
    right = sum(
        ("handhaving" if row["sub"] in moved else expected(row)) == department(row, remapped) for row in labelled
    )
    assert right / len(labelled) >= share_right(labelled) - 0.02
