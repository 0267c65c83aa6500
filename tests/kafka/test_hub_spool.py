"""`hub spool drain`: what a replica that never comes back had promised is on the broker, under the same ids."""

import asyncio
from pathlib import Path

from typer.testing import CliRunner, Result

from deploy.kafka.broker import Broker
from services.hub.desk import Desk
from services.hub.main import verbs
from services.hub.settings import HubSettings
from services.runtime.bus.connection import plain
from services.runtime.process.clock import SystemClock
from tests.kafka.ingest_rig import events, life, town


def hub(broker: Broker, *words: str) -> Result:
    desk = Desk(HubSettings(), plain(broker.bootstrap), SystemClock(), chance=lambda: "x")
    return CliRunner().invoke(verbs, list(words), obj=desk)


async def test_the_spool_of_a_replica_that_never_comes_back_is_emptied_into_the_broker(
    broker: Broker, tmp_path: Path
) -> None:
    oin, spool = await town(broker.bootstrap), str(tmp_path / "spool" / "0")
    broker.kill()
    async with life(broker.bootstrap, tmp_path, oin) as ingest:
        for number in range(3):
            assert await ingest.whatsapp(f"wamid.{number}") == 200
        assert (await asyncio.to_thread(hub, broker, "spool", "drain", spool)).exit_code == 2
        ingest.process.kill()
        ingest.process.wait()
        broker.start()
        drained = await asyncio.to_thread(hub, broker, "spool", "drain", spool)
        assert (drained.exit_code, "3 records went" in drained.output) == (0, True)
        assert [event.data.model_dump()["external_id"] for event in await events(ingest)] == [
            f"wamid.{number}" for number in range(3)
        ]
    assert (await asyncio.to_thread(hub, broker, "spool", "status", spool)).exit_code == 0
