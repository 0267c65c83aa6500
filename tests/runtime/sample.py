"""A service small enough to see through, to try the bus with.

It numbers a citizen's messages and passes them on, moves one again when asked, and keeps a watch over each
conversation. A record that is lost, doubled, or out of order shows in the numbers that come out.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from schemas import topics
from schemas.cloudevents import CloudEvent, source_of
from schemas.events import (
    Author,
    DeliveryStatus,
    Event,
    FactWorklisted,
    HubTicked,
    MessageReceived,
    MessageRouted,
    ReceiptReceived,
    RoutingCorrected,
    Sender,
    Times,
    Versions,
    Via,
)
from schemas.parts import Address, AddressKind, Frozen, Text
from services.runtime.bus.handler import Kept, Outgoing, Poison, Record, State, Table, Tables

NUMBERS = 2
OIN = "00000001234567890000"
THEN = datetime(2026, 11, 24, 12, tzinfo=UTC)
VIA = Via(channel="whatsapp", provider="meta", inbox="kcc")
WATCH = timedelta(seconds=0.3)


class Names:
    """The topics of one test: nobody else has them on a shared broker."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.inbound, self.outcomes = f"{prefix}inbound", f"{prefix}outcomes"
        self.state, self.seen = f"{prefix}router.state", f"{prefix}router.seen"
        self.routed, self.facts = f"{prefix}entries", f"{prefix}facts"
        self.inputs: tuple[str, ...] = (self.inbound, self.outcomes)
        self.outputs: tuple[str, ...] = (self.routed, self.facts, "dead-letters")

    @property
    def all(self) -> list[tuple[str, topics.Topic]]:
        return [(name, self.declared(name)) for name in (*self.inputs, self.state, self.seen, *self.outputs)]

    def declared(self, name: str) -> topics.Topic:
        """Fewer partitions than in earnest; but dead letters are everybody's on a shared broker: those as they are."""
        topic = topics.topic_of(name.removeprefix(self.prefix))
        return topic if topic is topics.DEAD_LETTERS else replace(topic, partitions=min(topic.partitions, NUMBERS))


class Conversation(Frozen):
    messages: int = 0
    offsets: tuple[int, ...] = ()
    ballast: str = ""


class Counting:
    """The handler."""

    def __init__(self, names: Names) -> None:
        self._names, self.inputs = names, names.inputs
        self.table = Table("conversations", Conversation, names.state)
        self.tables = Tables((self.table,), names.state, names.seen)

    def handle(self, record: Record, state: State) -> list[Outgoing]:
        if isinstance(record.event.data, HubTicked):
            raise Poison("signs of life are none of a handler's business")
        if state.seen(record.event.id):
            return []
        state.see(record.event.id, record.logged)
        data = record.event.data
        if isinstance(data, MessageReceived):
            return self._message(record, data, state)
        if isinstance(data, RoutingCorrected):
            return self._moved(record, data, state)
        return []

    def _message(self, record: Record, data: MessageReceived, state: State) -> list[Outgoing]:
        whose, word = data.sender.addresses[0].value, data.external_id
        row = state.get(self.table, whose) or Conversation()
        row = row.model_copy(update={"messages": row.messages + 1, "offsets": (*row.offsets, record.offset)})
        state.put(self.table, whose, row)
        state.set_timer(whose, record.logged + WATCH)
        if word == "poison":
            raise Poison("the handler says no")
        if word == "bug":
            raise ZeroDivisionError("words of a citizen")
        if word == "large row":
            state.put(self.table, whose, row.model_copy(update={"ballast": "x" * 1_000_000}))
        reasons = ("x" * 1_000_000,) if word == "large" else ()
        return [self._routed(record, whose, row.messages, message=data, reasons=reasons)]

    def _moved(self, record: Record, data: RoutingCorrected, state: State) -> list[Outgoing]:
        row = state.get(self.table, data.conversation)
        if row is None or data.from_number is None:
            raise Poison("nothing to move")
        kept = Kept(row.offsets[data.from_number - 1], f"m-{data.note}")
        return [replace(self._routed(record, data.conversation, data.from_number), content=kept)]

    def _routed(
        self,
        record: Record,
        whose: str,
        number: int,
        *,
        message: MessageReceived | None = None,
        reasons: tuple[str, ...] = (),
    ) -> Outgoing:
        data = MessageRouted(
            tenant=OIN,
            conversation=whose,
            reference="1",
            number=number,
            routing=1,
            department="kcc",
            message=message,
            confidence=1,
            reasons=reasons,
            versions=Versions(taxonomy="1", lexicon="1"),
        )
        event = CloudEvent(f"routed-{record.event.id}", source_of(OIN), record.logged, data)
        return Outgoing(self._names.routed, f"{whose}/{number}", whose, event)

    def tick(self, now: datetime, state: State) -> list[Outgoing]:
        return [self._watched(name, at, now, state) for name, at in state.due(now)]

    def _watched(self, name: str, at: datetime, now: datetime, state: State) -> Outgoing:
        state.clear_timer(name)
        data = FactWorklisted(
            tenant=OIN, conversation=name, department="kcc", channel="whatsapp", inbox="kcc", at=now, why="watched"
        )
        identity = f"watched-{name}-{at.isoformat()}"
        return Outgoing(self._names.facts, identity, OIN, CloudEvent(identity, source_of(OIN), now, data))


def message(word: str, whose: str = "ann", *, oin: str = OIN) -> Event:
    """A citizen's message; `word` is its external id and its text."""
    return MessageReceived(
        tenant=oin,
        message=f"m-{word}",
        via=VIA,
        sender=Sender(addresses=(Address(kind=AddressKind.WEBCHAT, value=whose),)),
        external_id=word,
        parts=(Text(text=f"words of {word}"),),
        times=Times(happened=THEN, received=THEN),
    )


def correction(whose: str, number: int, word: str) -> Event:
    """Ask for message `number`, whose id must be that of `word`, to be moved."""
    return RoutingCorrected(
        tenant=OIN,
        conversation=whose,
        department="waste",
        from_number=number,
        note=word,
        author=Author(publisher="desk"),
    )


def receipt(word: str) -> Event:
    times = Times(happened=THEN, received=THEN)
    return ReceiptReceived(tenant=OIN, via=VIA, external_id=word, status=DeliveryStatus.READ, times=times)


def outgoing(topic: str, event: Event, identity: str, *, home: str = OIN) -> Outgoing:
    return Outgoing(topic, identity, home, CloudEvent(identity, source_of(OIN), THEN, event))
