"""`python -m services.responder`: reads the settings, builds the parts, runs until it is told to stop."""

from __future__ import annotations

import asyncio
import random
import secrets
import sys

import uvloop

from services.channels.loader import UnknownChannel, load_all
from services.responder.app import SERVICE, Life, Responder
from services.responder.inboxes import ProviderUnknown
from services.responder.settings import ResponderSettings
from services.runtime.process import garbage, log
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import KafkaSettings, ProcessSettings
from services.runtime.process.tenants import TenantsRefused


def main() -> int:
    """Run the responder; returns the exit code."""
    process = ProcessSettings()
    log.configure(SERVICE, process.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(process))
    except (TenantsRefused, UnknownChannel, ProviderUnknown) as error:
        log.get_logger().error("configuration_refused", why=str(error))
        return 1


async def _run(process: ProcessSettings) -> int:
    life = Life(SystemClock(), random.SystemRandom().random, secrets.token_hex(8))
    responder = Responder(ResponderSettings(), process, KafkaSettings(), load_all(), life)
    garbage.calm()
    return await responder.run()


if __name__ == "__main__":
    sys.exit(main())
