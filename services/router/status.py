"""How far a reply got, whatever the order in which we hear of it.

A part: what came later in this line wins, so the merge is commutative, associative and idempotent. An outcome may be
in doubt and then prove sent; a failure after `sent` is real; only a proof of delivery outdoes it, since some
providers report a failure first and deliver on a second try.
"""

from __future__ import annotations

from collections.abc import Collection

from schemas.events import DeliveryStatus

S = DeliveryStatus
LINE = (S.QUEUED, S.UNKNOWN, S.ACCEPTED, S.SENT, S.FAILED, S.DELIVERED, S.READ)
_RANK = {status: rank for rank, status in enumerate(LINE)}
_WORST_FIRST = (S.FAILED, S.UNKNOWN, S.QUEUED, S.ACCEPTED, S.SENT, S.DELIVERED, S.READ)
"""A reply is as far as its least part; one part that failed or is in doubt makes it so."""

WENT = frozenset({S.ACCEPTED, S.SENT, S.DELIVERED, S.READ})
"""The provider has it."""


def merged(one: DeliveryStatus, other: DeliveryStatus) -> DeliveryStatus:
    """Return the status of a part of which both were reported."""
    return max(one, other, key=_RANK.__getitem__)


def of_reply(parts: Collection[DeliveryStatus]) -> DeliveryStatus:
    """Return the status of a reply with these parts: `read` only when every part is read."""
    return next(status for status in _WORST_FIRST if status in parts)
