"""A municipality changes its taxonomy in its own words; what is wrong is refused with line and remedy."""

import pytest
from pydantic import ValidationError

from services.classification.document import TaxonomyError
from services.classification.reading import default_taxonomy, read_taxonomy
from services.classification.taxonomy import Taxonomy

SMALL = """\
version: "1.0"
languages: [nl, en]
policy:
  default-queue: triage
departments:
  - {name: roads, title: Wegen}
  - {name: kcc, title: Contactcentrum}
  - {name: triage, title: Verdeeltafel}
topics:
  - name: pavement
    title: Stoep
    explanation: Losse tegels.
    department: roads
    stems:
      nl: [stoep, ~tegel]
      en: [sidewalk]
    examples: [Er ligt een tegel los.]
    counter-examples: [{text: Hallo, topic: greeting}]
  - name: greeting
    title: Groet
    explanation: Alleen een groet.
    department: triage
    gate: greeting
    stems:
      nl: [=hallo]
"""


def mistakes(text: str) -> list[tuple[int, str]]:
    with pytest.raises(TaxonomyError) as refused:
        read_taxonomy(text, "ours.yaml")
    return [(each.line, each.sentence) for each in refused.value.mistakes]


def test_a_small_taxonomy_is_read() -> None:
    taxonomy = read_taxonomy(SMALL, "ours.yaml")
    assert taxonomy.version == "1.0"
    assert taxonomy.owners == {"pavement": "roads", "greeting": "triage"}
    assert [stem.written for stem in taxonomy.lexicon.stems] == ["stoep", "~tegel", "sidewalk", "=hallo"]


WRONG = [
    pytest.param(
        "department: roads", "department: rods", 13, "no department `rods`", id="a department that is nowhere"
    ),
    pytest.param(
        "default-queue: triage",
        "default-queue: desk",
        4,
        "no department `desk`",
        id="a default queue that is no department",
    ),
    pytest.param("  default-queue: triage\n", "  tau: 0.5\n", 3, "`default-queue` is missing", id="no default queue"),
    pytest.param('version: "1.0"\n', "", 1, "`version` is missing", id="no version"),
    pytest.param('version: "1.0"', "version: 1.0", 1, "`version` must be text", id="a version without quotes"),
    pytest.param('version: "1.0"', 'version: "one"', 1, "cannot be the version", id="a version that is no number"),
    pytest.param("    department: roads\n", "", 10, "`department` is missing", id="a topic without a department"),
    pytest.param("    title: Stoep", "    titel: Stoep", 11, "`titel` is not a key that is known", id="a key misspelt"),
    pytest.param("nl: [stoep, ~tegel]", 'nl: [stoep, "=~"]', 15, "is empty", id="a stem with a sign and nothing else"),
    pytest.param("nl: [stoep, ~tegel]", 'nl: [stoep, ""]', 15, "is empty", id="an empty stem"),
    pytest.param(
        "nl: [=hallo]", "nl: [stoep]", 25, "already belongs to `pavement` (line 15)", id="a stem of two topics"
    ),
    pytest.param(
        "nl: [=hallo]",
        "nl: [Stóép]",
        25,
        "already belongs to `pavement` (line 15)",
        id="a stem of two topics in other letters",
    ),
    pytest.param("name: greeting", "name: pavement", 19, "already stands on line 10", id="a topic twice"),
    pytest.param("name: kcc", "name: roads", 7, "already stands on line 6", id="a department twice"),
    pytest.param("name: roads", "name: Wegen en Water", 6, "cannot be the name", id="a department with spaces"),
    pytest.param(
        "topic: greeting}", "topic: hello}", 18, "no topic `hello`", id="a counter-example of an unknown topic"
    ),
    pytest.param(
        "en: [sidewalk]", "fr: [trottoir]", 16, "`fr` is not one of the languages", id="a language not announced"
    ),
    pytest.param("gate: greeting", "gate: hello", 23, "`gate` is wrong", id="a gate that does not exist"),
    pytest.param("explanation: Losse tegels.", "title: Stoep", 12, "`title` stands here twice", id="a key twice"),
    pytest.param(
        "stems:\n      nl: [=hallo]",
        "first-line: false",
        19,
        "nothing leads to `greeting`",
        id="a topic that nothing leads to",
    ),
    pytest.param("languages: [nl, en]", "languages: [nl, en", 3, "this is not YAML", id="a bracket left open"),
]


@pytest.mark.parametrize(("right", "wrong", "line", "says"), WRONG)
def test_a_mistake_is_refused_with_its_line_and_what_to_do(right: str, wrong: str, line: int, says: str) -> None:
    assert right in SMALL
    found = mistakes(
        SMALL.replace(right, wrong, 1).replace("    gate: greeting\n", "", 1 if "nothing leads" in says else 0)
    )
    assert any(at == line and says in sentence for at, sentence in found), found


def test_all_mistakes_are_told_at_once_and_in_order() -> None:
    wrong = (
        SMALL.replace("department: roads", "department: rods")
        .replace("title: Groet", "titel: Groet")
        .replace("=hallo", "stoep")
    )
    lines = [line for line, _ in mistakes(wrong)]
    assert lines == sorted(lines)
    assert set(lines) >= {13, 20, 25}


def test_a_mistake_reads_as_file_line_and_sentence() -> None:
    with pytest.raises(
        TaxonomyError, match=r"^ours\.yaml:13: there is no department `rods`; use one of roads, kcc, triage"
    ):
        read_taxonomy(SMALL.replace("department: roads", "department: rods"), "ours.yaml")


@pytest.mark.parametrize(
    "text", ["", "[]", "text", "null", "topics: 3", "topics: [3]", "topics: [{stems: 3}]", "departments: {a: 1}", "\0"]
)
def test_a_file_that_is_something_else_is_refused_and_not_a_crash(text: str) -> None:
    assert mistakes(text)


def test_a_department_without_topics_is_allowed_because_people_hand_over_to_it() -> None:
    assert "kcc" in read_taxonomy(SMALL, "ours.yaml").titles


def test_a_first_line_topic_goes_to_the_contact_centre_first() -> None:
    first = SMALL.replace("default-queue: triage", "default-queue: triage\n  first-line-department: kcc")
    first = first.replace("department: roads", "department: roads\n    first-line: true")
    assert read_taxonomy(first, "ours.yaml").owners["pavement"] == "kcc"


def test_a_first_line_topic_needs_a_first_line_department() -> None:
    found = mistakes(SMALL.replace("department: roads", "department: roads\n    first-line: true"))
    assert any(line == 14 and "first-line-department" in sentence for line, sentence in found), found


def test_a_taxonomy_cannot_be_changed_once_read() -> None:
    taxonomy = read_taxonomy(SMALL, "ours.yaml")
    with pytest.raises(ValidationError):
        taxonomy.version = "2.0"  # type: ignore[misc]


def test_the_digest_changes_with_any_stem() -> None:
    assert read_taxonomy(SMALL, "a").digest == read_taxonomy(SMALL, "b").digest
    assert read_taxonomy(SMALL.replace("~tegel", "~klinker"), "a").digest != read_taxonomy(SMALL, "a").digest


def test_the_taxonomy_that_comes_with_the_hub_is_whole(default: Taxonomy) -> None:
    assert default.policy.default_queue == "triage"
    assert {"public-space", "waste", "kcc", "triage"} == set(default.titles)
    assert all(topic.examples for topic in default.topics)


@pytest.fixture(scope="module")
def default() -> Taxonomy:
    return default_taxonomy()
