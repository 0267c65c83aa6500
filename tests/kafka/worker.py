"""One replica of the sample service as a process of its own, to be killed, paused and stopped.

python -m tests.kafka.worker BOOTSTRAP PREFIX INSTANCE
"""

import asyncio
import sys

from services.runtime.bus.connection import plain
from services.runtime.bus.loop import transactional
from services.runtime.bus.metrics import ServiceMetrics
from services.runtime.bus.ownership import Timing
from services.runtime.bus.plan import Plan
from services.runtime.process import log
from services.runtime.process.clock import SystemClock
from services.runtime.process.metrics import Metrics
from services.runtime.process.stop import Stop
from tests.runtime.sample import Counting, Names

# Kafka's shortest session: what a killed replica's numbers stand still when nobody comes back under its name.
TIMING = Timing(session=6.0, heartbeat=1.0, pause=1.5, watchdog=30.0)


async def main(bootstrap: str, prefix: str, instance: str) -> int:
    log.configure("router")
    names, stop = Names(prefix), Stop()
    stop.on_signals()
    handler = Counting(names)
    service, inputs = f"{prefix}router", names.inputs
    plan = Plan(service, instance, plain(bootstrap), inputs, handler.tables, names.outputs, TIMING, names.declared)
    await transactional(plan, handler, SystemClock(), ServiceMetrics(Metrics(), "router"), stop).run()
    return stop.exit_code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:4])))
