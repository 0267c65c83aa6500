"""Putting the responder together, starting it and stopping it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.topics import DEAD_LETTERS, OUTCOMES
from services.channels.base import Channel, Http
from services.responder.http import HttpCalls
from services.responder.inboxes import Inboxes, inboxes_of
from services.responder.intake import INPUTS
from services.responder.pacing import Chance
from services.responder.rounds import Rounds, Surroundings
from services.responder.rows import TABLES
from services.responder.settings import ResponderSettings
from services.responder.watch import Watch
from services.runtime.bus.connection import connection
from services.runtime.bus.deadletters import Brake
from services.runtime.bus.loop import Loop
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.plan import Plan
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.process.management import Health, Management
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings, ProcessSettings
from services.runtime.process.stop import Stop, bounded
from services.runtime.process.tenants import read

log = get_logger()

SERVICE = "responder"


@dataclass(frozen=True, slots=True)
class Life:
    """What one life of the process is handed. `token` is its own: no other life, nor another replica, ever had it."""

    clock: Clock
    chance: Chance
    token: str


class Responder:
    """The process."""

    def __init__(
        self,
        settings: ResponderSettings,
        process: ProcessSettings,
        kafka: KafkaSettings,
        channels: Mapping[str, Channel],
        life: Life,
    ) -> None:
        self.stop, self._process, self._settings, self._life = Stop(), process, settings, life
        self._inboxes = inboxes_of(read(process.tenants), channels)
        self._plan = Plan(
            service=SERVICE,
            instance=process.instance,
            connection=connection(kafka),
            inputs=INPUTS,
            tables=TABLES,
            outputs=(OUTCOMES.name, DEAD_LETTERS.name),
        )

    async def run(self) -> int:
        """Run until told to stop; returns the exit code."""
        self.stop.on_signals()
        http, metrics, health = HttpCalls.open(), Metrics(), Health()
        loop = self._loop(http, metrics)
        health.ready_when("numbers", loop.unready)
        management = Management(health, metrics.registry)
        try:
            await management.start(self._process.management_host, self._process.management_port)
            log.info("management_listening", host=self._process.management_host, port=management.port)
            await loop.run()
        finally:
            await bounded("http", http.close())
            await bounded("management", management.close())
        log.info("responder_stopped")
        return self.stop.exit_code

    def _loop(self, http: Http, metrics: Metrics) -> Loop:
        bus = ServiceMetrics(metrics, SERVICE)
        around = self._around(http, metrics, bus, self._inboxes)
        return Loop(self._plan, lambda number: Rounds(number, around), self._life.clock, bus, self.stop)

    def _around(self, http: Http, metrics: Metrics, bus: ServiceMetrics, inboxes: Inboxes) -> Surroundings:
        return Surroundings(
            inboxes=inboxes,
            http=http,
            clock=self._life.clock,
            chance=self._life.chance,
            metrics=metrics,
            bus=bus,
            watch=Watch(metrics, inboxes),
            brake=Brake(),
            places=self._plan.signs,
            token=self._life.token,
            bulk_room=self._settings.bulk_room,
            linger=self._settings.linger_seconds,
        )
