"""Departments that answer a share of what they get, by the bridge or straight onto `inbound`."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError

from schemas.events import MessageRouted, ReplyRequested, RoutingCorrected
from schemas.topics import department_topic
from services.runtime.bus.connection import Connection
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import Start, reading
from services.runtime.bus.seat import BusError, NotDurable, Raw
from tests.chaos.doors import Doors
from tests.chaos.town import DEPARTMENTS, Town, tenant_of, token

ROUTED = MessageRouted.TYPE.encode()
BY_BRIDGE = 0.2
"""Of what they say; the rest goes straight onto the topic."""
Make = Callable[[Mapping[str, Any]], tuple[str, dict[str, Any]]]


@dataclass
class Departments:
    """All of all municipalities. What is answered follows from the message's id: read twice, answered once."""

    town: Town
    doors: Doors
    producer: Producer
    connection: Connection
    share: float
    """Of the messages, that are answered."""
    corrected: float = 0.2
    """So many corrections to one answer."""
    routed: int = 0
    asked: int = 0
    kept: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    async def work(self) -> None:
        """Read and answer for ever, through whatever becomes of the broker."""
        while True:
            try:
                await self._read()
            except (KafkaError, BusError, TimeoutError, OSError):
                await asyncio.sleep(1)

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        topics = [department_topic(name, each) for name in self.town.names.values() for each in DEPARTMENTS]
        async with reading(self.connection, topics, Start.BEGINNING) as reader:
            await reader.seek(self._offsets)
            async for record in reader.follow():
                self._offsets[record.topic, record.partition] = record.offset + 1
                self._look(record)

    def _look(self, record: Raw) -> None:
        attributes = dict(record.headers)
        if attributes.get("ce_type") != ROUTED or record.value is None:
            return
        self.routed += 1
        lot = _lot(attributes["ce_id"])
        if lot < self.share:
            self._ask(_answer, record, by_bridge=lot < self.share * BY_BRIDGE)
        elif lot > 1 - self.share * self.corrected:
            self._ask(_correction, record, by_bridge=lot > 1 - self.share * self.corrected * BY_BRIDGE)

    def _ask(self, make: Make, record: Raw, *, by_bridge: bool) -> None:
        tenant = tenant_of(record.topic.split(".")[1])
        kind, data = make(json.loads(record.value or b"{}"))
        wish = _wish(kind, data, tenant)
        self.asked += 1
        task = asyncio.create_task(self._by_bridge(wish, tenant) if by_bridge else self._straight(wish, tenant))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _by_bridge(self, wish: Mapping[str, Any], tenant: int) -> None:
        headers = {"Authorization": f"Bearer {token(tenant)}", "Content-Type": "application/cloudevents+json"}
        await self.doors.deliver(json.dumps(wish).encode(), headers, "/v1/events")
        self.kept += 1

    async def _straight(self, wish: Mapping[str, Any], tenant: int) -> None:
        outgoing = self.town.asked(wish, tenant)
        while True:
            try:
                await self.producer.publish([outgoing])
            except NotDurable:
                await asyncio.sleep(1)
            else:
                self.kept += 1
                return


def _answer(routed: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    parts = [{"kind": "text", "text": "Dank u wel, wij gaan ermee aan de slag."}]
    return ReplyRequested.TYPE, {"conversation": routed["conversation"], "answers": routed["number"], "parts": parts}


def _correction(routed: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Send it on to the next department: what is moved is read back from where it was taken in."""
    following = DEPARTMENTS[(DEPARTMENTS.index(routed["department"]) + 1) % len(DEPARTMENTS)]
    return RoutingCorrected.TYPE, {"conversation": routed["conversation"], "department": following}


def _wish(kind: str, data: Mapping[str, Any], tenant: int) -> dict[str, Any]:
    """Return a command as a CloudEvent, whose id follows from what it says."""
    what = json.dumps(data, sort_keys=True).encode()
    return {
        "specversion": "1.0",
        "id": hashlib.blake2b(kind.encode() + what, digest_size=16).hexdigest(),
        "source": f"urn:chaos:{tenant}",
        "type": kind,
        "datacontenttype": "application/json",
        "data": data,
    }


def _lot(identity: bytes) -> float:
    return int.from_bytes(hashlib.blake2b(identity, digest_size=4).digest(), "big") / 2**32
