"""`python -m services.insight`: reads the settings, builds the parts, runs until it is told to stop.

With `--reset`, while no replica runs, it forgets all it counted, and the next start counts anew from the first fact.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import uvloop

from services.insight.feed import SERVICE
from services.insight.reset import reset
from services.insight.settings import InsightSettings
from services.insight.start import Running
from services.runtime.bus.connection import connection
from services.runtime.process import garbage, log
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import KafkaSettings, ProcessSettings
from services.runtime.process.tenants import TenantsRefused

USAGE = "usage: python -m services.insight [--reset]"


def main(arguments: list[str]) -> int:
    """Run insight, or reset it; returns the exit code."""
    process = ProcessSettings()
    log.configure(SERVICE, process.log_level)
    if arguments not in ([], ["--reset"]):
        sys.stderr.write(USAGE + "\n")
        return 2
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_reset() if arguments else _run(process))


async def _reset() -> int:
    return await reset(connection(KafkaSettings()), InsightSettings().reset_seconds)


async def _run(process: ProcessSettings) -> int:
    try:
        running = Running(InsightSettings(), process, KafkaSettings(), SystemClock())
    except TenantsRefused as error:
        log.get_logger().error("configuration_refused", why=str(error))
        return 1
    garbage.calm()
    return await running.run()


def leave(code: int) -> None:
    """End the process, also when a thread of Faust's still waits for a broker: nothing is left for it to do."""
    if any(not thread.daemon and thread is not threading.main_thread() for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
