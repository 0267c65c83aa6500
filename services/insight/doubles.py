"""The same fact twice in the log, at two offsets: a broker that died in the middle of a commit can leave that."""

from __future__ import annotations

from collections import OrderedDict

from services.runtime.bus.seat import Raw

KNOWN = 100_000
"""Facts that are remembered. The copy of a fact lies seconds behind it, not years."""


class Doubles:
    """Where each fact was seen first. Reading a record again is no double: its row knows its offset."""

    def __init__(self, limit: int = KNOWN) -> None:
        self._limit = limit
        self._first: OrderedDict[tuple[bytes, bytes], int] = OrderedDict()

    def knows(self, raw: Raw) -> bool:
        """Say whether this fact was seen before, at an earlier offset."""
        headers = dict(raw.headers)
        first = self._first.setdefault((headers["ce_source"], headers["ce_id"]), raw.offset)
        if len(self._first) > self._limit:
            self._first.popitem(last=False)
        return first < raw.offset
