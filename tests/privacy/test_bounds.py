"""Three days for what is compacted, a month and a day for what is deleted: the topics are declared so that it holds."""

from datetime import timedelta

import pytest

from schemas import events as e
from schemas.topics import ENTRIES, OUTCOMES, RESPONDER_STATE, ROUTER_STATE, TOPICS, Cleanup, Topic
from services.responder.intake import INPUTS as RESPONDER_INPUTS
from services.responder.rows import TABLES as RESPONDER_TABLES
from services.router.app import outputs
from services.router.handler import Router
from services.router.tables import TABLES as ROUTER_TABLES
from services.runtime.bus.connection import plain
from services.runtime.bus.plan import Plan

DAY = timedelta(days=1)
SIGN = DAY
"""How often every compacted partition gets a record, whatever happens: only then a segment is closed."""
WITH_WORDS = (ENTRIES, ROUTER_STATE, RESPONDER_STATE)
COUNTING = (e.Fact, e.MessageErased, e.InboxChanged, e.HubTicked)
"""Events without a word of a citizen."""


def milliseconds(topic: Topic, setting: str) -> timedelta:
    return timedelta(milliseconds=int(topic.settings()[setting]))


@pytest.mark.parametrize("topic", WITH_WORDS, ids=lambda topic: topic.name)
def test_what_is_erased_from_a_compacted_topic_is_gone_within_three_days(topic: Topic) -> None:
    """The segment is closed by the first record a day after its first one, and compacted when it is a day old."""
    lag = milliseconds(topic, "max.compaction.lag.ms")
    assert topic.cleanup is Cleanup.COMPACT
    assert (lag + SIGN) + lag <= 3 * DAY


def deleting_with_words() -> list[Topic]:
    carrying = [topic for topic in TOPICS if any(not issubclass(event, COUNTING) for event in topic.carries)]
    return [topic for topic in carrying if topic.cleanup is Cleanup.DELETE]


@pytest.mark.parametrize("topic", deleting_with_words(), ids=lambda topic: topic.name)
def test_what_deletes_by_age_keeps_words_for_a_month_and_a_day(topic: Topic) -> None:
    """A segment goes as a whole, a retention after its last record."""
    assert milliseconds(topic, "retention.ms") + milliseconds(topic, "segment.ms") <= 31 * DAY


def test_every_partition_with_words_that_is_compacted_gets_its_daily_sign() -> None:
    nowhere = plain("nowhere")
    plans = [
        Plan("router", "0", nowhere, Router.inputs, ROUTER_TABLES, outputs([])),
        Plan("responder", "0", nowhere, RESPONDER_INPUTS, RESPONDER_TABLES, (OUTCOMES.name,)),
    ]
    signed = [place for plan in plans for number in range(plan.numbers) for place in plan.signs(number)]
    wanted = {(topic.name, partition) for topic in WITH_WORDS for partition in range(topic.partitions)}
    assert wanted <= set(signed)
    assert len(signed) == len(set(signed))


def test_no_other_compacted_topic_holds_words() -> None:
    others = [topic for topic in TOPICS if topic.cleanup is Cleanup.COMPACT and topic not in WITH_WORDS]
    assert {topic.name for topic in others} == {"channels", "insight.counts", "insight.open"}
