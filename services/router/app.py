"""The router's parts, put together: municipalities, their taxonomies, the handler, the loop, the management port."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.topics import (
    CHANNELS,
    DEAD_LETTERS,
    DEPARTMENT,
    ENTRIES,
    ERASED,
    FACTS,
    INBOUND,
    OUTBOX,
    OUTBOX_BULK,
    expand,
)
from services.classification.reading import default_taxonomy, load_taxonomy
from services.classification.taxonomy import Taxonomy
from services.router.handler import Router
from services.router.policy import Policy
from services.router.tables import TABLES
from services.router.turn import Served
from services.router.undelivered import OldestUndelivered
from services.runtime.bus.batches import partition_of
from services.runtime.bus.connection import connection
from services.runtime.bus.loop import Loop, transactional
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.plan import Plan
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.process.management import Health, Management
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings, ProcessSettings
from services.runtime.process.stop import Stop, bounded
from services.runtime.process.tenants import Tenant, Tenants

SERVICE = "router"
_SHARED = (INBOUND, ENTRIES, ERASED, FACTS, OUTBOX, OUTBOX_BULK, CHANNELS, DEAD_LETTERS)
log = get_logger()


def served(tenants: Tenants, policy: Policy) -> list[Served]:
    """Return the municipalities as the router needs them; raises TaxonomyError for a file that is wrong."""
    return [Served(each.name, each.oin, each.key, _taxonomy(each), policy) for each in tenants.tenants]


def _taxonomy(tenant: Tenant) -> Taxonomy:
    return load_taxonomy(tenant.taxonomy) if tenant.taxonomy else default_taxonomy()


def outputs(municipalities: Iterable[Served]) -> tuple[str, ...]:
    """Return every topic that the router writes to; the loop refuses to start when one is missing."""
    departments = [(each.name, each.taxonomy.titles) for each in municipalities]
    own = [name for name, topic in expand(departments) if topic is DEPARTMENT]
    return (*(topic.name for topic in _SHARED), *own)


def number_of(oin: str) -> int:
    """Return the partition number that a municipality lives in."""
    return partition_of(oin, INBOUND.partitions)


class Running:
    """One process."""

    def __init__(
        self,
        municipalities: list[Served],
        process: ProcessSettings,
        kafka: KafkaSettings,
        clock: Clock,
    ) -> None:
        self._process, self._stop, self._health = process, Stop(), Health()
        metrics = Metrics()
        plan = _plan(municipalities, process, kafka)
        oldest = OldestUndelivered(clock, metrics)
        handler = Router(municipalities, number_of, metrics, oldest)
        self._loop: Loop = transactional(plan, handler, clock, ServiceMetrics(metrics, SERVICE), self._stop)
        self._health.ready_when("loop", self._loop.unready)
        self._management = Management(self._health, metrics.registry)

    async def run(self) -> int:
        """Run until told to stop; returns the exit code."""
        self._stop.on_signals()
        await self._management.start(self._process.management_host, self._process.management_port)
        log.info("router_started", port=self._management.port, instance=self._process.instance)
        try:
            await self._loop.run()
        finally:
            await bounded("management", self._management.close())
        log.info("router_stopped", status=self._stop.exit_code)
        return self._stop.exit_code


def _plan(municipalities: list[Served], process: ProcessSettings, kafka: KafkaSettings) -> Plan:
    return Plan(
        service=SERVICE,
        instance=process.instance,
        connection=connection(kafka),
        inputs=Router.inputs,
        tables=TABLES,
        outputs=outputs(municipalities),
    )
