"""The account adds up at every moment, whatever happens and in whatever order.

Received = answered + open + closed without an answer + needing none + handed to people, from the facts alone; and
the router's memory agrees with it.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas import events as e
from schemas.events import DeliveryStatus as S
from schemas.parts import Address
from services.router.policy import Policy
from services.router.tables import CONVERSATIONS, REPLIES, Conversation
from tests.router.town import ANNA, ANNA_BSUID, BERT, LAMP, OIN, UNCLEAR, WASTE, Town, author

TEXTS = (LAMP, WASTE, UNCLEAR, "Bedankt!", "hoe staat het ermee", "ik ruik gaslucht", "bij nummer 12")
DEPARTMENTS = ("public-space", "waste", "kcc", "triage")
pick = st.integers(0, 1000)


class Account(RuleBasedStateMachine):
    """A town in which anything may happen next."""

    def __init__(self) -> None:
        super().__init__()
        self.town = Town(Policy(idle_for=timedelta(days=3)))
        self.replies: list[str] = []
        self.externals: list[str] = []

    # --- what may happen ---

    @rule(text=st.sampled_from(TEXTS), sender=st.sampled_from([(ANNA,), (ANNA, ANNA_BSUID), (ANNA_BSUID,), (BERT,)]))
    def a_citizen_writes(self, text: str, sender: tuple[Address, ...]) -> None:
        self.externals.append(self.town.message(text, *sender).external_id)

    @rule(texts=st.lists(st.sampled_from(TEXTS), min_size=2, max_size=4))
    def both_write(self, texts: list[str]) -> None:
        for text in texts:
            self.a_citizen_writes(text, (ANNA,))
            self.a_citizen_writes(text, (BERT,))

    @precondition(lambda self: self.externals)
    @rule(n=pick)
    def a_webhook_comes_again(self, n: int) -> None:
        before = len(self.town.out)
        self.town.message(external_id=self.externals[n % len(self.externals)])
        assert len(self.town.out) == before

    @precondition(lambda self: self.open)
    @rule(n=pick, back=st.integers(0, 3), own=st.booleans(), closes=st.booleans(), forced=st.booleans())
    def somebody_answers(self, n: int, back: int, *, own: bool, closes: bool, forced: bool) -> None:
        conversation = self.open[n % len(self.open)]
        by = author(conversation.department if own else None, "jan" if own else "piet")
        answers = max(0, conversation.last - back)
        reply = self.town.reply(conversation.id, by=by, answers=answers, closes=closes, forced=forced)
        if self.town.state.get(REPLIES, reply):
            self.replies.append(reply)

    @precondition(lambda self: self.open)
    @rule(n=pick, department=st.sampled_from(DEPARTMENTS), correct=st.booleans())
    def it_moves(self, n: int, department: str, *, correct: bool) -> None:
        conversation = self.open[n % len(self.open)]
        kind = e.RoutingCorrected if correct else e.ConversationHandedOver
        self.town.give(kind(tenant=OIN, author=author(None), conversation=conversation.id, department=department))

    @precondition(lambda self: self.open)
    @rule(n=pick)
    def somebody_closes(self, n: int) -> None:
        conversation = self.open[n % len(self.open)]
        self.town.give(e.ConversationClosed(tenant=OIN, author=author(None), conversation=conversation.id))

    @precondition(lambda self: len(self.open) > 1)
    @rule(n=pick, m=pick)
    def two_are_merged(self, n: int, m: int) -> None:
        one, other = self.open[n % len(self.open)].id, self.open[m % len(self.open)].id
        self.town.give(e.ConversationLinked(tenant=OIN, author=author(None), conversation=one, other=other, merge=True))

    @precondition(lambda self: self.open)
    @rule(n=pick)
    def a_citizen_asks_to_be_forgotten(self, n: int) -> None:
        conversation = self.open[n % len(self.open)]
        self.town.give(e.ContactErased(tenant=OIN, author=author(None), conversation=conversation.id))

    @precondition(lambda self: self.in_flight)
    @rule(n=pick, how=st.sampled_from(["sent", "failed", "unknown"]))
    def the_responder_reports(self, n: int, how: str) -> None:
        reply = self.in_flight[n % len(self.in_flight)]
        row = self.town.state.get(REPLIES, reply)
        assert row
        if how == "sent":
            self.town.sent(reply, f"out-{reply}", attempt=row.attempt)
        else:
            getattr(self.town, how)(reply, attempt=row.attempt)

    @precondition(lambda self: self.replies)
    @rule(n=pick, status=st.sampled_from([S.SENT, S.DELIVERED, S.READ, S.FAILED]), ours=st.booleans())
    def the_provider_reports(self, n: int, status: S, *, ours: bool) -> None:
        reply = self.replies[n % len(self.replies)]
        self.town.receipt(f"out-{reply}", status, ours=(reply, 1, 0) if ours else None)

    @rule(external_id=st.sampled_from(["laptop-1", "laptop-2"]), recipient=st.sampled_from([ANNA, BERT]))
    def somebody_answers_outside(self, external_id: str, recipient: Address) -> None:
        self.town.echo(external_id, recipient)

    @rule(hours=st.sampled_from([0.01, 1, 30, 80, 24 * 15]))
    def time_passes(self, hours: float) -> None:
        self.town.later(hours=hours)

    @rule()
    def another_process_takes_over(self) -> None:
        self.town.taken_over()

    # --- what always holds ---

    @property
    def open(self) -> list[Conversation]:
        return sorted((row for _key, row in self.town.state.rows(CONVERSATIONS) if row.is_open), key=lambda row: row.id)

    @property
    def in_flight(self) -> list[str]:
        rows = (row for _key, row in self.town.state.rows(CONVERSATIONS))
        return sorted(row.in_flight for row in rows if row.in_flight)

    @invariant()
    def the_account_adds_up(self) -> None:
        facts = self.town.all
        received = len(facts(e.FactMessageReceived))
        none_needed = len(facts(e.FactMessageReceived, lambda fact: not fact.needs_answer))
        accepted = sum(fact.answered for fact in facts(e.FactReplyAccepted))
        to_people = sum(fact.messages for fact in facts(e.FactWorklisted))
        closed = sum(fact.unanswered for fact in facts(e.FactConversationClosed))
        still_open = sum(row.open for _key, row in self.town.state.rows(CONVERSATIONS))
        assert received == none_needed + (accepted - to_people) + to_people + closed + still_open
        assert to_people <= accepted

    @invariant()
    def each_department_has_what_came_to_it_and_did_not_leave(self) -> None:
        for department in DEPARTMENTS:
            assert self._open_by_facts(department) == self._open_in_memory(department)

    def _open_by_facts(self, department: str) -> int:
        facts = self.town.all
        asked = facts(e.FactMessageReceived, lambda fact: fact.department == department and fact.needs_answer)
        came = sum(fact.messages for fact in facts(e.FactMessageMoved) if fact.department == department)
        left = sum(fact.messages for fact in facts(e.FactMessageMoved) if fact.from_department == department)
        answered = sum(fact.answered for fact in facts(e.FactReplyAccepted) if fact.department == department)
        closed = sum(fact.unanswered for fact in facts(e.FactConversationClosed) if fact.department == department)
        return len(asked) + came - left - answered - closed

    def _open_in_memory(self, department: str) -> int:
        rows = (row for _key, row in self.town.state.rows(CONVERSATIONS))
        return sum(row.open for row in rows if row.department == department)

    @invariant()
    def every_message_is_on_a_queue_in_the_order_in_which_it_came(self) -> None:
        routed = [each.message.message for each in self.town.all(e.MessageRouted) if each.message]
        assert list(dict.fromkeys(routed)) == [each.message for each in self.town.all(e.FactMessageReceived)]

    @invariant()
    def one_answer_is_in_flight_and_it_is_in_order(self) -> None:
        for _key, row in self.town.state.rows(CONVERSATIONS):
            assert not row.queue or row.in_flight
            numbers = [self._number(reply) for reply in ([row.in_flight] if row.in_flight else []) + list(row.queue)]
            assert numbers == sorted(numbers)

    def _number(self, reply: str) -> int:
        found = self.town.state.get(REPLIES, reply)
        assert found
        return found.number

    @invariant()
    def no_entry_number_is_used_twice(self) -> None:
        for conversation in {each.conversation for each in self.town.all(e.EntryRecorded)}:
            kinds: dict[int, e.EntryKind] = {}
            for entry in self.town.all(e.EntryRecorded, lambda each, c=conversation: each.conversation == c):  # type: ignore[misc]
                assert kinds.setdefault(entry.number, entry.kind) is entry.kind

    @invariant()
    def nothing_was_set_aside(self) -> None:
        assert self.town.poison == []


Account.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAccount = Account.TestCase
