"""What follows from each reason why a part did not go: for the reply, and for the inbox it was to leave from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.events import Reason


class Fate(StrEnum):
    """What becomes of the reply."""

    AGAIN = "again"
    """It certainly was not sent: it waits, and is tried again until `not-after`."""
    FAILED = "failed"
    """It will not go this way; people or another address must."""
    UNKNOWN = "unknown"
    """None or one; only the router decides whether it goes again."""


class Health(StrEnum):
    """What it says about the provider, or about us."""

    WELL = "well"
    """It answered: it is there."""
    ILL = "ill"
    """It failed or said nothing: too many of these in a row, and it gets a rest."""
    BUSY = "busy"
    """We were too fast: whoever it is about waits."""
    STOPPED = "stopped"
    """Our own account is refused: nothing more leaves from this inbox until people have looked."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What follows from one reason."""

    fate: Fate
    health: Health


CONSEQUENCES: dict[Reason, Consequence] = {
    Reason.RETRY: Consequence(Fate.AGAIN, Health.ILL),
    Reason.RATE_LIMIT: Consequence(Fate.AGAIN, Health.BUSY),
    Reason.ACCOUNT: Consequence(Fate.AGAIN, Health.STOPPED),
    Reason.UNKNOWN: Consequence(Fate.UNKNOWN, Health.ILL),
    Reason.WINDOW_CLOSED: Consequence(Fate.FAILED, Health.WELL),
    Reason.RECIPIENT: Consequence(Fate.FAILED, Health.WELL),
    Reason.CONTENT: Consequence(Fate.FAILED, Health.WELL),
    Reason.WITHDRAWN: Consequence(Fate.FAILED, Health.WELL),
    Reason.EXPIRED: Consequence(Fate.FAILED, Health.WELL),
    Reason.ERASED: Consequence(Fate.FAILED, Health.WELL),
    Reason.OTHER: Consequence(Fate.FAILED, Health.WELL),
}
"""Every reason; what a provider's code does not explain fails where people see it, and is never tried for ever."""
