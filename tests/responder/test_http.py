"""What a failed call says: certainly not sent, or perhaps. Each failure is a real socket's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from schemas.events import Reason
from services.channels.base import SendError
from services.responder.http import HttpCalls

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def http() -> AsyncIterator[HttpCalls]:
    calls = HttpCalls.open()
    yield calls
    await calls.close()


@asynccontextmanager
async def listening(peer: Peer) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server of bare sockets; gives its address and the requests that it read."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            await peer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", seen
    finally:
        server.close()
        await server.wait_closed()


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def cut_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def cut_off_halfway(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    await writer.drain()


async def babbling(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"NOT HTTP AT ALL\r\n\r\n")
    await writer.drain()


async def endless(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000)
    await writer.drain()


async def reason_of(call: Awaitable[object]) -> Reason:
    with pytest.raises(SendError) as failure:
        await call
    return failure.value.reason


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param(silent, id="it takes the request and says nothing"),
        pytest.param(cut_off, id="it takes the request and hangs up"),
        pytest.param(cut_off_halfway, id="it hangs up in the middle of its answer"),
        pytest.param(babbling, id="it answers something that is not HTTP"),
        pytest.param(endless, id="its answer does not end"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_it_may_have_been_sent_and_was_asked_once_when(http: HttpCalls, peer: Peer, method: str) -> None:
    async with listening(peer) as (url, seen):
        call = http.request(method, url, headers={}, body=b"{}", deadline=0.5)
        assert await reason_of(call) is Reason.UNKNOWN
    assert len(seen) == 1


async def test_it_certainly_was_not_sent_when_nobody_listens(http: HttpCalls) -> None:
    async with listening(silent) as (url, _seen):
        pass
    assert await reason_of(http.request("POST", url, headers={}, body=b"", deadline=1)) is Reason.RETRY


async def test_it_certainly_was_not_sent_when_the_name_is_not_known(http: HttpCalls) -> None:
    call = http.request("POST", "http://nergens.invalid/", headers={}, body=b"", deadline=5)
    assert await reason_of(call) is Reason.RETRY


async def test_it_certainly_was_not_sent_when_there_is_no_connection_in_time(http: HttpCalls) -> None:
    """A full backlog: the kernel answers no further SYN, as a host that is gone."""
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0, backlog=0, start_serving=False)
    listener = server.sockets[0]
    address = listener.getsockname()
    listener._sock.listen(0)  # type: ignore[attr-defined]  # the real socket under asyncio's
    loop = asyncio.get_running_loop()
    waiting = [asyncio.create_task(_connect(loop, address)) for _ in range(8)]
    await asyncio.sleep(0)
    try:
        call = http.request("POST", f"http://127.0.0.1:{address[1]}/", headers={}, body=b"", deadline=1)
        assert await reason_of(call) is Reason.RETRY
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        server.close()


async def _connect(loop: asyncio.AbstractEventLoop, address: tuple[str, int]) -> None:
    transport, _ = await loop.create_connection(asyncio.Protocol, *address)
    try:
        await asyncio.Event().wait()
    finally:
        transport.abort()


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        pytest.param("geen adres", {}, id="the address of the API is none"),
        pytest.param("ftp://127.0.0.1/", {}, id="it is of another protocol"),
        pytest.param("", {"Authorization": "a\r\nb"}, id="the token holds a line end"),
    ],
)
async def test_our_own_configuration_is_wrong_when(http: HttpCalls, url: str, headers: dict[str, str]) -> None:
    async with listening(silent) as (somebody, seen):
        call = http.request("POST", url or somebody, headers=headers, body=b"", deadline=1)
        assert await reason_of(call) is Reason.ACCOUNT
    assert seen == []


async def test_an_answer_is_handed_over_whole_and_no_redirect_is_followed(http: HttpCalls) -> None:
    seen: list[tuple[str, bytes, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.path, await request.read(), request.headers["User-Agent"]))
        return web.Response(status=307, body=b"elders", headers={"Location": "/elders", "Retry-After": "7"})

    app = web.Application()
    app.router.add_post("/{anywhere:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/hier"
        response = await http.request("POST", url, headers={"X-A": "b"}, body=b"lantaarn", deadline=5)
    finally:
        await runner.cleanup()
    assert (response.status, response.body) == (307, b"elders")
    assert response.headers["retry-after"] == "7"
    assert seen == [("/hier", b"lantaarn", "berichtenhub")]
