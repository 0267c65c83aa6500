"""What Prometheus sees."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from services.insight.figures import Figures
from services.runtime.process.clock import ManualClock
from tests.insight.facts import NINE, OIN, OTHER_OIN, Shelf, accepted, closed, moved, opened, received


def scrape(shelf: Shelf, unready: str | None = None, minutes: float = 0) -> CollectorRegistry:
    clock, registry = ManualClock(NINE), CollectorRegistry()
    clock.advance(minutes * 60)
    registry.register(Figures(shelf.book, {OIN: "zonnedael"}, clock, lambda: unready))
    return registry


def now(registry: CollectorRegistry, name: str, department: str = "waste", tenant: str = "zonnedael") -> float | None:
    return registry.get_sample_value(name, {"tenant": tenant, "department": department})


def ever(registry: CollectorRegistry, name: str, **more: str) -> float | None:
    labels = {"tenant": "zonnedael", "department": "waste", "channel": "whatsapp"} | more
    return registry.get_sample_value(name, labels)


def test_what_is_open_and_how_old_the_oldest_is() -> None:
    shelf = Shelf([opened(), received(), received(5), opened(1, conversation="c2"), received(1, conversation="c2")])
    registry = scrape(shelf, minutes=10)
    assert now(registry, "hub_open_conversations") == 2
    assert now(registry, "hub_oldest_unanswered_seconds") == 600
    assert ever(registry, "hub_insight_received_total") == 3


def test_a_department_in_which_all_is_done_is_zero_and_not_absent() -> None:
    registry = scrape(Shelf([opened(), received(), moved(1, "kcc"), closed(2, department="kcc")]), minutes=10)
    for department in ("waste", "kcc"):
        assert now(registry, "hub_open_conversations", department) == 0
        assert now(registry, "hub_oldest_unanswered_seconds", department) == 0


def test_a_municipality_that_is_no_longer_configured_is_shown_by_its_number() -> None:
    registry = scrape(Shelf([opened(tenant=OTHER_OIN)]))
    assert now(registry, "hub_open_conversations", tenant=OTHER_OIN) == 1


def test_how_long_first_answers_took() -> None:
    shelf = Shelf([accepted(1, waited=60), accepted(2, waited=61), accepted(3, waited=9e9), accepted(4, first=False)])
    registry = scrape(shelf)
    found = [ever(registry, "hub_first_response_seconds_bucket", le=le) for le in ("60.0", "300.0", "+Inf")]
    assert found == [1, 2, 3]
    assert ever(registry, "hub_first_response_seconds_count") == 3
    assert ever(registry, "hub_first_response_seconds_sum") == 60 + 61 + 9e9


def test_while_the_tables_are_rebuilt_there_is_no_figure_at_all() -> None:
    assert generate_latest(scrape(Shelf([opened()]), unready="rebuilding")) == b""
