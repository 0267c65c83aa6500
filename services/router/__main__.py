"""`python -m services.router`: reads the settings, builds the parts, runs until it is told to stop."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from services.classification.document import TaxonomyError
from services.router.app import SERVICE, Running, served
from services.router.settings import RouterSettings
from services.runtime.process import garbage, log
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import KafkaSettings, ProcessSettings
from services.runtime.process.tenants import TenantsRefused, read


def main() -> int:
    """Run the router; returns the exit code."""
    process = ProcessSettings()
    log.configure(SERVICE, process.log_level)
    try:
        municipalities = served(read(process.tenants), RouterSettings().policy())
    except (TenantsRefused, TaxonomyError, OSError) as error:
        log.get_logger().error("configuration_refused", why=str(error))
        return 1

    for each in municipalities:
        each.taxonomy.lexicon.compile()
    garbage.calm()

    async def run() -> int:
        return await Running(municipalities, process, KafkaSettings(), SystemClock()).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


if __name__ == "__main__":
    sys.exit(main())
