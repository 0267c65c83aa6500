"""Every metric of the hub, in one place: a misspelt one fails the type check. Labels have closed lists of values.

No label ever names a person, a conversation or a message. Names follow Prometheus: base units, `_total` for counters.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Metrics:
    """The metrics of one process, on a registry of its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        r = self.registry
        # ingest
        self.requests = Counter(
            "hub_requests_total",
            "Requests of providers and publishers, by how they ended.",
            ["channel", "outcome"],
            registry=r,
        )
        self.request_seconds = Histogram(
            "hub_request_seconds", "From a request's last byte to its answer.", ["channel"], registry=r, buckets=_FAST
        )
        self.taken_in = Counter(
            "hub_taken_in_total", "Events that were durably taken in.", ["channel", "event"], registry=r
        )
        self.rejected = Counter(
            "hub_schema_rejected_total", "Events of publishers that were refused.", ["reason"], registry=r
        )
        self.spool_records = Gauge("hub_spool_records", "Records that wait on disk for the broker.", registry=r)
        self.spool_bytes = Gauge("hub_spool_bytes", "Bytes that the spool holds.", registry=r)
        self.spool_limit = Gauge("hub_spool_limit_bytes", "Bytes that the spool may hold.", registry=r)
        self.spool_oldest_seconds = Gauge(
            "hub_spool_oldest_seconds", "Age of the oldest record that waits on disk.", registry=r
        )
        self.spool_refused_records = Gauge(
            "hub_spool_refused_records",
            "Records in the spool that nobody took: they wait for people.",
            registry=r,
        )
        self.spool_failing = Gauge(
            "hub_spool_failing", "1 while the spool keeps nothing: it is full, or its disk fails.", registry=r
        )
        self.broker_silent = Gauge("hub_broker_silent", "1 while the broker confirms nothing.", registry=r)
        self.spooled = Counter("hub_spooled_total", "Records that were kept on disk first.", registry=r)
        self.forwarded = Counter("hub_spool_forwarded_total", "Records that went from disk to the broker.", registry=r)
        self.spool_set_aside = Counter(
            "hub_spool_set_aside_total", "Records of the spool that the broker refused.", ["topic"], registry=r
        )
        self.spools_abandoned = Gauge(
            "hub_spools_abandoned", "Spools beside ours that hold something and have no owner.", registry=r
        )
        self.spools_abandoned_records = Gauge(
            "hub_spools_abandoned_records", "Records that wait in spools without an owner.", registry=r
        )
        # the loop
        self.records = Counter("hub_records_total", "Records handled and committed.", ["service", "topic"], registry=r)
        self.batch_seconds = Histogram(
            "hub_batch_seconds", "From the start of a batch to its commit.", ["service"], registry=r, buckets=_FAST
        )
        self.commit_failures = Counter(
            "hub_commit_failures_total", "Commits that failed or whose outcome is unknown.", ["service"], registry=r
        )
        self.rebuild_seconds = Histogram(
            "hub_rebuild_seconds", "Rebuilding the memory of one number.", ["service"], registry=r, buckets=_SLOW
        )
        self.numbers_owned = Gauge(
            "hub_numbers_owned", "Partition numbers this replica works.", ["service"], registry=r
        )
        self.lag_seconds = Gauge(
            "hub_consumer_lag_seconds", "Age of the oldest unread record.", ["service", "topic"], registry=r
        )
        self.lag_records = Gauge("hub_consumer_lag_records", "Unread records.", ["service", "topic"], registry=r)
        self.dead_letters = Counter("hub_dead_letters_total", "Records set aside.", ["service", "topic"], registry=r)
        self.strayed = Counter(
            "hub_strayed_records_total",
            "Records found in another municipality's partition, and written again in their own.",
            ["service", "topic"],
            registry=r,
        )
        self.torn_transactions = Counter(
            "hub_torn_transactions_total",
            "Transactions a broker left half done, by what became of them.",
            ["service", "outcome"],
            registry=r,
        )
        # router
        self.routed = Counter("hub_routed_total", "Messages routed.", ["channel", "department"], registry=r)
        self.duplicates = Counter(
            "hub_duplicates_dropped_total", "Records that had been handled before.", ["service", "event"], registry=r
        )
        self.oldest_undelivered = Gauge(
            "hub_oldest_undelivered_seconds",
            "Age of the oldest reply that was granted and has no final status: it is on its way, or in doubt.",
            ["channel"],
            registry=r,
        )
        # responder
        self.sends = Counter(
            "hub_sends_total", "Calls to providers, by how they ended.", ["channel", "outcome"], registry=r
        )
        self.send_seconds = Histogram(
            "hub_send_seconds", "One call to a provider.", ["channel"], registry=r, buckets=_FAST
        )
        self.waiting = Gauge("hub_sends_waiting", "Replies taken in and not yet ended.", ["channel"], registry=r)
        self.breakers_open = Gauge(
            "hub_breakers_open", "Inboxes whose provider is given a rest.", ["channel"], registry=r
        )


# --- insight: not counted as it happens, but read off its rows at each scrape -----------------------------------

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
FIRST_RESPONSE = (
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR),
    *(_DAY, 2 * _DAY, 3 * _DAY, 5 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY),
)
"""Bounds of the first response, in seconds."""

COUNTED = {
    "received": "Messages of citizens.",
    "needing_none": "Messages that needed no answer.",
    "answered": "Messages that were answered.",
    "unanswered": "Messages whose conversation was closed without an answer to them.",
    "moved_in": "Unanswered messages that came from another department.",
    "moved_out": "Unanswered messages that went to another department.",
    "worklisted": "Messages whose answer did not arrive: they were handed to people.",
    "opened": "Conversations that began.",
    "reopened": "Conversations that began again.",
    "closed": "Conversations that ended.",
    "replies": "Answers that were granted.",
    "refused": "Commands and answers that were refused.",
}
"""What insight counts: `hub_insight_<name>_total`."""


def open_conversations() -> GaugeMetricFamily:
    """Return the number of open conversations."""
    return GaugeMetricFamily("hub_open_conversations", "Open conversations.", labels=["tenant", "department"])


def oldest_unanswered() -> GaugeMetricFamily:
    """Return the age of the oldest message that nobody answered; 0 when there is none."""
    return GaugeMetricFamily(
        "hub_oldest_unanswered_seconds", "Age of the oldest unanswered message.", labels=["tenant", "department"]
    )


def first_response() -> HistogramMetricFamily:
    """Return how long citizens waited for the first answer, by the wall clock."""
    return HistogramMetricFamily(
        "hub_first_response_seconds",
        "From the oldest unanswered message to the first answer in a conversation.",
        labels=["tenant", "department", "channel"],
    )


def counted(name: str) -> CounterMetricFamily:
    """Return one of COUNTED."""
    return CounterMetricFamily(f"hub_insight_{name}", COUNTED[name], labels=["tenant", "department", "channel"])
