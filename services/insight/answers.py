"""What the API answers, as models: its documentation is made from them."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from schemas.events import EntryRecorded


class _Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, frozen=True)


class FirstResponse(_Answer):
    """How long citizens waited for a first answer, by the wall clock. Exact to the step in which waiting is counted."""

    count: int
    """Conversations that had their first answer."""
    median_seconds: float | None
    """Half had it within so many seconds; absent when none had one."""
    p90_seconds: float | None
    """Nine in ten had it within so many seconds."""


class Department(_Answer):
    """How a department stands."""

    department: str
    """Its name."""
    open_conversations: int
    """Conversations that are open now."""
    unanswered_messages: int
    """Messages in them that wait for an answer."""
    claimed_conversations: int
    """Conversations that somebody took up."""
    oldest_unanswered_since: datetime | None
    """When the oldest message that waits was received."""
    oldest_unanswered_seconds: float
    """Its age; 0 when none waits."""
    first_response_today: FirstResponse
    """First answers that were given today."""


class Departments(_Answer):
    """Every department that ever had a message, and how it stands."""

    at: datetime
    """When this was so."""
    departments: list[Department]
    """By name."""


class Count(_Answer):
    """What happened in one department by one channel, in a year or on a day."""

    department: str
    """The department that had it then."""
    channel: str
    """The channel it came or went by."""
    year: int
    """The year, as citizens count it."""
    date: date | None
    """The day, when days were asked for."""
    received: int
    """Messages of citizens."""
    automatic: int
    """Of those, what a machine sent."""
    needing_none: int
    """Of those, what needed no answer."""
    answered: int
    """Messages that were answered."""
    unanswered: int
    """Messages whose conversation was closed without an answer to them."""
    moved_in: int
    """Unanswered messages that came from another department."""
    moved_out: int
    """Unanswered messages that went to another department."""
    worklisted: int
    """Messages whose answer did not arrive: they were handed to people."""
    opened: int
    """Conversations that began."""
    reopened: int
    """Conversations that began again."""
    closed: int
    """Conversations that ended."""
    replies: int
    """Answers that were granted."""
    refused: int
    """Commands and answers that were refused."""
    first_response: FirstResponse
    """First answers that were given then."""


class CountsPage(_Answer):
    """Counts, by department, channel and day."""

    counts: list[Count]
    """What has nothing to count is left out."""


class ConversationHistory(_Answer):
    """Everything that was said and done in a conversation."""

    conversation: str
    """Its id."""
    department: str
    """Whose it is now."""
    entries: list[EntryRecorded]
    """Its lines, in order, each as it is now."""
