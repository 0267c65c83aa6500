"""A good past: what lies on the topics after a busy day of the router on the bus without a broker."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple

from schemas import events as e
from schemas.cloudevents import CloudEvent, decode, source_of
from schemas.events import Author, Closing, Event, Via
from schemas.ids import derived, message_id, our_id
from schemas.parts import Address, AddressKind, Text
from schemas.topics import expand
from services.classification.reading import load_taxonomy
from services.hub.invariants import Check
from services.router.app import number_of
from services.router.handler import Router
from services.router.policy import Policy
from services.router.tables import TABLES
from services.router.turn import Served
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.memory import MemoryBus
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics

TOWN, VILLAGE, NOBODY = "00000001234567890000", "00000009876543210000", "00000005555555550000"
NAMES = {TOWN: "town", VILLAGE: "village"}
KEY = b"a secret of thirty-two characters"
START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WHATSAPP = Via(channel="whatsapp", provider="meta", inbox="whatsapp-town")
EMAIL = Via(channel="email", provider="own", inbox="mail-town")
ANNA, BERT, CARLA = (Address(kind=AddressKind.TEL, value=f"+3161234567{n}") for n in (1, 2, 3))
CARLA_NEW = Address(kind=AddressKind.TEL, value="+31687654321")
DIRK = Address(kind=AddressKind.MAILTO, value="dirk@example.org")
LAMP, WASTE = "de lantaarnpaal voor mijn deur is kapot", "onze gft-bak is niet geleegd"
TAXONOMY = load_taxonomy(Path(__file__).parents[1] / "router" / "taxonomy.yaml")
DEPARTMENTS = tuple(TAXONOMY.titles)


class Lying(NamedTuple):
    """A record, and where it lies."""

    topic: str
    partition: int
    offset: int
    event: CloudEvent


class Day:
    """Has things happen. What a responder would do is done here."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.bus = MemoryBus(self.clock, ServiceMetrics(Metrics(), "router"))
        served = [Served(name, oin, KEY, TAXONOMY, Policy()) for oin, name in NAMES.items()]
        self.bus.serve(Router(served, number_of), TABLES, group="router")
        self._numbers = count(1)

    async def put(self, data: Event, topic: str = "inbound", name: str | None = None) -> str:
        """Write an event and have the router work; returns the event's id."""
        name = name or f"{topic}-{next(self._numbers)}"
        event = CloudEvent(name, source_of(data.tenant), self.clock.now(), data)
        await self.bus.publish([Outgoing(topic, name, data.tenant, event)])
        await self.bus.settle()
        self.clock.advance(1)
        return name

    async def write(
        self, text: str, *sender: Address, via: Via = WHATSAPP, tenant: str = TOWN, external: str | None = None
    ) -> str:
        """Have a citizen write; returns the message's id."""
        external = external or f"wamid.{next(self._numbers)}"
        now = self.clock.now()
        message = e.MessageReceived(
            tenant=tenant,
            message=message_id(KEY, via.channel, via.inbox, external),
            via=via,
            sender=e.Sender(addresses=sender),
            external_id=external,
            parts=(Text(text=text),),
            times=e.Times(happened=now, received=now),
        )
        await self.put(message, name=message.message)
        return message.message

    async def ask(self, kind: type[e.Command], conversation: str, asker: str | None, /, **more: object) -> str:
        """Have somebody ask something; returns the event's id."""
        by = Author(publisher=f"{asker or 'operator'}-desk", department=asker, agent="jan")
        given = {"tenant": TOWN, "author": by, "conversation": conversation}
        return await self.put(kind.model_validate(given | more))

    async def answer(self, conversation: str, department: str | None, answers: int, **more: object) -> str:
        """Have somebody answer; returns the reply's id."""
        parts = [Text(text="Wij komen morgen.")]
        given = {"parts": parts, "answers": answers}
        name = await self.ask(e.ReplyRequested, conversation, department, **given | more)
        return derived(source_of(TOWN), name)

    async def outcome(self, kind: type[e.Outcome], reply: str, attempt: int = 1, **more: object) -> None:
        """Have the responder report."""
        base = {"tenant": TOWN, "reply": reply, "conversation": "-", "inbox": WHATSAPP.inbox, "attempt": attempt}
        await self.put(kind.model_validate(base | {"parts": 1} | more), "outcomes")

    async def went(self, reply: str, attempt: int = 1) -> None:
        """Have every part of a reply go, and be read."""
        external = f"out-{reply}-{attempt}"
        await self.outcome(e.ReplySent, reply, attempt, sent=(e.PartSent(part=0, external_id=external),))
        now = self.clock.now()
        for status in (e.DeliveryStatus.READ, e.DeliveryStatus.DELIVERED):
            times = e.Times(happened=now, received=now)
            receipt = e.ReceiptReceived(
                tenant=TOWN,
                via=WHATSAPP,
                external_id=external,
                our_id=our_id(reply, attempt, 0),
                status=status,
                times=times,
            )
            await self.put(receipt)

    def conversation(self, message: str) -> tuple[str, int]:
        """Return in which conversation a message is, and under which number."""
        facts = (event.data for event in self.bus.events("facts"))
        fact = next(each for each in facts if isinstance(each, e.FactMessageReceived) and each.message == message)
        return fact.conversation, fact.number

    def records(self) -> list[Lying]:
        """Return all that lies on the topics, partition by partition."""
        names = [name for name, topic in expand((name, DEPARTMENTS) for name in NAMES.values()) if topic.carries]
        return [
            Lying(record.topic, record.partition, record.offset, decode(record.headers, record.value))
            for name in names
            for record in self.bus.broker.topic(name)
        ]


async def _busy() -> list[Lying]:
    day = Day()
    try:
        for scene in _SCENES:
            await scene(day)
        return day.records()
    finally:
        await day.bus.close()


async def _a_lamp_is_answered_twice(day: Day) -> None:
    message = await day.write(LAMP, ANNA, external="wamid.same")
    for _ in range(3):
        await day.write(LAMP, ANNA, external="wamid.same")
    await day.write("bij nummer 12", ANNA)
    conversation, number = day.conversation(message)
    await day.ask(e.ConversationClaimed, conversation, "public-space")
    reply = await day.answer(conversation, "public-space", number + 1)
    await day.answer(conversation, None, number)
    await day.outcome(e.ReplyUnknown, reply, doubtful=(0,))
    await day.bus.tick(180)
    await day.went(reply, attempt=2)
    await day.write("Bedankt!", ANNA)


async def _an_unclear_message_finds_its_way(day: Day) -> None:
    message = await day.write("hallo?", BERT)
    conversation, number = day.conversation(message)
    await day.write("hoort u mij?", BERT)
    await day.ask(e.RoutingCorrected, conversation, "triage", department="waste", note="de kliko")
    await day.ask(e.ConversationNoted, conversation, "waste", text="Ik bel even.")
    await day.ask(e.ConversationHandedOver, conversation, "waste", department="kcc", note="graag bellen")
    await day.ask(e.ConversationClosed, conversation, "waste")
    await day.went(await day.answer(conversation, "kcc", number))


async def _somebody_gets_another_number(day: Day) -> None:
    message = await day.write(WASTE, CARLA)
    times = e.Times(happened=day.clock.now(), received=day.clock.now())
    await day.put(
        e.AddressLinked(tenant=TOWN, via=WHATSAPP, external_id="moved", old=CARLA, new=CARLA_NEW, times=times)
    )
    conversation, number = day.conversation(message)
    reply = await day.answer(conversation, "waste", number)
    await day.outcome(e.ReplyFailed, reply, reason=e.Reason.RECIPIENT)


async def _two_conversations_become_one(day: Day) -> None:
    older, _ = day.conversation(await day.write(WASTE, DIRK, via=EMAIL))
    younger, _ = day.conversation(await day.write(LAMP, ANNA, via=EMAIL))
    await day.write("hij knippert ook", DIRK, via=EMAIL)
    await day.ask(e.ConversationLinked, older, None, other=younger, merge=True)
    await day.ask(e.ConversationNoted, younger, None, text="Dit is samengevoegd.")


async def _what_cannot_be_handled(day: Day) -> None:
    await day.write(LAMP, ANNA, tenant=NOBODY)
    await day.ask(e.ContactErased, "-", None)


async def _it_is_still_open(day: Day) -> None:
    await day.write(LAMP, BERT, tenant=VILLAGE)
    conversation, _ = day.conversation(await day.write(WASTE, BERT, via=EMAIL))
    await day.ask(e.ConversationClosed, conversation, "waste", reason=Closing.NO_ANSWER_NEEDED)
    conversation, number = day.conversation(await day.write(LAMP, CARLA, via=EMAIL))
    await day.answer(conversation, "public-space", number)


_SCENES = (
    _a_lamp_is_answered_twice,
    _an_unclear_message_finds_its_way,
    _somebody_gets_another_number,
    _two_conversations_become_one,
    _what_cannot_be_handled,
    _it_is_still_open,
)


@cache
def busy_day() -> tuple[Lying, ...]:
    """Return what lies on the topics after a day on which a bit of everything happened."""
    return tuple(asyncio.run(_busy()))


def checked(records: list[Lying], check: Check | None = None) -> Check:
    """Return a check that was fed these."""
    check = check or Check(NAMES)
    for each in records:
        check.feed(*each)
    return check
