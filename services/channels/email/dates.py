"""When it was written, by its own claim."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from services.channels.email.reading import header


def date(mail: Message) -> datetime | None:
    """Return the Date, in UTC; a date without a zone counts as UTC (RFC 5322, 3.3), an unreadable one as none."""
    try:
        read = parsedate_to_datetime(header(mail, "date"))
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
