"""Receipts that came before anybody knew whose they are: providers report at once, outcomes take a moment."""

from __future__ import annotations

from schemas.events import ReceiptReceived
from services.router.tables import ORPHANS, Orphans
from services.router.turn import Turn

ORPHAN = "orphan/"
"""Timer: followed by the key of the external id."""

MOST = 8
"""Receipts of one external id; there are only so many statuses."""


def keep(turn: Turn, key: str, receipt: ReceiptReceived) -> None:
    """Let a receipt wait for its reply."""
    held = turn.state.get(ORPHANS, key)
    if held is None:
        turn.state.set_timer(ORPHAN + key, turn.now + turn.served.policy.orphans_for)
    others = held.receipts if held else ()
    same = any((each.status, each.our_id) == (receipt.status, receipt.our_id) for each in others)
    if not same:
        turn.state.put(ORPHANS, key, Orphans(tenant=turn.oin, receipts=(*others, receipt)[:MOST]))


def take(turn: Turn, key: str) -> tuple[ReceiptReceived, ...]:
    """Return what waited under an external id, and let go of it."""
    held = turn.state.get(ORPHANS, key)
    if held is None:
        return ()
    forget(turn, key)
    return held.receipts


def forget(turn: Turn, key: str) -> None:
    """Let go of receipts nobody asked for."""
    turn.state.drop(ORPHANS, key)
    turn.state.clear_timer(ORPHAN + key)
