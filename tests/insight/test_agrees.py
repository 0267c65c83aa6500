"""Insight and the router agree: whatever happens in a town, its rows say what the router remembers."""

from collections import Counter

from hypothesis import settings
from hypothesis.stateful import invariant, rule

from schemas.events import Fact
from schemas.topics import FACTS
from services.insight.views import Seen
from services.router import conversations
from services.router.tables import Conversation
from services.router.turn import Turn
from tests.insight.facts import PARTITION, Shelf
from tests.router.test_account import Account as Town


class Agreement(Town):
    """A town in which anything may happen next, and insight reads along; sometimes it reads again."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = Shelf()
        self.read = 0

    @rule()
    def insight_reads_again_from_the_start(self) -> None:
        self.read = 0

    @invariant()
    def insight_says_what_the_router_remembers(self) -> None:
        self._read_on()
        rows = {each.id: each.row for each in self.shelf.book.conversations()}
        assert rows.keys() == {each.id for each in self.open}
        for each in self.open:
            row = rows[each.id]
            assert (row.department, row.unanswered, row.claimed) == (
                each.department,
                each.open,
                each.claimed_by is not None,
            )
            assert row.oldest == self._oldest(each)

    @invariant()
    def its_counts_add_up(self) -> None:
        totals = self.shelf.book.totals.values()
        came = sum(each.received - each.needing_none for each in totals)
        went = sum(each.answered + each.unanswered for each in totals)
        assert came - went == sum(each.row.unanswered for each in self.shelf.book.conversations())

    @invariant()
    def it_counts_by_department_as_the_router_does(self) -> None:
        by_department = Counter[str]()
        for stock, counts in self.shelf.book.totals.items():
            waiting = counts.received - counts.needing_none + counts.moved_in
            by_department[stock.department] += waiting - counts.moved_out - counts.answered - counts.unanswered
        remembered = Counter[str]()
        for each in self.open:
            remembered[each.department] += each.open
        assert +by_department == +remembered

    def _read_on(self) -> None:
        facts = [each.event.data for each in self.town.out if each.topic == FACTS.name and each.event]
        log = [Seen(PARTITION, offset, fact) for offset, fact in enumerate(facts) if isinstance(fact, Fact)]
        self.shelf.take(log[self.read :])
        self.read = len(log)

    def _oldest(self, conversation: Conversation) -> object:
        turn = Turn(self.town.router._served[conversation.tenant], self.town.state, self.town.now, "test")
        waiting = conversations.unanswered(turn, conversation)
        found = [conversations.line(turn, conversation.id, number) for number in waiting]
        return min((line.taken.received for line in found if line and line.taken), default=None)


Agreement.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAgreement = Agreement.TestCase
