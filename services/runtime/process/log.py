"""Logs: one JSON object a line, and only fields on a list. So a citizen's words, name or address cannot get in.

An exception is logged by its type and where it was raised; its message is left out, since libraries put what they
were given into theirs. Lines of libraries are kept as their templates, without what was filled in;
the same line again is counted, and told with its count every ten seconds.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import structlog
from structlog.typing import EventDict, WrappedLogger

from services.runtime.process.clock import SystemClock
from services.runtime.process.repeats import Repeats

FIELDS = frozenset(
    {
        # who and where in the hub
        "service", "instance", "tenant", "channel", "provider", "inbox", "endpoint", "department", "publisher",
        # which one, by ids of our own
        "event_id", "event_type", "conversation_id", "message_id", "reply_id", "attempt", "part",
        # where in Kafka
        "topic", "partition", "number", "numbers", "offset", "group", "transactional_id", "bootstrap", "generation",
        # what came of it
        "why", "reason", "code", "status", "error", "frames", "step", "outcome", "origin",
        # how much, how long
        "count", "records", "size", "seconds", "wait_seconds", "age_seconds", "lag_seconds", "limit", "attempts",
        # the process
        "host", "port", "version", "pid", "path", "method", "signal", "config", "library", "template", "state", "timer",
        "dropped_fields",
    }
)  # fmt: skip
"""Every field a log line may have, besides event, level and timestamp."""

_ALWAYS = {"event", "level", "timestamp"}


def get_logger(**fields: Any) -> structlog.stdlib.BoundLogger:  # noqa: ANN401 - structlog's own signature
    """Return a logger whose lines carry `fields`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(**fields)
    return logger


def configure(service: str, level: str = "info") -> None:
    """Set up the logs of this process, once, to standard error."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            by_place_not_message,
            only_listed_fields,
            structlog.processors.JSONRenderer(sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(handlers=[_Library(SystemClock().monotonic)], level=logging.WARNING, force=True)


def only_listed_fields(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Leave out what is not on the list, and name what was left out."""
    unlisted = sorted(event.keys() - FIELDS - _ALWAYS)
    kept = {name: value for name, value in event.items() if name not in unlisted}
    return kept | ({"dropped_fields": unlisted} if unlisted else {})


def by_place_not_message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and where it was raised."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else sys.exc_info()[1] if given else None
    return event if error is None else {**event, "error": type(error).__name__, "frames": places(error)}


def places(error: BaseException) -> list[str]:
    """Return where an exception passed, innermost last: file, line and function."""
    frames: Iterable[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)[-8:]
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]


class _Warned(NamedTuple):
    """What a line of a library tells."""

    library: str
    template: str
    error: str | None
    frames: tuple[str, ...]


class _Library(logging.Handler):
    """Takes what libraries say. A broker that is away makes them say the same thousands of times."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        super().__init__()
        self._seconds, self._repeats = seconds, Repeats[_Warned]()

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(self._repeats.take(_warned(record), self._seconds()))

    def flush(self) -> None:
        """Tell what was kept back: the standard library asks for it when the process ends."""
        self._tell(self._repeats.rest(self._seconds()))

    def _tell(self, lines: Iterable[tuple[_Warned, int]]) -> None:
        for warned, count in lines:
            error = {"error": warned.error, "frames": list(warned.frames)} if warned.error else {}
            get_logger().warning(
                "library_warned", library=warned.library, template=warned.template, count=count, **error
            )


def _warned(record: logging.LogRecord) -> _Warned:
    error = record.exc_info[1] if record.exc_info else None
    place = () if error is None else tuple(places(error))
    return _Warned(record.name, _template(record), None if error is None else type(error).__name__, place)


def _template(record: logging.LogRecord) -> str:
    """Return the first line of what a library said, unfilled: asyncio puts an exception's text on the next."""
    return (str(record.msg).splitlines() or [""])[0][:200]
