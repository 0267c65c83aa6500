"""Putting ingest together, starting it in the order in which the parts need each other, stopping it in the reverse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp

from services.channels import base
from services.channels.loader import UnknownChannel, load
from services.ingest.accept import Door
from services.ingest.app import build
from services.ingest.attachments import Attachments
from services.ingest.body import BodyLimits
from services.ingest.bridge import Bridge
from services.ingest.callers import Callers
from services.ingest.connections import impatient
from services.ingest.counts import Counts
from services.ingest.eraser import Files
from services.ingest.intake import Intake
from services.ingest.keeping import Keeping
from services.ingest.listeners import Ear, Listeners
from services.ingest.owners import owners
from services.ingest.readers import Readers
from services.ingest.receive import Reception
from services.ingest.settings import IngestSettings
from services.ingest.webhook import Webhooks
from services.runtime.bus.connection import connection
from services.runtime.bus.producer import Producer, Publishes
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.process.management import Health, Management
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings, ProcessSettings
from services.runtime.process.stop import Stop, Stopped
from services.runtime.process.tenants import Endpoint, Tenants, read
from services.runtime.spool.store import Taken
from services.runtime.web.server import HttpServer

log = get_logger()

MOMENT = 3.0
"""Seconds that the broker is waited for at the start, so that the first to come need not go by the spool."""
Load = Callable[[str], base.Channel]
"""Finds a channel by its name; raises UnknownChannel."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """All parts, put together; nothing runs yet."""

    app: ASGIApp
    receptions: tuple[Reception, ...]
    intake: Intake
    counts: Counts
    readers: Readers

    def ear(self, reception: Reception) -> Ear:
        """Return what a listener of this endpoint calls."""
        return Ear(reception, self.intake, self.counts)


def assemble(
    settings: IngestSettings, tenants: Tenants, bus: Publishes, clock: Clock, metrics: Metrics, load: Load = load
) -> Ingest:
    """Put the parts together; raises UnknownChannel when an endpoint names a channel or provider that is not there."""
    counts, door = Counts(metrics), Door(bus, Attachments(settings.attachments), settings.width)
    limits = BodyLimits(settings.body_bytes, settings.body_seconds)
    receptions = _receptions(tenants, load)
    readers = Readers(one.channel for one in receptions)
    intake = Intake(door, clock, counts, readers)
    webhooks = Webhooks(receptions, intake, counts, limits=limits, public_url=settings.public_url)
    bridge = Bridge(Callers(tenants), door, clock=clock, counts=counts, limits=limits)
    return Ingest(build(webhooks, bridge, settings.public_url), receptions, intake, counts, readers)


def _receptions(tenants: Tenants, load: Load) -> tuple[Reception, ...]:
    owned = owners(tenants)
    return tuple(Reception(_channel(one, load), _endpoint(one), owned) for one in tenants.endpoints)


def _channel(endpoint: Endpoint, load: Load) -> base.Channel:
    channel = load(endpoint.channel)
    if endpoint.provider not in channel.providers:
        known = ", ".join(channel.providers)
        raise UnknownChannel(f"{endpoint.channel} has no provider {endpoint.provider!r}; it has: {known}")
    return channel


def _endpoint(endpoint: Endpoint) -> base.Endpoint:
    return base.Endpoint(endpoint.name, endpoint.channel, endpoint.provider, endpoint.secrets)


class Running:
    """The process: all parts, started in the order in which they need each other, and stopped in the reverse."""

    def __init__(self, settings: IngestSettings, process: ProcessSettings, kafka: KafkaSettings, clock: Clock) -> None:
        self.stop, self._settings, self._process = Stop(), settings, process
        self._metrics, self._tenants, self._up = Metrics(), read(process.tenants), False
        self._producer = Producer(connection(kafka), wait=settings.publish_seconds)
        self._keeping = Keeping(settings, process.instance, self._producer, clock, self._metrics)
        self._ingest = assemble(settings, self._tenants, self._keeping.bus, clock, self._metrics)
        self._files = Files(connection(kafka), process.instance, Attachments(settings.attachments), clock)
        self._http = HttpServer(self._ingest.app, settings.stop_seconds, impatient(settings.header_seconds))
        self._listeners = Listeners()
        self._management = Management(self._health(), self._metrics.registry)

    async def run(self) -> int:
        """Run until told to stop; returns the exit code."""
        self.stop.on_signals()
        try:
            await self.stop.unless(self._start())
            await self.stop.wait()
        except Stopped:
            log.info("stopped_while_starting")
        except Taken as error:
            self.stop.fail(f"the spool of this replica: {error}")
        finally:
            await self._close()
        return self.stop.exit_code

    async def _start(self) -> None:
        await self._management.start(self._process.management_host, self._process.management_port)
        log.info("management_listening", host=self._process.management_host, port=self._management.port)
        await self._keeping.start(self.stop.fail)
        self._producer.begin()
        await asyncio.gather(self._connected(), self._ingest.readers.start())
        await self._listeners.start(self._ingest.receptions, self._listening(), self._ingest.ear)
        await self._http.start(self._settings.host, self._settings.port, self._http_ended)
        self._files.start()
        self._up = True

    async def _connected(self) -> None:
        try:
            async with asyncio.timeout(MOMENT):
                await self._producer.connected()
        except TimeoutError:
            log.warning("begun_without_broker")

    async def _close(self) -> None:
        self._up = False
        await self._http.close()
        await self._listeners.close()
        await self._files.stop()
        await self._keeping.stop()
        await self._producer.stop()
        await self._management.close()
        log.info("ingest_stopped")

    def _listening(self) -> dict[str, dict[str, str]]:
        return {f"{one.channel}/{one.name}": one.settings for one in self._tenants.endpoints}

    def _http_ended(self) -> None:
        self.stop.fail("the HTTP server ended by itself")

    def _health(self) -> Health:
        health = Health()
        health.ready_when("listening", lambda: None if self._up and not self.stop.wanted else "not yet, or no longer")
        health.ready_when("keeping", self._keeping.bus.why_not)
        health.tell("spool", self._keeping.told)
        return health
