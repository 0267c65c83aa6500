"""The hub in memory: the router on the bus without a broker, a responder that does as it is told, and time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from schemas import events as e
from schemas.cloudevents import CloudEvent
from schemas.events import Author, DeliveryStatus, Event, Via
from schemas.ids import derived, message_id, our_id
from schemas.parts import Address, AddressKind, Text
from schemas.topics import department_topic
from services.classification.reading import load_taxonomy
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

OIN = "00000001234567890000"
KEY = b"a secret of thirty-two characters"
START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WHATSAPP = Via(channel="whatsapp", provider="meta", inbox="whatsapp-town")
ANNA = Address(kind=AddressKind.TEL, value="+31612345678")
TAXONOMY = Path(__file__).parents[1] / "router" / "taxonomy.yaml"
E = TypeVar("E", bound=Event)


class Hub:
    """Give it words and commands; ask it what is on which topic."""

    def __init__(self) -> None:
        self.clock = ManualClock(START)
        self.bus = MemoryBus(self.clock, ServiceMetrics(Metrics(), "router"))
        served = [Served("town", OIN, KEY, load_taxonomy(TAXONOMY), Policy())]
        self.router = self.bus.serve(Router(served, number_of), TABLES, group="router")
        self.sent: list[tuple[str, int]] = []
        """What the responder was asked, in order: reply and attempt."""
        self._numbers = count(1)

    # --- what comes in ---

    async def write(self, text: str, sender: Address = ANNA, external_id: str | None = None) -> str:
        """Have a citizen write; returns the message's id."""
        external_id = external_id or f"wamid.{next(self._numbers)}"
        now = self.clock.now()
        data = e.MessageReceived(
            tenant=OIN,
            message=message_id(KEY, WHATSAPP.channel, WHATSAPP.inbox, external_id),
            via=WHATSAPP,
            sender=e.Sender(addresses=(sender,)),
            external_id=external_id,
            parts=(Text(text=text),),
            times=e.Times(happened=now, received=now),
        )
        await self.put("inbound", data, data.message)
        return data.message

    async def ask(self, kind: type[e.Command], conversation: str, asked_by: str | None, **more: object) -> str:
        """Have a department ask something; returns the id of the reply, when it is one."""
        name = f"command-{next(self._numbers)}"
        by = Author(publisher=f"{asked_by or 'operator'}-desk", department=asked_by, agent="jan")
        data = kind.model_validate({"tenant": OIN, "author": by, "conversation": conversation} | more)
        await self.put("inbound", data, name)
        return derived("town-desk", name)

    async def answer(self, conversation: str, department: str | None, text: str = "Morgen.", answers: int = 1) -> str:
        """Have a department answer; returns the reply's id."""
        parts = [Text(text=text)]
        return await self.ask(e.ReplyRequested, conversation, department, parts=parts, answers=answers)

    async def receipt(self, reply: str, status: DeliveryStatus, attempt: int = 1) -> None:
        """Have the provider report on a reply."""
        now = self.clock.now()
        data = e.ReceiptReceived(
            tenant=OIN,
            via=WHATSAPP,
            external_id=f"out-{reply}",
            our_id=our_id(reply, attempt, 0),
            status=status,
            reason=e.Reason.RECIPIENT if status is DeliveryStatus.FAILED else None,
            code="131026" if status is DeliveryStatus.FAILED else None,
            times=e.Times(happened=now, received=now),
        )
        await self.put("inbound", data, f"receipt-{next(self._numbers)}")

    async def respond(self, how: Callable[[e.SendRequested], e.Outcome] | None = None) -> None:
        """Have the responder do what it was asked and did not do yet, until nothing is left."""
        while wanted := [each for each in self.on("outbox", e.SendRequested) if _attempt(each) not in self.sent]:
            for each in wanted:
                self.sent.append(_attempt(each))
                outcome = (how or delivered)(each)
                await self.put("outcomes", outcome, derived(each.reply, each.attempt))

    async def put(self, topic: str, data: Event, name: str) -> None:
        """Write one record to one of the router's inputs, and wait until it is handled."""
        event = CloudEvent(name, "town-desk", self.clock.now(), data)
        await self.bus.publish([Outgoing(topic, name, OIN, event)])
        await self.bus.settle()

    # --- what went out ---

    def on(self, topic: str, kind: type[E]) -> list[E]:
        """Return the events of a kind on a topic, in order."""
        return [event.data for event in self.bus.events(topic) if isinstance(event.data, kind)]

    def queue(self, department: str) -> list[Event]:
        """Return all that is on a department's queue, in order."""
        return [event.data for event in self.bus.events(department_topic("town", department))]

    def routed(self, department: str) -> list[e.MessageRouted]:
        """Return the messages on a department's queue."""
        return [each for each in self.queue(department) if isinstance(each, e.MessageRouted)]

    def statuses(self, reply: str) -> list[DeliveryStatus]:
        """Return how far a reply got, by the facts."""
        return [each.status for each in self.on("facts", e.FactDeliveryChanged) if each.reply == reply]

    def ids(self) -> list[str]:
        """Return the ids of everything that went out."""
        topics = {place[0] for place in self.bus.broker._logs if not place[0].startswith(("inbound", "outcomes"))}
        topics -= {TABLES.state, TABLES.seen or ""}
        return [event.id for topic in topics for event in self.bus.events(topic)]


def delivered(wanted: e.SendRequested) -> e.Outcome:
    """The provider took it."""
    part = e.PartSent(part=0, external_id=f"out-{wanted.reply}")
    return e.ReplySent(**_outcome(wanted), sent=(part,))


def doubtful(wanted: e.SendRequested) -> e.Outcome:
    """Nobody knows."""
    return e.ReplyUnknown(**_outcome(wanted), doubtful=(0,), reason=e.Reason.UNKNOWN)


def _outcome(wanted: e.SendRequested) -> dict[str, Any]:
    return {
        "tenant": wanted.tenant,
        "reply": wanted.reply,
        "conversation": wanted.conversation,
        "inbox": wanted.via.inbox,
        "attempt": wanted.attempt,
        "parts": 1,
    }


def _attempt(wanted: e.SendRequested) -> tuple[str, int]:
    return wanted.reply, wanted.attempt
