"""Logs: one JSON object a line, and only fields on a list. So a citizen's words, name or address cannot get in.

An exception is logged by its type and where it was raised; its message is left out, since libraries put what they
were given into theirs. Lines of libraries are kept as their templates, without what was filled in.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterable
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

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
    logging.basicConfig(handlers=[_Library()], level=logging.WARNING, force=True)


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


class _Library(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        logger.warning("library_warned", library=record.name, template=_template(record), exc_info=_error(record))


def _template(record: logging.LogRecord) -> str:
    """Return the first line of what a library said, unfilled: asyncio puts an exception's text on the next."""
    return (str(record.msg).splitlines() or [""])[0][:200]


def _error(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None
