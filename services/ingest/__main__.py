"""`python -m services.ingest`: reads the settings, builds the parts, runs until it is told to stop."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from services.channels.loader import UnknownChannel
from services.ingest.settings import IngestSettings
from services.ingest.start import Running
from services.runtime.process import garbage, log
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import KafkaSettings, ProcessSettings
from services.runtime.process.tenants import TenantsRefused


def main() -> int:
    """Run ingest; returns the exit code."""
    process = ProcessSettings()
    log.configure("ingest", process.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(process))
    except (TenantsRefused, UnknownChannel) as error:
        log.get_logger().error("configuration_refused", why=str(error))
        return 1


async def _run(process: ProcessSettings) -> int:
    running = Running(IngestSettings(), process, KafkaSettings(), SystemClock())
    garbage.calm()
    return await running.run()


if __name__ == "__main__":
    sys.exit(main())
