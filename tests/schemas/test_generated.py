"""What is generated is what is declared, and every event has an example that it accepts."""

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event
from cloudevents.core.formats.json import JSONFormat

from schemas import generate, profile
from schemas.cloudevents import CloudEvent, Unreadable, decode, encode, read_data
from schemas.events import COMMANDS, EVENTS, Event
from schemas.topics import TOPICS, department_topic, expand, topic_of

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "schemas" / "examples"
MODELS = sorted(EVENTS.values(), key=lambda model: model.TYPE)
each_event = pytest.mark.parametrize("model", MODELS, ids=generate.short)


def example(model: type[Event]) -> CloudEvent:
    whole = json.loads((EXAMPLES / f"{generate.short(model)}.json").read_text("utf-8"))
    data = model.model_validate(whole["data"])
    return CloudEvent(whole["id"], whole["source"], datetime.fromisoformat(whole["time"]), data)


def test_generated_files_are_what_the_declarations_say() -> None:
    assert generate.stale() == []


def test_the_contract_has_the_version_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == generate.VERSION


def test_every_example_is_of_an_event_that_exists() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == {generate.short(model) for model in MODELS}


@each_event
def test_the_example_keeps_the_json_schema(model: type[Event]) -> None:
    _, value = encode(example(model))
    jsonschema.validate(json.loads(value), generate.json_schema(model), jsonschema.Draft202012Validator)


@each_event
def test_an_event_comes_back_as_it_went(model: type[Event]) -> None:
    event = example(model)
    assert decode(*encode(event)) == event


@each_event
def test_an_event_keeps_the_profile(model: type[Event]) -> None:
    assert profile.findings(*encode(example(model))) == []


@each_event
def test_another_library_reads_the_same_event(model: type[Event]) -> None:
    event = example(model)
    headers, value = encode(event)
    read = from_binary_event(KafkaMessage(headers=dict(headers), key=None, value=value), JSONFormat())
    assert (read.get_id(), read.get_source(), read.get_type()) == (event.id, event.source, event.type)
    assert read.get_data() == json.loads(value)


@each_event
def test_a_reader_ignores_what_a_newer_writer_added(model: type[Event]) -> None:
    _, value = encode(example(model))
    newer = json.dumps(json.loads(value) | {"added-later": {"a": 1}}).encode()
    assert read_data(model, newer) == example(model).data


@each_event
def test_a_producer_may_add_nothing(model: type[Event]) -> None:
    _, value = encode(example(model))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(value) | {"added": 1}, generate.json_schema(model))


@each_event
def test_every_event_says_what_it_is_and_travels_somewhere(model: type[Event]) -> None:
    assert model.__doc__
    assert [topic.name for topic in TOPICS if model in topic.carries]


@pytest.mark.parametrize(
    ("headers", "value", "why"),
    [
        pytest.param([], b"{}", "names no event", id="no type"),
        pytest.param([("ce_type", b"nl.berichtenhub.x.v9")], b"{}", "names no event", id="a type we do not know"),
        pytest.param([("ce_type", b"nl.berichtenhub.reply.sent.v1")], None, "no value", id="a tombstone"),
        pytest.param([("ce_type", b"nl.berichtenhub.reply.sent.v1")], b"{}", "ce_id is missing", id="no id"),
    ],
)
def test_a_record_that_is_no_event_is_unreadable(
    headers: list[tuple[str, bytes]], value: bytes | None, why: str
) -> None:
    with pytest.raises(Unreadable, match=why):
        decode(headers, value)


def test_the_reason_why_data_is_unreadable_holds_none_of_it() -> None:
    with pytest.raises(Unreadable) as caught:
        read_data(EVENTS["nl.berichtenhub.message.received.v1"], b'{"tenant": "geheim woord", "subject": 5}')
    assert "tenant: string_pattern_mismatch" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_part_of_a_later_kind_is_read_as_unknown_with_its_words() -> None:
    model = EVENTS["nl.berichtenhub.message.received.v1"]
    data = json.loads(encode(example(model))[1])
    data["parts"] = [{"kind": "poll", "text": "ja of nee?", "options": 2}]
    (part,) = model.model_validate(data).parts  # type: ignore[attr-defined]
    assert (part.kind, part.type, part.text) == ("unknown", "poll", "ja of nee?")


def test_commands_are_what_may_come_in_through_the_bridge() -> None:
    assert all("author" in model.model_fields for model in COMMANDS.values())


def test_topics_are_told_apart_by_more_than_a_dot() -> None:
    names = [name for name, _ in expand([("zonnedael", ["public-space", "waste"])])]
    assert len({name.replace(".", "-") for name in names}) == len(names)
    assert not any("_" in name for name in names)


def test_a_departments_queue_is_found_by_its_name() -> None:
    assert topic_of(department_topic("zonnedael", "waste")).name == "department.{tenant}.{department}"


def test_what_shares_a_number_has_as_many_partitions() -> None:
    together = [("inbound", "outcomes", "router.state", "router.seen"), ("outbox", "outbox.bulk", "responder.state")]
    for names in together:
        assert len({topic_of(name).partitions for name in names}) == 1


def test_time_is_written_in_utc() -> None:
    event = example(MODELS[0])
    headers = dict(encode(CloudEvent(event.id, event.source, datetime(2026, 3, 2, 8, 15, tzinfo=UTC), event.data))[0])
    assert headers["ce_time"] == b"2026-03-02T08:15:00.000Z"
