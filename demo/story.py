"""The story: what citizens and employees of Zonnedael do in one minute, and what must come of it.

Each scene is a function; its docstring is what the audience reads. It plays by the doors that everyone has (webhook,
LMTP, bridge) and believes only what it sees on the topics and in the ledgers of the stand-ins.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from demo import graph, mail, town
from demo.graph import Accepted, Graph, change, webhook
from demo.mail import MailCatcher
from demo.processes import Services
from demo.watch import PATIENCE, NotSeen, Watch
from schemas.events import (
    PREFIX,
    Closing,
    ConversationHandedOver,
    DeliveryChanged,
    DeliveryStatus,
    FactConversationClosed,
    MessageReassigned,
    MessageReceived,
    MessageRouted,
    Move,
    ReceiptReceived,
    RecordSetAside,
    Refusal,
    ReplyRefused,
)
from schemas.parts import text_of

QUEUE = "department.zonnedael."


def timestamp() -> str:
    """Return now as Meta writes it: seconds since 1970."""
    return str(int(time.time()))


def must(true: bool, what: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Raise NotSeen, naming what should have been so."""
    if not true:
        raise NotSeen(f"not so: {what}")


@dataclass
class Stage:
    """What the scenes play on."""

    graph: Graph
    mails: MailCatcher
    services: Services
    watch: Watch
    http: aiohttp.ClientSession
    ingest: str
    """Base address of ingest."""
    lmtp: int
    _numbers: Any = field(default_factory=lambda: count(1))

    async def writes(self, sender: str, text: str, **more: Any) -> str:  # noqa: ANN401 - as WhatsApp has it
        """Have a citizen write on WhatsApp; returns the message's id there."""
        message = self.message(sender, text, **more)
        status = await self.graph.post(webhook(whatsapp(message)))
        must(status == 200, f"the webhook is answered with 200, not {status}")  # noqa: PLR2004
        return str(message["id"])

    def message(self, sender: str, text: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as WhatsApp has it
        """Return one WhatsApp message."""
        fresh = {"id": f"wamid.CITIZEN{next(self._numbers):06}", "timestamp": timestamp(), "from": sender}
        return fresh | ({"type": "text", "text": {"body": text}} if text else {}) | more

    async def routed(self, queue: str, external_id: str, routing: int = 1) -> MessageRouted:
        """Return the message with this external id as it reached a department's queue."""
        return await self.watch.until(
            f"the message on the queue of {queue}",
            MessageRouted,
            lambda it: it.message is not None and it.message.external_id == external_id and it.routing == routing,
            topic=QUEUE + queue,
        )

    async def asks(self, who: str, kind: str, **data: Any) -> str:  # noqa: ANN401 - as the event has it
        """Post a command through the bridge with the token of a department; returns the event's id."""
        event_id = f"demo-{next(self._numbers)}"
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": f"urn:nld:oin:{town.OIN}:systeem:demo-{who}",
            "type": f"{PREFIX}{kind}.v1",
            "datacontenttype": "application/json",
            "data": {"tenant": town.OIN} | data,
        }
        headers = {
            "Authorization": f"Bearer {town.TOKENS[who]}",
            "Content-Type": "application/cloudevents+json",
        }
        async with self.http.post(f"{self.ingest}/v1/events", data=json.dumps(event), headers=headers) as answer:
            must(answer.status == 202, f"the bridge keeps {kind}, and does not answer {answer.status}")  # noqa: PLR2004
        return event_id

    async def answers(self, department: str, to: MessageRouted, text: str, **more: Any) -> str:  # noqa: ANN401
        """Have a department answer a message; returns the event's id."""
        parts = [{"kind": "text", "text": text}]
        seen = {"conversation": to.conversation, "answers": to.number, "parts": parts}
        return await self.asks(department, "reply.requested", **seen | more)

    async def reaches(self, conversation: str, status: DeliveryStatus, queue: str) -> DeliveryChanged:
        """Return when the department was told that its reply got this far."""
        return await self.watch.until(
            f"the reply {status} on the queue of {queue}",
            DeliveryChanged,
            lambda it: it.conversation == conversation and it.status == status,
            topic=QUEUE + queue,
        )

    async def phone_shows(self, to: str, text: str) -> Accepted:
        """Return the message that a citizen's phone shows."""
        for _ in range(int(PATIENCE / 0.05)):
            for taken in self.graph.accepted:
                if taken.to.lstrip("+") == to and taken.text == text:
                    return taken
            await asyncio.sleep(0.05)
        raise NotSeen(f"not seen within {PATIENCE:.0f} s: the answer on the citizen's phone")


def whatsapp(*messages: dict[str, Any], account: str = town.WHATSAPP, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return one change with messages and the names of who wrote them."""
    contacts = [{"profile": {"name": "Inwoner"}, "wa_id": each["from"]} for each in messages if "from" in each]
    return change(account, messages=list(messages), contacts=contacts, **more)


async def lamp(stage: Stage) -> None:
    """A lamp is broken; the router is killed in the middle; the answer is read."""
    wamid = await stage.writes("31600000001", "de lantaarnpaal voor mijn deur is kapot")
    routed = await stage.routed("public-space", wamid)
    stage.services["router"].kill()
    await stage.answers("public-space", routed, "Dank u wel. Wij maken de lamp deze week.")
    taken = await stage.phone_shows("31600000001", "Dank u wel. Wij maken de lamp deze week.")
    must(taken.body["context"]["message_id"] == wamid, "the answer is shown under the question")
    await stage.reaches(routed.conversation, DeliveryStatus.READ, "public-space")


async def bin_by_mail(stage: Stage) -> None:
    """A mail about a bin goes to waste, and is answered in the same thread."""
    message_id = "<gft-1@burgers.example>"
    letter = mail.written(
        "A. Inwoner <inwoner@burgers.example>",
        town.MAILBOX,
        "GFT",
        "Goedemorgen, onze gft-bak is niet geleegd.",
        message_id,
    )
    await mail.hand_in(letter, stage.lmtp)
    routed = await stage.routed("waste", message_id)
    await stage.answers("waste", routed, "Morgen komen wij nog eens langs.")
    await stage.reaches(routed.conversation, DeliveryStatus.ACCEPTED, "waste")
    (caught,) = [one for one in stage.mails.caught if "inwoner@burgers.example" in str(one["To"])]
    must(caught["In-Reply-To"] == message_id, "the answer names the mail that it answers")
    must(message_id in str(caught["References"]), "the answer is in the thread")
    must("Morgen komen wij nog eens langs." in caught.get_content(), "the words arrive")


async def without_number(stage: Stage) -> None:
    """Somebody without a phone number is answered by the id that WhatsApp gives."""
    bsuid = "NL.4815162342"
    message = stage.message("", "er ligt een matras naast de container", from_user_id=bsuid)
    message.pop("from")
    value = change(
        town.WHATSAPP,
        messages=[message],
        contacts=[{"profile": {"name": "Inwoner", "username": "inwoner"}, "user_id": bsuid}],
    )
    must(await stage.graph.post(webhook(value)) == 200, "the webhook is taken")  # noqa: PLR2004
    routed = await stage.routed("waste", str(message["id"]))
    await stage.answers("waste", routed, "Wij halen het matras op.")
    taken = await stage.phone_shows(bsuid, "Wij halen het matras op.")
    must(taken.by == "recipient", "the answer goes to `recipient`")
    await stage.reaches(routed.conversation, DeliveryStatus.READ, "waste")


async def unclear(stage: Stage) -> None:
    """An unclear message goes to people; they say it is for waste; what comes next goes there by itself."""
    first = await stage.writes("31600000004", "hallo?")
    routed = await stage.routed("triage", first)
    await stage.asks(
        "triage", "routing.corrected", conversation=routed.conversation, department="waste", note="Over de kliko"
    )
    moved = await stage.routed("waste", first, routing=2)
    must(moved.message is not None and text_of(moved.message.parts) == "hallo?", "waste reads the words")
    await stage.watch.until(
        "triage told",
        MessageReassigned,
        lambda it: it.conversation == routed.conversation and it.move == Move.CORRECTION and it.department == "waste",
        topic=QUEUE + "triage",
    )
    second = await stage.writes("31600000004", "het gaat om nummer 12")
    again = await stage.routed("waste", second, routing=2)
    must(again.conversation == routed.conversation, "it is the same conversation")


async def two_employees(stage: Stage) -> None:
    """Two employees answer one message: the second is refused, and sees the first."""
    wamid = await stage.writes("31600000005", "de stoep ligt helemaal los in de Dorpsstraat")
    routed = await stage.routed("public-space", wamid)
    await stage.answers("public-space", routed, "Wij komen morgen kijken.", author={"agent": "m-1"})
    await stage.reaches(routed.conversation, DeliveryStatus.READ, "public-space")
    await stage.answers("public-space", routed, "Dat doen wij volgende maand.", author={"agent": "m-2"})
    refused = await stage.watch.until(
        "the second answer refused",
        ReplyRefused,
        lambda it: it.conversation == routed.conversation and it.why == Refusal.ANSWERED_ALREADY,
        topic=QUEUE + "public-space",
    )
    must(text_of(refused.other) == "Wij komen morgen kijken.", "the first answer is shown")
    shown = [taken.text for taken in stage.graph.accepted if "31600000005" in taken.to]
    must(shown == ["Wij komen morgen kijken."], "the citizen has one answer")


async def handed_over(stage: Stage) -> None:
    """The contact centre hands its conversation over, with a note."""
    wamid = await stage.writes("31600000006", "hoi, ik heb een vraagje voor jullie")
    first = await stage.routed("triage", wamid)
    await stage.asks("triage", "routing.corrected", conversation=first.conversation, department="kcc")
    await stage.routed("kcc", wamid, routing=2)
    note = "Mevrouw belde ook: het gaat om de boom voor nummer 8."
    there = {"conversation": first.conversation, "department": "public-space"}
    await stage.asks("kcc", "conversation.handed-over", **there, note=note)
    told = await stage.watch.until(
        "the note on the queue of public-space",
        ConversationHandedOver,
        lambda it: it.conversation == first.conversation and it.note == note,
        topic=QUEUE + "public-space",
    )
    must(told.from_department == "kcc", "it says where it came from")
    await stage.routed("public-space", wamid, routing=3)


async def thanks(stage: Stage) -> None:
    """A word of thanks ends a conversation without an answer."""
    wamid = await stage.writes("31600000007", "de prullenbak bij het station is omgewaaid")
    routed = await stage.routed("public-space", wamid)
    await stage.answers("public-space", routed, "Wij zetten hem weer recht.")
    await stage.reaches(routed.conversation, DeliveryStatus.READ, "public-space")
    await stage.writes("31600000007", "Bedankt!")
    await stage.watch.until(
        "the conversation closed",
        FactConversationClosed,
        lambda it: it.conversation == routed.conversation and it.reason == Closing.THANKED,
    )


async def five_times(stage: Stage) -> None:
    """The same webhook comes five times: it is one message."""
    message = stage.message("31600000008", "er staat een gat in het fietspad aan de Kade")
    payload = webhook(whatsapp(message))
    statuses = await asyncio.gather(*(stage.graph.post(payload) for _ in range(5)))
    must(statuses == [200] * 5, "each is answered with 200")
    routed = await stage.routed("public-space", str(message["id"]))
    after = await stage.writes("31600000008", "het is naast de brug")
    await stage.routed("public-space", after)
    copies = stage.watch.all(
        MessageRouted, lambda it: it.message is not None and it.message.external_id == str(message["id"])
    )
    must(len(copies) == 1, "the department has it once")
    must(routed.number == 1, "it is the first of its conversation")


async def one_post(stage: Stage) -> None:
    """One POST for two inboxes, with three messages and two receipts: all of them count."""
    mine = [
        stage.message("31600000009", "de lantaarn in de Lindelaan flikkert"),
        stage.message("31600000010", "kliko niet geleegd aan de Beukstraat"),
    ]
    theirs = stage.message("31600000011", "straatlamp stuk bij de kerk")
    reports = [
        {"id": "wamid.VANVROEGER1", "status": "delivered", "timestamp": timestamp(), "recipient_id": "31600000009"},
        {"id": "wamid.VANVROEGER2", "status": "read", "timestamp": timestamp(), "recipient_id": "31600000010"},
    ]
    payload = webhook(
        whatsapp(*mine, statuses=reports[:1]),
        whatsapp(theirs, account=town.OTHER_WHATSAPP, statuses=reports[1:]),
    )
    must(await stage.graph.post(payload) == 200, "the webhook is taken")  # noqa: PLR2004
    await stage.routed("public-space", str(mine[0]["id"]))
    await stage.routed("waste", str(mine[1]["id"]))
    await stage.watch.until(
        "the other municipality's message",
        MessageRouted,
        lambda it: it.message is not None and it.message.external_id == theirs["id"],
        topic="department.maandorp.public-space",
    )
    for report in reports:
        wanted = str(report["id"])
        await stage.watch.until("a receipt", ReceiptReceived, lambda it, wanted=wanted: it.external_id == wanted)  # type: ignore[misc]


async def picture(stage: Stage) -> None:
    """A picture with a caption and a place belong to one conversation."""
    photo = stage.message("31600000012", "")
    photo |= {
        "type": "image",
        "image": {"id": "MEDIA1", "mime_type": "image/jpeg", "caption": "grofvuil gedumpt in het bos", "sha256": "x"},
    }
    place = stage.message("31600000012", "")
    place |= {"type": "location", "location": {"latitude": 52.0907, "longitude": 5.1214, "name": "Bos"}}
    must(await stage.graph.post(webhook(whatsapp(photo, place))) == 200, "the webhook is taken")  # noqa: PLR2004
    first = await stage.routed("waste", str(photo["id"]))
    second = await stage.routed("waste", str(place["id"]))
    must(first.conversation == second.conversation, "one conversation")
    must(second.message is not None and second.message.parts[0].kind == "location", "the place is a place")


async def forged(stage: Stage) -> None:
    """A forged signature is refused."""
    message = stage.message("31600000013", "ik ben Meta niet")
    status = await stage.graph.post(webhook(whatsapp(message)), secret="een andere sleutel")  # noqa: S106 - that is it
    must(status == 401, f"a forgery is answered with 401, not {status}")  # noqa: PLR2004
    must(not stage.watch.all(MessageReceived, lambda it: it.external_id == message["id"]), "nothing was kept")


async def unreadable(stage: Stage) -> None:
    """A genuine body that nobody can read is kept for people."""
    body = b'{"object": "whatsapp_business_account", "entry": [{"changes": '
    status = await stage.graph.post_raw(body, graph.sign(town.APP_SECRET, body))
    must(status == 200, f"it is answered with 200, not {status}")  # noqa: PLR2004
    await stage.watch.until("a dead letter", RecordSetAside, lambda it: it.origin.topic == "whatsapp/demo")


Scene = Callable[[Stage], Awaitable[None]]
SCENES: tuple[Scene, ...] = (
    lamp,
    bin_by_mail,
    without_number,
    unclear,
    two_employees,
    handed_over,
    thanks,
    five_times,
    one_post,
    picture,
    forged,
    unreadable,
)
