"""One call: a part handed to its channel, and what became of it in one word."""

from __future__ import annotations

import asyncio

from schemas.events import Reason
from schemas.ids import our_id
from services.channels.base import Http, Outbound, SendError, Sent
from services.responder.inboxes import Outlet
from services.responder.moves import Start
from services.runtime.process.log import get_logger

log = get_logger()

GRACE = 1.0
"""Seconds that a channel may take over its deadline, so that it can say itself what became of the call."""


async def deliver(start: Start, outlet: Outlet, http: Http) -> Sent | SendError:
    """Make the call and return what became of it; what nobody can tell is unknown. Never raises."""
    try:
        async with asyncio.timeout(outlet.channel.limits.deadline + GRACE):
            return await outlet.channel.send(outbound(start, outlet), http)
    except SendError as error:
        return error
    except TimeoutError:
        return SendError(Reason.UNKNOWN, code="deadline")
    except Exception:
        log.exception("channel_failed", channel=start.send.channel, reply_id=start.send.reply)
        return SendError(Reason.UNKNOWN, code="channel-failed")


def outbound(start: Start, outlet: Outlet) -> Outbound:
    """Return what the channel is to send."""
    send, content, part = start.send, start.content, start.ticket.part
    return Outbound(
        inbox=outlet.inbox,
        address=content.address,
        part=content.parts[part],
        our_id=our_id(send.reply, send.attempt, part),
        in_reply_to=content.in_reply_to,
        references=content.references,
        subject=content.subject,
        automatic=content.automatic,
    )
