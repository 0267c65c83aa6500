"""A small town: the router on a memory of its own, citizens who write, departments that answer, time that is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

from schemas import events as e
from schemas.cloudevents import CloudEvent, decode, encode
from schemas.events import Author, DeliveryStatus, Event, Via
from schemas.ids import derived, message_id, our_id
from schemas.parts import Address, AddressKind, Part, Text
from schemas.topics import department_topic
from services.classification.reading import load_taxonomy
from services.router.handler import Router
from services.router.policy import Policy
from services.router.tables import TABLES
from services.router.turn import Served
from services.runtime.bus.handler import Outgoing, Poison, Record
from services.runtime.bus.state import KeyedState

OIN, OTHER_OIN = "00000001234567890000", "00000009876543210000"
KEY = b"a secret of thirty-two characters"
START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WHATSAPP = Via(channel="whatsapp", provider="meta", inbox="whatsapp-town")
EMAIL = Via(channel="email", provider="own", inbox="mail-town")
ANNA = Address(kind=AddressKind.TEL, value="+31612345678")
ANNA_BSUID = Address(kind=AddressKind.WHATSAPP_BSUID, value="NL.1234567890")
BERT = Address(kind=AddressKind.TEL, value="+31687654321")
ANNA_MAIL = Address(kind=AddressKind.MAILTO, value="anna@example.org")
BERT_MAIL = Address(kind=AddressKind.MAILTO, value="bert@example.org")

LAMP = "de lantaarnpaal voor mijn deur is kapot"
WASTE = "onze gft-bak is niet geleegd"
UNCLEAR = "hallo?"

TAXONOMY = load_taxonomy(Path(__file__).parent / "taxonomy.yaml")
E = TypeVar("E", bound=Event)


def author(department: str | None, agent: str = "jan") -> Author:
    """An employee of a department; without one, somebody who may act everywhere."""
    return Author(publisher=f"{department or 'operator'}-desk", department=department, agent=agent)


class _Read(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Town:
    """Everything a record causes lands in `out`; what a department sees is read by `queue`."""

    def __init__(self, policy: Policy | None = None) -> None:
        policy = policy or Policy()
        served = [Served(name, oin, KEY + name.encode(), TAXONOMY, policy) for name, oin in _TENANTS]
        self.router = Router(served)
        self.state = KeyedState(TABLES, 0)
        self.now = START
        self.out: list[Outgoing] = []
        self.poison: list[str] = []
        self._inbound: list[CloudEvent] = []
        self._changelog: list[_Read] = []
        self._numbers = count(1)

    # --- time and records ---

    def later(self, **delta: float) -> list[Outgoing]:
        """Let time pass, and the router know."""
        self.now += timedelta(**delta)
        return self.tick()

    def tick(self) -> list[Outgoing]:
        """Tell the router what time it is, until nothing is due."""
        found: list[Outgoing] = []
        while fired := self.router.tick(self.now, self.state):
            self.state.keep()
            found += fired
        self.state.keep()
        self.out += found
        return found

    def give(
        self, data: Event, *, name: str | None = None, source: str = "town-desk", topic: str = "inbound"
    ) -> list[Outgoing]:
        """Hand a record to the router, as the loop would: kept, or undone when it is poison."""
        event = CloudEvent(name or f"event-{next(self._numbers)}", source, self.now, data)
        event = decode(*encode(event))
        self._inbound.append(event)
        record = Record(topic, 0, len(self._inbound) - 1, event.id, self.now, event)
        try:
            found = [self._filled(each) for each in self.router.handle(record, self.state)]
        except Poison as reason:
            self.state.undo()
            self.poison.append(str(reason))
            return []
        self.state.keep()
        for each in found:
            assert each.event is None or decode(*encode(each.event)).data == each.event.data
        self.out += found
        return found

    def taken_over(self) -> None:
        """Let another process go on: all it knows is what the changelog says."""
        for line in self.state.changes():
            self._changelog.append(_Read(line.topic, line.partition, len(self._changelog), 0, line.key, line.value, []))
        self.state = KeyedState(TABLES, 0)
        self.state.load(self._changelog)
        self.state.loaded()

    def _filled(self, each: Outgoing) -> Outgoing:
        if each.content is None or each.event is None:
            return each
        found = self._inbound[each.content.offset].data
        assert isinstance(found, e.MessageReceived)
        assert found.message == each.content.message
        data = each.event.data.model_copy(update={"message": found})
        return replace(each, event=replace(each.event, data=data), content=None)

    # --- citizens and providers ---

    def message(  # noqa: PLR0913
        self,
        text: str = LAMP,
        *sender: Address,
        via: Via = WHATSAPP,
        subject: str | None = None,
        thread: tuple[str, ...] = (),
        parts: tuple[Part, ...] | None = None,
        external_id: str | None = None,
        answerable_for: timedelta | None = None,
        automatic: bool = False,
        received: datetime | None = None,
        tenant: str = OIN,
    ) -> e.MessageReceived:
        """Have a citizen write; returns what came in."""
        external_id = external_id or f"ext-{next(self._numbers)}"
        at = received or self.now
        data = e.MessageReceived(
            tenant=tenant,
            message=message_id(KEY, via.channel, via.inbox, external_id),
            via=via,
            sender=e.Sender(addresses=sender or (ANNA,), name="Anna de Vries"),
            external_id=external_id,
            parts=(Text(text=text),) if parts is None else parts,
            subject=subject,
            thread=thread,
            times=e.Times(happened=at, received=at),
            answerable_until=None if answerable_for is None else self.now + answerable_for,
            automatic=automatic,
        )
        self.give(data, name=data.message)
        return data

    def receipt(
        self,
        external_id: str,
        status: DeliveryStatus,
        *,
        ours: tuple[str, int, int] | None = None,
        via: Via = WHATSAPP,
        cost: str | None = None,
    ) -> list[Outgoing]:
        """Have the provider report."""
        data = e.ReceiptReceived(
            tenant=OIN,
            via=via,
            external_id=external_id,
            our_id=our_id(*ours) if ours else None,
            status=status,
            reason=e.Reason.RECIPIENT if status is DeliveryStatus.FAILED else None,
            cost=cost,
            times=e.Times(happened=self.now, received=self.now),
        )
        return self.give(data)

    def echo(self, external_id: str, recipient: Address = ANNA, our: str | None = None) -> list[Outgoing]:
        """Have somebody answer in the provider's own app."""
        data = e.MessageEchoed(
            tenant=OIN,
            message=message_id(KEY, "whatsapp", "echo", external_id),
            via=WHATSAPP,
            recipient=recipient,
            external_id=external_id,
            our_id=our,
            parts=(Text(text="Wij komen morgen kijken."),),
            times=e.Times(happened=self.now, received=self.now),
        )
        return self.give(data)

    # --- departments ---

    def reply(
        self,
        conversation: str,
        text: str = "Wij maken het morgen.",
        *,
        by: Author | None = None,
        answers: int = 1,
        name: str | None = None,
        **more: object,
    ) -> str:
        """Have somebody answer; returns the reply's id."""
        name = name or f"command-{next(self._numbers)}"
        by = by or author("public-space")
        data = e.ReplyRequested.model_validate(
            {"tenant": OIN, "author": by, "conversation": conversation, "parts": [Text(text=text)], "answers": answers}
            | more
        )
        self.give(data, name=name, source="town-desk")
        return derived("town-desk", name)

    # --- the responder ---

    def sent(self, reply: str, *external_ids: str, attempt: int = 1, first: int = 0) -> list[Outgoing]:
        """Have the responder report that every part went."""
        parts = tuple(e.PartSent(part=first + n, external_id=each) for n, each in enumerate(external_ids or ("out",)))
        return self.outcome(e.ReplySent, reply, attempt, sent=parts, parts=first + len(parts))

    def sent_from(self, via: Via, reply: str, external_id: str) -> list[Outgoing]:
        """Have it report that a one-part reply left another inbox."""
        part = e.PartSent(part=0, external_id=external_id)
        return self.outcome(e.ReplySent, reply, 1, sent=(part,), parts=1, inbox=via.inbox)

    def unknown(
        self, reply: str, doubtful: int = 0, parts: int = 1, attempt: int = 1, *external_ids: str
    ) -> list[Outgoing]:
        """Have it report that a part may have gone, after those that did."""
        sent = tuple(e.PartSent(part=n, external_id=each) for n, each in enumerate(external_ids))
        rest = tuple(range(doubtful + 1, parts))
        return self.outcome(
            e.ReplyUnknown, reply, attempt, sent=sent, doubtful=(doubtful,), not_begun=rest, parts=parts
        )

    def failed(self, reply: str, reason: e.Reason = e.Reason.RECIPIENT, attempt: int = 1) -> list[Outgoing]:
        """Have it report that it will not go."""
        return self.outcome(e.ReplyFailed, reply, attempt, parts=1, reason=reason)

    def outcome(self, kind: type[e.Outcome], reply: str, attempt: int, **more: object) -> list[Outgoing]:
        """Have it report anything."""
        base = {"tenant": OIN, "reply": reply, "conversation": "x", "inbox": WHATSAPP.inbox, "attempt": attempt}
        return self.give(kind.model_validate(base | more), topic="outcomes", source="responder")

    # --- looking ---

    def all(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> list[E]:
        """Every event of a kind that went out, in order."""
        return [each for each in events(self.out) if isinstance(each, kind) and where(each)]

    def last(self, kind: type[E]) -> E:
        """The last event of a kind."""
        return self.all(kind)[-1]

    def queue(self, department: str, tenant: str = "town") -> list[Event]:
        """All that a department has on its queue."""
        return list(events(self.out, department_topic(tenant, department)))

    def statuses(self, reply: str) -> list[DeliveryStatus]:
        """What the department was told of a reply, in order."""
        return [each.status for each in self.all(e.DeliveryChanged) if each.reply == reply]

    def history(self, conversation: str) -> dict[int, e.EntryRecorded]:
        """The conversation's history as it stands: the last version of each entry."""
        entries = self.all(e.EntryRecorded, lambda each: each.conversation == conversation)
        return {each.number: each for each in entries}


_TENANTS = (("town", OIN), ("village", OTHER_OIN))


def events(out: list[Outgoing], topic: str | None = None) -> Iterator[Event]:
    """The data of what went out."""
    return (each.event.data for each in out if each.event and topic in {None, each.topic})
