"""A connection to the broker that was reset is one that is made again."""

import asyncio
from contextlib import suppress

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError

from services.runtime.bus import connection


class Request:
    """As much of a request of aiokafka's as is needed to write it."""

    def prepare(self, _versions: object) -> "Request":
        return self

    def build_request_header(self, **_given: object) -> "Request":
        return self

    def encode(self) -> bytes:
        return b"request"


async def _until_it_ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take a connection and do nothing with it."""
    with suppress(OSError):
        await reader.read()
    writer.close()


async def ask_on_a_connection_that_was_reset() -> None:
    async with await asyncio.start_server(_until_it_ends, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        conn = AIOKafkaConnection(host, port)
        conn._reader, conn._writer = await asyncio.open_connection(host, port)
        conn._read_task = asyncio.create_task(asyncio.sleep(0))
        conn._writer.transport.abort()
        await asyncio.sleep(0.05)
        try:
            await asyncio.wait_for(conn.send(Request()), 1)
        finally:
            conn.close()
            await asyncio.sleep(0.05)


def test_who_asks_on_a_connection_that_was_reset_hears_that_there_is_none() -> None:
    assert AIOKafkaConnection.send is connection._send_or_break
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, pytest.raises(KafkaConnectionError):
        runner.run(ask_on_a_connection_that_was_reset())
