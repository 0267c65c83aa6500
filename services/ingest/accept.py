"""The one door: what goes through it is kept, whatever happens next. Webhook, listeners and bridge all end here.

NotKept   the sender must come again: a provider by its own rules, a mail server, a publisher after Retry-After

Kept means: acknowledged by every broker that has to (acks=all), or on disk in the spool while the broker is away
(spooled.py, which is the bus of this door); files are on disk first.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.channels.base import File
from services.ingest.attachments import Attachments
from services.ingest.holders import held
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.producer import Publishes
from services.runtime.bus.seat import NotDurable
from services.runtime.process import crash
from services.runtime.process.log import get_logger

log = get_logger()


class NotKept(Exception):
    """Nothing may be promised; it may have been written all the same, so what comes again carries the same ids."""


class Door:
    """Where things are accepted. At most `width` requests wait for the bus at once; more are sent away at once."""

    def __init__(self, bus: Publishes, attachments: Attachments, width: int) -> None:
        self._bus, self._attachments = bus, attachments
        self._width, self._waiting = width, 0

    async def accept(self, outgoing: list[Outgoing], files: Sequence[tuple[str | None, File]] = ()) -> None:
        """Return when records and files are kept; raises NotKept."""
        if self._waiting >= self._width:
            raise NotKept
        self._waiting += 1
        try:
            await self._keep(outgoing, files)
            await self._publish(outgoing)
        finally:
            self._waiting -= 1

    async def _keep(self, outgoing: list[Outgoing], files: Sequence[tuple[str | None, File]]) -> None:
        if not files:
            return
        try:
            crash.here("ingest.before_files")
            await self._attachments.keep(files, held(outgoing))
            crash.here("ingest.after_files")
        except OSError as error:
            log.exception("attachment_not_kept", count=len(files))
            raise NotKept from error

    async def _publish(self, outgoing: list[Outgoing]) -> None:
        if not outgoing:
            return
        try:
            crash.here("ingest.before_publish")
            await self._bus.publish(outgoing)
            crash.here("ingest.after_publish")
        except NotDurable as error:
            log.warning("records_not_kept", count=len(outgoing))
            raise NotKept from error
