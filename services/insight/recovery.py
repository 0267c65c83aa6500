"""The rebuilding of Faust's tables, without the race in which it waits for ever.

Two tasks share one event: who reads the changelog sets it at its end, and clears it again before it reads on. When the
changelog is short and the machine busy, that is before the other task began to wait, and nobody ever sets it again
(seen; half a second between two steps makes it certain). Here it stays set until the next rebuilding begins.
"""

from __future__ import annotations

import asyncio

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery


class EndOfRecovery(asyncio.Event):
    """An end that whoever reads on cannot take back."""

    def clear(self) -> None:
        """Do nothing: see `begin`."""

    def begin(self) -> None:
        """Take note that a rebuilding begins."""
        super().clear()


class SafeRecovery(Recovery):
    """Rebuilds tables, and sees its end whenever that comes."""

    _signal_recovery_end: EndOfRecovery | None = None

    @property
    def signal_recovery_end(self) -> EndOfRecovery:
        """Return the event that is set when all of the changelog was read."""
        if self._signal_recovery_end is None:
            self._signal_recovery_end = EndOfRecovery()
        return self._signal_recovery_end

    def _set_recovery_started(self) -> None:
        super()._set_recovery_started()
        self.signal_recovery_end.begin()


class SafeTables(TableManager):
    """Tables that are rebuilt so."""

    @property
    def recovery(self) -> SafeRecovery:
        """Return what rebuilds them."""
        if not isinstance(self._recovery, SafeRecovery):
            self._recovery = SafeRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
