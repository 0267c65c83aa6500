"""A reply goes a second time only when nobody knows whether it went, and then once: router, responder and provider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.graph import SILENT, Behaviour
from deploy.kafka.broker import Broker
from schemas.events import (
    DeliveryChanged,
    DeliveryStatus,
    FactWorklisted,
    MessageRouted,
    Reason,
    ReplyRequested,
    SendRequested,
)
from tests.kafka.house import House, house, queue
from tests.kafka.rig import until

S = DeliveryStatus
DOUBT = 3
"""Seconds; two minutes unless told otherwise."""

CUT = Behaviour(cuts=True, receipts=("delivered",))
"""Accepted, and the connection cut; the receipt, with our id, comes at once."""
CUT_MUTE = Behaviour(cuts=True, receipts=())
"""Accepted, and we never hear of it."""
NOT_TAKEN = Behaviour(accept=False, cuts=True)
BUSY = Behaviour(status=503, accept=False, retry_after=1)

Q = queue("public-space")


async def test_whatever_becomes_of_a_call_every_reply_gets_its_final_status(broker: Broker, tmp_path: Path) -> None:
    """Failures 4 and 5 of the field: "sent" that never arrived, a status that runs backwards, a reason that is lost.

    Six citizens, and six ways in which a provider says too little, too late or in the wrong order.
    """
    environment = {"ROUTER_DOUBT_SECONDS": str(DOUBT)}
    async with house(broker.bootstrap, tmp_path, environment=environment) as hub:
        behaviours = {
            "31600000001": [CUT],
            "31600000002": [SILENT],
            "31600000003": [CUT_MUTE],
            "31600000004": [NOT_TAKEN, CUT_MUTE],
            "31600000005": [BUSY] * 1_000,
            "31600000006": [Behaviour(failed_with=131026)],
        }
        for citizen, behaviour in behaviours.items():
            hub.graph.behave(citizen, *behaviour)
            hub.graph.behave(f"+{citizen}", *behaviour)
            assert await hub.writes(citizen, "de lantaarnpaal voor mijn deur is kapot") == 200
        for routed in await hub.until(Q, MessageRouted, len(behaviours)):
            await answered(hub, routed)

        await until(lambda: settled(hub), 45)
        statuses = {citizen: await told(hub, citizen) for citizen in behaviours}
        phones = {citizen: phone(hub, citizen) for citizen in behaviours}
        # The receipt that carries our id tells that it went: it is not sent again.
        assert (phones["31600000001"], statuses["31600000001"][-1]) == (["1.0"], S.DELIVERED)
        assert (phones["31600000002"], statuses["31600000002"][-1]) == (["1.0"], S.DELIVERED)
        # No receipt: once more, and never a third time, whatever becomes of that.
        assert (phones["31600000003"], statuses["31600000003"]) == (["1.0", "2.0"], [S.QUEUED, S.UNKNOWN, S.READ])
        assert (phones["31600000004"], statuses["31600000004"]) == (["2.0"], [S.QUEUED, S.UNKNOWN])
        # It was never taken, and its time is over.
        assert (phones["31600000005"], statuses["31600000005"]) == ([], [S.QUEUED, S.FAILED])
        # Taken, and then reported as failed: with the reason, and its code.
        assert (phones["31600000006"], statuses["31600000006"]) == (["1.0"], [S.QUEUED, S.FAILED])
        why = {(each.reason, each.code) for each in await hub.all(Q, DeliveryChanged) if each.status is S.FAILED}
        assert why == {(Reason.EXPIRED, None), (Reason.RECIPIENT, "131026")}
        worklisted = sorted(each.why for each in await hub.all("facts", FactWorklisted))
        assert worklisted == ["expired", "recipient", "unknown"]
        assert max(each.attempt for each in await hub.all("outbox", SendRequested)) == 2
        assert oldest(await hub.metrics()) == 0


async def answered(hub: House, routed: MessageRouted) -> None:
    """Answer a citizen; the last one's answer is of no use in some seconds."""
    assert routed.message
    who = routed.message.sender.addresses[0].value
    seconds = 6 if who.endswith("5") else 600
    data = {
        "conversation": routed.conversation,
        "answers": routed.number,
        "parts": [{"kind": "text", "text": f"Antwoord aan {who}"}],
        "not_after": (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
    }
    assert await hub.asks(ReplyRequested, "public-space", **data) == 202


async def settled(hub: House) -> bool:
    """Whether nothing is on its way or in doubt any more."""
    asked = await hub.all("outbox", SendRequested)
    worklisted = {each.reply for each in await hub.all("facts", FactWorklisted)}
    went = {each.reply for each in await hub.all(Q, DeliveryChanged) if each.status in (S.DELIVERED, S.READ)}
    return len({each.reply for each in asked}) == len(worklisted | went) == 6 and oldest(await hub.metrics()) == 0


async def told(hub: House, citizen: str) -> list[DeliveryStatus]:
    """What the department was told of the answer to a citizen, in order; of receipts that came in any, the last."""
    (reply,) = {each.reply for each in await hub.all("outbox", SendRequested) if each.address.value[1:] == citizen}
    statuses = [each.status for each in await hub.all(Q, DeliveryChanged) if each.reply == reply]
    return [each for each in statuses if each not in (S.ACCEPTED, S.SENT, S.DELIVERED) or each is statuses[-1]]


def phone(hub: House, citizen: str) -> list[str]:
    """Which attempt and part a citizen's phone showed, in order."""
    taken = [each.our_id or "" for each in hub.graph.accepted if each.to.lstrip("+") == citizen]
    return [our_id.split(".", 1)[1] for our_id in taken]


def oldest(metrics: dict[str, str]) -> float:
    """What the router shows of the oldest that has no final status."""
    line = next(line for line in metrics["router"].splitlines() if line.startswith("hub_oldest_undelivered_seconds{"))
    return float(line.rsplit(" ", 1)[1])
