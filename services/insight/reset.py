"""Forgetting all that was counted, so that the next start counts it anew from the first fact that is kept."""

from __future__ import annotations

from schemas.topics import FACTS
from services.insight.app import CHANGELOGS, GROUP
from services.runtime.bus.connection import Connection
from services.runtime.bus.rewind import emptied, group_gone, rewound
from services.runtime.bus.seat import GiveUp
from services.runtime.process.log import get_logger

log = get_logger()


async def reset(connection: Connection, seconds: float) -> int:
    """Reset; returns the exit code, 1 when a replica still runs after so many seconds.

    First the offsets, then the tables: broken off in between, the facts are read again onto rows that know them.
    """
    try:
        await group_gone(connection, GROUP, seconds)
        await rewound(connection, GROUP, [FACTS.name])
        rows = [await emptied(connection, topic.name) for topic in CHANGELOGS]
    except GiveUp as error:
        log.error("reset_refused", why=str(error))  # noqa: TRY400 - what happened is in `why`
        return 1
    log.info("insight_reset", group=GROUP, records=sum(rows))
    return 0
