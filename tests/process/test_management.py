"""The management port: alive, ready, counted."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from services.runtime.process.management import Health, Management
from services.runtime.process.metrics import Metrics


class Port:
    """The port, and what asks it."""

    def __init__(self) -> None:
        self.health, self.metrics = Health(), Metrics()
        self.management = Management(self.health, self.metrics.registry)
        self.life: str | None = None
        self.readiness: str | None = None
        self.health.alive_when("loop", lambda: self.life)
        self.health.ready_when("numbers", lambda: self.readiness)
        self.health.tell("spool", lambda: {"records": 3})

    async def get(self, path: str) -> tuple[int, dict[str, object]]:
        async with aiohttp.ClientSession() as http, http.get(self._url(path)) as answer:
            found: dict[str, object] = await answer.json()
            return answer.status, found

    async def text(self, path: str) -> tuple[str, str]:
        async with aiohttp.ClientSession() as http, http.get(self._url(path)) as answer:
            return answer.headers["content-type"], await answer.text()

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.management.port}{path}"


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    port = Port()
    await port.management.start("127.0.0.1", 0)
    yield port
    await port.management.close()


@pytest.mark.parametrize(
    ("life", "readiness", "alive", "ready"),
    [
        pytest.param(None, None, 200, 200, id="all is well"),
        pytest.param(None, "rebuilds", 200, 503, id="it has to do something first: it is sent nothing, and lives"),
        pytest.param("stuck", None, 503, 503, id="it is stuck: it is restarted, and sent nothing"),
    ],
)
async def test_alive_and_ready_are_two_things(
    port: Port, life: str | None, readiness: str | None, alive: int, ready: int
) -> None:
    port.life, port.readiness = life, readiness
    assert [(await port.get(path))[0] for path in ("/livez", "/readyz")] == [alive, ready]


async def test_it_says_what_fails_by_the_name_of_the_check(port: Port) -> None:
    port.life, port.readiness = "stuck", "rebuilds"
    assert (await port.get("/livez"))[1] == {"ok": False, "failing": {"loop": "stuck"}}
    told = (await port.get("/readyz"))[1]
    assert told["failing"] == {"loop": "stuck", "numbers": "rebuilds"}


async def test_people_are_told_how_things_are_also_when_all_is_well(port: Port) -> None:
    assert (await port.get("/readyz"))[1] == {"ok": True, "failing": {}, "spool": {"records": 3}}


async def test_it_counts_for_prometheus(port: Port) -> None:
    port.metrics.sends.labels("whatsapp", "sent").inc()
    kind, text = await port.text("/metrics")
    assert kind.startswith("text/plain")
    assert 'hub_sends_total{channel="whatsapp",outcome="sent"} 1.0' in text


async def test_two_processes_on_one_machine_do_not_fight_for_a_port(port: Port) -> None:
    other = Management(Health(), Metrics().registry)
    await other.start("127.0.0.1", 0)
    assert other.port not in (0, port.management.port)
    await other.close()


async def test_one_that_never_listened_can_be_closed() -> None:
    await Management(Health(), Metrics().registry).close()
