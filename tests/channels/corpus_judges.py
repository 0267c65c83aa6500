"""What must become of a payload, by the outcome its sidecar names: each judge returns what is wrong, in plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from services.channels.base import Challenges, Item, Rejected, VerificationError
from tests.channels.corpus import Corner, Payload
from tests.channels.corpus_tables import DISAGREES, NOT_KEPT, NOT_KEPT_OF
from tests.channels.readings import Reading, readings
from tests.channels.written import written

Judge = Callable[[Payload], list[str]]
SECTIONS = ("messages", "statuses", "events", "errors")


def genuine(payload: Payload) -> list[Item]:
    request, endpoint = payload.request, payload.endpoint
    payload.channel.verify(request, endpoint)
    items, again = payload.channel.parse(request, endpoint), payload.channel.parse(request, endpoint)
    assert [written(one, request.body) for one in items] == [written(one, request.body) for one in again]
    return items


def everything_comes_out(payload: Payload) -> list[str]:
    found = readings(genuine(payload))
    wrong = [line for section in SECTIONS for line in section_differs(section, payload, found[section])]
    return [*wrong, *(f"set aside: {one}" for one in found["rejected"])]


def section_differs(section: str, payload: Payload, found: list[Reading]) -> list[str]:
    expected = [one for one in payload.expected.get(section, []) if "ignored" not in one]
    if len(expected) != len(found):
        return [f"{len(found)} {section}, not {len(expected)}: {found}"]
    pairs = zip(expected, found, strict=True)
    return [line for one, other in pairs for line in differs(section, payload.corner, one, other)]


def differs(section: str, corner: Corner, expected: Reading, found: Reading) -> list[str]:
    kept = {key: value for key, value in expected.items() if is_kept(section, key, expected)}
    ours = {key: in_our_words(corner, key, value) for key, value in kept.items()}
    wrong = [key for key, value in ours.items() if not same(key, value, found.get(key))]
    return [f"{section}.{key}: {found.get(key)!r}, not {ours[key]!r}" for key in wrong]


def is_kept(section: str, key: str, expected: Reading) -> bool:
    return (section, key) not in NOT_KEPT and (expected.get("type"), key) not in NOT_KEPT_OF


def in_our_words(corner: Corner, key: str, value: object) -> object:
    if key in {"type", "event"}:
        return corner.kinds.get(str(value), value)
    if key == "status":
        return corner.statuses.get(str(value), value)
    return value


def same(key: str, expected: Any, found: Any) -> bool:  # noqa: ANN401 - fields of JSON
    return bool(COMPARED.get(key, plainly)(expected, found))


def plainly(expected: object, found: object) -> bool:
    return expected == found


def without(reading: Mapping[str, Any], key: str) -> Reading:
    """Meta's hash of a file is checked when the file is fetched; until then a part has only its id."""
    return {name: value for name, value in reading.items() if name != key}


def card(reading: Mapping[str, Any]) -> tuple[str, str]:
    """A card's first number, as digits: the others are the same person's on WhatsApp."""
    return reading["name"], re.sub(r"\D", "", reading["phones"][0])


COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "errors": lambda expected, found: [str(code) for code in expected] == found,
    "code": lambda expected, found: str(expected) == found,
    "attachments": lambda expected, found: [without(one, "sha256") for one in expected] == found,
    "contacts": lambda expected, found: [card(one) for one in expected] == [card(one) for one in found or []],
}
"""Fields that are the same when they say the same."""


def nothing_comes_out(payload: Payload) -> list[str]:
    return [f"{type(item).__name__} came out" for item in genuine(payload) if not isinstance(item, Rejected)]


def it_is_set_aside(payload: Payload) -> list[str]:
    items = genuine(payload)
    kept = [item for item in items if isinstance(item, Rejected)]
    return [*nothing_comes_out(payload), *([] if kept else ["nothing was kept for people"])]


def it_is_refused(payload: Payload) -> list[str]:
    try:
        payload.channel.verify(payload.request, payload.endpoint)
    except VerificationError:
        return []
    return ["verify let it pass"]


def it_is_believed(payload: Payload) -> list[str]:
    payload.channel.verify(payload.request, payload.endpoint)
    return []


def it_is_answered(payload: Payload) -> list[str]:
    assert isinstance(payload.channel, Challenges)
    said = payload.channel.challenge(payload.request, payload.endpoint).decode()
    return [] if said == payload.expected["body"] else [f"answered {said!r}"]


def it_gets_no_answer(payload: Payload) -> list[str]:
    try:
        it_is_answered(payload)
    except VerificationError:
        return []
    return ["it was answered"]


def either_way_without_a_crash(payload: Payload) -> list[str]:
    refused = it_is_refused(payload)
    return [] if not refused or payload.channel.parse(payload.request, payload.endpoint) else ["nothing came out"]


JUDGES: dict[str, Judge] = {
    "messages": everything_comes_out,
    "statuses": everything_comes_out,
    "events": everything_comes_out,
    "mixed": everything_comes_out,
    "errors": everything_comes_out,
    "update": everything_comes_out,
    "ignored": nothing_comes_out,
    "invalid": it_is_set_aside,
    "invalid_message": it_is_set_aside,
    "rejected_signature": it_is_refused,
    "signature_ok": it_is_believed,
    "challenge": it_is_answered,
    "challenge_refused": it_gets_no_answer,
    "policy": either_way_without_a_crash,
}


def otherwise(payload: Payload) -> list[str]:
    """We read it otherwise, in just the way that the table says."""
    found = readings(genuine(payload))
    got = {section: len(found[section]) for section in found if found[section]}
    _, wanted = DISAGREES[payload.id]
    return [] if got == wanted else [f"{got}, not {wanted}"]


def judged(payload: Payload) -> list[str]:
    return JUDGES[payload.outcome](payload)
