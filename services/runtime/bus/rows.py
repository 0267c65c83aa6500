"""The rows of one table: packed as their changelog has them, and unpacked only while a batch has them in hand.

Most rows are read once in a long while. Packed they take a quarter of the memory, the garbage collector does not look
at them, and a rebuild need not read what nobody asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from schemas.cloudevents import faults
from services.runtime.bus.seat import GiveUp


class Rows:
    """By key. A row is a value: a change is a new row."""

    def __init__(self, table: str, model: Any) -> None:  # noqa: ANN401 - whatever pydantic has an adapter for
        self._table, self._adapter = table, TypeAdapter[Any](model)
        self._packed: dict[str, bytes] = {}
        self._in_hand: dict[str, Any] = {}
        """What was asked for or written since the last `lay_down`; None is a row that was dropped."""

    def get(self, key: str) -> Any:  # noqa: ANN401
        """Return a row, None when there is none; raises GiveUp when this version cannot read it."""
        if key in self._in_hand:
            return self._in_hand[key]
        packed = self._packed.get(key)
        if packed is None:
            return None
        row = self._in_hand[key] = self._unpacked(packed)
        return row

    def put(self, key: str, row: object) -> None:
        """Write a row; None drops it."""
        self._in_hand[key] = row

    def was(self, key: str) -> Any:  # noqa: ANN401
        """Return what `put_back` needs to undo a change that is to come: a row in hand, or bytes that stay packed."""
        return self._in_hand[key] if key in self._in_hand else self._packed.get(key)

    def put_back(self, key: str, was: Any) -> None:  # noqa: ANN401
        """Undo a change."""
        if isinstance(was, bytes):
            del self._in_hand[key]
        else:
            self._in_hand[key] = was

    def items(self, holding: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
        """Return the rows as they are now: all, or without those that hold none of these strings in any field."""
        in_hand, wanted = dict(self._in_hand), [to_json(each) for each in holding]
        laid_down = [
            (key, packed)
            for key, packed in self._packed.items()
            if key not in in_hand and (not wanted or any(each in packed for each in wanted))
        ]
        yield from ((key, row) for key, row in in_hand.items() if row is not None)
        yield from ((key, self._unpacked(packed)) for key, packed in laid_down)

    def packed(self, key: str) -> bytes | None:
        """Return a row in hand as the changelog has it; None is a tombstone."""
        row = self._in_hand[key]
        return None if row is None else self._adapter.dump_json(row, exclude_none=True)

    def pack(self, key: str) -> bytes | None:
        """Pack a row in hand, and return it so."""
        packed = self.packed(key)
        self.load(key, packed)
        return packed

    def load(self, key: str, packed: bytes | None) -> None:
        """Take a row from the changelog."""
        if packed is None:
            self._packed.pop(key, None)
        else:
            self._packed[key] = packed

    def lay_down(self) -> None:
        """Let go of what is in hand: all that was written must have been packed."""
        self._in_hand.clear()

    def _unpacked(self, packed: bytes) -> Any:  # noqa: ANN401
        try:
            return self._adapter.validate_json(packed)
        except ValidationError as error:
            raise GiveUp(f"a row of {self._table} cannot be read by this version: {faults(error)}") from None
