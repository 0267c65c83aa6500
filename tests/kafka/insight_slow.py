"""Insight on a machine so busy that half a second passes between two steps of Faust's recovery."""

import asyncio
import sys

from faust.transport.consumer import Fetcher

from services.insight.__main__ import leave, main

start = Fetcher.maybe_start


async def start_slowly(fetcher: Fetcher) -> bool:
    started = await start(fetcher)
    await asyncio.sleep(0.5)
    return started


if __name__ == "__main__":
    Fetcher.maybe_start = start_slowly  # type: ignore[method-assign,assignment]
    leave(main(sys.argv[1:]))
