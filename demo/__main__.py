"""Plays the town of Zonnedael: a real Kafka, all services, stand-ins for the providers, and the story.

Usage: python -m demo [--once]      (make run, make run ONCE=1)

With --once it plays the story, prints the account and leaves: 0 only when the account adds up.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

from rich.console import Console

from demo.run import Broken, play
from deploy.kafka.software import KafkaMissingError

FOLDER = Path(".run")


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__, formatter_class=_Whole)
    parser.add_argument("--once", action="store_true", help="play the story, print the account, and leave")
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    return asyncio.run(_main(once=arguments.once))


async def _main(*, once: bool) -> int:
    console = Console() if sys.stdout.isatty() else Console(width=150)
    playing = asyncio.ensure_future(play(console, FOLDER, once=once, began=time.monotonic()))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        """Stop once; whoever asks again does not cut the stopping short, or services would stay behind."""
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, lambda: console.print("stopping already"))
        playing.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        return await playing
    except asyncio.CancelledError:
        console.print("stopped")
        return 0
    except (Broken, KafkaMissingError) as error:
        console.print(f"[red]{error}")
        return 1


class _Whole(argparse.RawDescriptionHelpFormatter):
    pass


if __name__ == "__main__":
    sys.exit(main())
