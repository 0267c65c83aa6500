"""The NL GOV profile for CloudEvents, rule by rule."""

import pytest

from schemas.profile import findings

GOOD = {
    "ce_specversion": "1.0",
    "ce_id": "0f8fad5b-d9cb-869f-a165-70867728950e",
    "ce_source": "urn:nld:oin:00000001823288444000:systeem:berichtenhub",
    "ce_type": "nl.berichtenhub.message.received.v1",
    "ce_time": "2026-03-02T08:15:01.250Z",
    "content-type": "application/json",
}


def of(**changed: str | None) -> list[str]:
    headers = GOOD | {f"ce_{name}": value for name, value in changed.items() if value is not None}
    absent = {f"ce_{name}" for name, value in changed.items() if value is None}
    return findings([(name, text.encode()) for name, text in headers.items() if name not in absent], b"{}")


def test_a_good_event_has_no_findings() -> None:
    assert of() == []


@pytest.mark.parametrize(
    ("changed", "finding"),
    [
        pytest.param({"id": None}, "id: missing", id="an event without an id"),
        pytest.param({"type": "message.received"}, "type: not written", id="a type that is not reverse DNS"),
        pytest.param({"type": "nl.berichtenhub.message.received"}, "type: not written", id="a type without a version"),
        pytest.param({"source": "https://data.gemeente.nl/x"}, "source: not written", id="a source that is a location"),
        pytest.param({"time": "2026-03-02 08:15"}, "time: not written", id="a time that is not RFC 3339 in UTC"),
        pytest.param({"specversion": "0.3"}, "specversion: not written", id="another version of CloudEvents"),
        pytest.param({"message_id": "x"}, "message_id: not a name", id="a name with an underscore"),
        pytest.param(
            {"subject": "jan@voorbeeld.nl"}, "subject: holds an address", id="an e-mail address in an attribute"
        ),
        pytest.param({"subject": "+31612345678"}, "subject: holds an address", id="a phone number in an attribute"),
        pytest.param({"traceparent": "zomaar"}, "traceparent: not written", id="a trace context that is none"),
    ],
)
def test_what_breaks_the_profile_is_named(changed: dict[str, str | None], finding: str) -> None:
    assert any(found.startswith(finding) for found in of(**changed))


def test_an_event_may_not_be_over_64_kb() -> None:
    headers = [(name, text.encode()) for name, text in GOOD.items()]
    assert findings(headers, b"x" * 64_001) == ["data: over 64 kB"]


def test_a_header_may_not_come_twice() -> None:
    headers = [(name, text.encode()) for name, text in GOOD.items()]
    assert findings([*headers, ("ce_id", b"x")], b"{}") == ["ce_id: given twice"]
