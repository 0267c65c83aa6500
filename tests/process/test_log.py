"""What gets into a log line: fields on a list, places instead of messages, and a storm of one line as its count."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import structlog

from services.runtime.process import log
from services.runtime.process.log import _Library, configure, get_logger, places

CITIZEN = "Anna Jansen, +31612345678"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """What was logged since one asked last, by a process that is set up as ours are."""
    saved, written = structlog.get_config(), StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(sys, "stderr", written)
    configure("proef")
    structlog.configure(cache_logger_on_first_use=False)
    yield lambda: taken_from(written)
    structlog.configure(**saved)
    structlog.contextvars.clear_contextvars()


def taken_from(written: StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in written.getvalue().splitlines()]
    written.seek(0)
    written.truncate()
    return found


def test_a_line_says_which_service_when_and_how_bad(lines: Lines) -> None:
    get_logger().warning("disk_filled", size=3)
    (line,) = lines()
    assert (line["event"], line["level"], line["service"], line["size"]) == ("disk_filled", "warning", "proef", 3)
    assert line["timestamp"].endswith("Z")


def test_what_is_less_important_than_asked_for_is_not_logged(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", StringIO())
    configure("proef", "error")
    get_logger().warning("disk_filled")
    get_logger().error("disk_failed")
    assert [line["event"] for line in taken_from(sys.stderr)] == ["disk_failed"]  # type: ignore[arg-type]  # ours


@pytest.mark.parametrize("field", ["text", "name", "address", "sender", "body", "url", "message", "exception"])
def test_a_field_that_is_not_listed_is_left_out_and_named(lines: Lines, field: str) -> None:
    get_logger().info("message_came", **{field: CITIZEN}, message_id="m-1")
    (line,) = lines()
    assert CITIZEN not in json.dumps(line)
    assert line["dropped_fields"] == [field]
    assert line["message_id"] == "m-1"


def test_no_listed_field_is_named_after_what_a_citizen_says_or_is() -> None:
    assert not log.FIELDS & {"text", "body", "subject", "name", "sender", "recipient", "address", "phone", "email"}


def fail_with(words: str) -> None:
    raise ValueError(words)


def test_an_exception_is_told_by_its_type_and_place_and_never_by_its_message(lines: Lines) -> None:
    try:
        fail_with(CITIZEN)
    except ValueError:
        get_logger().exception("handling_failed")
    (line,) = lines()
    assert CITIZEN not in json.dumps(line)
    assert line["error"] == "ValueError"
    assert line["frames"][-1].startswith("test_log.py:")
    assert line["frames"][-1].endswith(" fail_with")


def test_an_exception_without_a_message_is_told_the_same(lines: Lines) -> None:
    get_logger().error("handling_failed", exc_info=ValueError())
    (line,) = lines()
    assert (line["error"], line["frames"]) == ("ValueError", [])


def test_an_exception_caused_by_another_does_not_tell_the_others_message(lines: Lines) -> None:
    try:
        try:
            fail_with(CITIZEN)
        except ValueError as cause:
            raise RuntimeError(CITIZEN) from cause
    except RuntimeError:
        get_logger().exception("handling_failed")
    assert CITIZEN not in json.dumps(lines())


def test_of_a_deep_fall_only_the_last_steps_are_told() -> None:
    def fall(steps: int) -> None:
        if steps:
            fall(steps - 1)
        raise ValueError

    with pytest.raises(ValueError, match=r"^$") as caught:
        fall(50)
    assert len(places(caught.value)) == 8


# --- what libraries say --------------------------------------------------------------------------------------


def test_a_library_is_heard_by_its_template_without_what_it_filled_in(lines: Lines) -> None:
    logging.getLogger("aiokafka.cluster").warning("Topic %s is not available", CITIZEN)
    (line,) = lines()
    assert CITIZEN not in json.dumps(line)
    assert (line["event"], line["library"]) == ("library_warned", "aiokafka.cluster")
    assert line["template"] == "Topic %s is not available"


def test_what_asyncio_adds_on_later_lines_is_left_out(lines: Lines) -> None:
    logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: <ValueError('{CITIZEN}')>")  # noqa: G004 - as asyncio does
    (line,) = lines()
    assert line["template"] == "Task exception was never retrieved"
    assert CITIZEN not in json.dumps(line)


def test_what_libraries_merely_tell_is_not_logged(lines: Lines) -> None:
    logging.getLogger("aiokafka").info("Joined group %s", "router")
    assert lines() == []


class Storm:
    """A library handler whose clock is ours."""

    def __init__(self) -> None:
        self.now = 0.0
        self.handler = _Library(lambda: self.now)

    def says(self, template: str, *arguments: object, error: BaseException | None = None) -> None:
        told = (type(error), error, error.__traceback__) if error else None
        self.handler.handle(logging.LogRecord("aiokafka", logging.ERROR, __file__, 1, template, arguments, told))


@pytest.fixture
def storm() -> Storm:
    return Storm()


def counts(told: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(line["template"], line["count"]) for line in told]


def test_a_storm_of_one_line_is_that_line_and_then_its_count_every_ten_seconds(lines: Lines, storm: Storm) -> None:
    """Three short outages of the broker were 1,950 lines."""
    for each in range(2_000):
        storm.now = each / 100
        storm.says("Unable connect to node %s", each)
    assert counts(lines()) == [("Unable connect to node %s", 1), ("Unable connect to node %s", 1_000)]
    storm.handler.flush()
    assert counts(lines()) == [("Unable connect to node %s", 999)]


def test_another_line_is_not_held_back_by_a_storm(lines: Lines, storm: Storm) -> None:
    for _ in range(3):
        storm.says("Unable connect")
        storm.says("Heartbeat failed")
    assert counts(lines()) == [("Unable connect", 1), ("Heartbeat failed", 1)]


def test_the_same_words_about_another_error_are_another_line(lines: Lines, storm: Storm) -> None:
    for error in (ValueError(), KeyError(), ValueError()):
        storm.says("Task exception was never retrieved", error=error)
    assert [line["error"] for line in lines()] == ["ValueError", "KeyError"]


def test_what_was_kept_back_is_told_by_whatever_comes_next(lines: Lines, storm: Storm) -> None:
    for _ in range(5):
        storm.says("Unable connect")
    storm.now = 60
    storm.says("Heartbeat failed")
    assert counts(lines()) == [("Unable connect", 1), ("Unable connect", 4), ("Heartbeat failed", 1)]


def test_what_was_kept_back_is_told_when_the_process_ends(lines: Lines, storm: Storm) -> None:
    for _ in range(5):
        storm.says("Unable connect")
    storm.handler.flush()
    storm.handler.flush()
    assert counts(lines()) == [("Unable connect", 1), ("Unable connect", 4)]


def test_lines_that_are_over_are_not_remembered(storm: Storm, lines: Lines) -> None:
    for each in range(1_000):
        storm.now += 1
        storm.says(f"made up on the spot: {each}")
    assert len(storm.handler._repeats) <= 11
    assert len(lines()) == 1_000
