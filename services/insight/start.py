"""Putting insight together, starting it, and stopping it in time, also while it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from schemas.topics import DEAD_LETTERS, ENTRIES, FACTS
from services.insight.api import build
from services.insight.app import CHANGELOGS, Views
from services.insight.doubles import Doubles
from services.insight.feed import Feed
from services.insight.figures import Figures
from services.insight.history import Histories
from services.insight.settings import InsightSettings
from services.runtime.bus.admin import partition_counts
from services.runtime.bus.connection import connection
from services.runtime.bus.deadletters import Brake
from services.runtime.bus.producer import Producer
from services.runtime.bus.seat import GiveUp, NotDurable
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.process.management import Health, Management
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings, ProcessSettings
from services.runtime.process.stop import Stop, Stopped, bounded
from services.runtime.process.tenants import read
from services.runtime.web.server import HttpServer

FAUST_STOPS_WITHIN = 4.0
"""Seconds; while it joins the group it does not stop at all, and nothing is lost by leaving it."""
LETTER_WITHIN = 10.0
log = get_logger()


class Running:
    """The process."""

    def __init__(self, settings: InsightSettings, process: ProcessSettings, kafka: KafkaSettings, clock: Clock) -> None:
        self.stop, self._settings, self._process = Stop(), settings, process
        self._connection, metrics, tenants = connection(kafka), Metrics(), read(process.tenants)
        self._views = Views(self._connection, process.instance, self.stop.fail)
        self._letters = Producer(self._connection, wait=LETTER_WITHIN)
        self._views.feed_by(
            Feed(self._views.book, self._views.write, self._letters, metrics, clock, Brake(), Doubles())
        )
        names = {tenant.oin: tenant.name for tenant in tenants.tenants}
        metrics.registry.register(Figures(self._views.book, names, clock, self._unready))
        histories = Histories(self._connection, settings.history_seconds, settings.histories)
        app = build(self._views.book, histories, tenants, clock, self._unready, settings.public_url)
        self._http = HttpServer(app, settings.stop_seconds)
        self._management = Management(self._health(), metrics.registry)
        self._watching: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Run until told to stop; returns the exit code."""
        self.stop.on_signals()
        try:
            await self.stop.unless(self._start())
            await self.stop.wait()
        except Stopped:
            log.info("stopped_while_starting")
        except (GiveUp, NotDurable) as error:
            self.stop.fail(str(error))
        finally:
            await self._close()
        return self.stop.exit_code

    async def _start(self) -> None:
        await self._management.start(self._process.management_host, self._process.management_port)
        log.info("management_listening", host=self._process.management_host, port=self._management.port)
        await self._letters.start()
        check(await partition_counts(self._connection))
        await self._http.start(self._settings.host, self._settings.port, self._http_ended)
        self._watching = asyncio.create_task(self._watch(), name="faust-watch")
        await self._views.start()

    async def _close(self) -> None:
        self.stop.now()
        await self._http.close()
        await asyncio.gather(bounded("faust", self._views.stop(), FAUST_STOPS_WITHIN), self._letters.stop())
        await self._management.close()
        if self._watching:
            self._watching.cancel()
        log.info("insight_stopped", status=self.stop.exit_code)

    async def _watch(self) -> None:
        await self._views.ended()
        if not self.stop.wanted:
            self.stop.fail("the reading of facts ended by itself")

    def _http_ended(self) -> None:
        self.stop.fail("the HTTP server ended by itself")

    def _unready(self) -> str | None:
        return "it stops" if self.stop.wanted else self._views.unready()

    def _health(self) -> Health:
        health = Health()
        health.ready_when("views", self._unready)
        return health


def check(found: Mapping[str, int]) -> None:
    """Raise GiveUp unless the broker has our topics with as many partitions as declared; `found` are all it has."""
    wanted = (FACTS, ENTRIES, DEAD_LETTERS, *CHANGELOGS)
    wrong = [
        f"{topic.name} ({found.get(topic.name, 'none')}, not {topic.partitions})"
        for topic in wanted
        if found.get(topic.name) != topic.partitions
    ]
    if wrong:
        raise GiveUp(f"topics with a wrong number of partitions: {', '.join(wrong)}")
