"""A reason names the place of a fault, never what somebody wrote there; not even the name of a field they made up."""

import json
from pathlib import Path

import pytest

from schemas.cloudevents import Unreadable, declared, read_data
from schemas.events import MessageReceived
from tests.ingest.town import command, running

CANARY = "Kanarie"
FORM = {"kind": "form", "fields": {CANARY: [CANARY]}}
MESSAGE = {"tenant": CANARY, CANARY: CANARY, "parts": [FORM, {"kind": CANARY}], "times": CANARY, "sender": [CANARY]}


def test_what_cannot_be_read_is_told_without_a_word_of_it() -> None:
    with pytest.raises(Unreadable) as unreadable:
        read_data(MessageReceived, json.dumps(MESSAGE).encode())
    assert CANARY not in str(unreadable.value)
    assert "parts.0.form.fields.*: string_type" in str(unreadable.value)
    assert unreadable.value.__cause__ is None
    assert unreadable.value.__suppress_context__


@pytest.mark.parametrize(
    ("steps", "fault", "told"),
    [
        pytest.param(["parts", 0, "text"], "string_type", "parts.0.text", id="a field of ours"),
        pytest.param(["data", CANARY], "extra_forbidden", "data.*", id="a field that they made up"),
        pytest.param(["#", "data", CANARY], "extra-forbidden", "#.data.*", id="the same, as the bridge calls it"),
        pytest.param(["fields", CANARY, "[key]"], "string_type", "fields.*.[key]", id="the name of a form's field"),
        pytest.param(["fields"], "dict_type", "fields", id="the form itself"),
        pytest.param([], "json_invalid", "", id="all of it"),
    ],
)
def test_only_names_that_we_declared_are_told(steps: list[str | int], fault: str, told: str) -> None:
    assert ".".join(declared(steps, fault)) == told


async def test_a_made_up_field_of_a_command_is_in_the_dead_letter_and_not_in_its_reason(tmp_path: Path) -> None:
    parts = [{"kind": "form", "fields": {CANARY: 1}, CANARY: CANARY}]
    async with running(tmp_path) as hub:
        answer = await hub.publish(command(data={"conversation": "c", "answers": 1, "parts": parts, CANARY: CANARY}))
        assert answer.status == 400
        [letter] = hub.bus.set_aside
    assert CANARY not in letter.reason
    assert "#/data/*: extra-forbidden" in letter.reason
