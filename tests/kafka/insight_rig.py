"""Insight as a process, for the tests on a real broker: started, asked, killed; and what it should say, worked out."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import yaml

from schemas.cloudevents import CloudEvent, decode, source_of
from schemas.events import Event, Fact
from schemas.ids import derived
from schemas.topics import FACTS, expand
from services.insight.asked import Wanted, counts, departments
from services.insight.views import Seen
from services.runtime.bus.admin import make_topics
from services.runtime.bus.connection import plain
from services.runtime.bus.handler import Outgoing
from services.runtime.bus.producer import Producer
from services.runtime.bus.reader import reading
from tests.insight.facts import NINE, Shelf, accepted, closed, moved, opened, received
from tests.kafka.rig import until

TOKENS = {"waste": ["reply"], "kcc": ["reply"], "desk": ["operate"]}


def tenants(oin: str) -> dict[str, Any]:
    publishers = [_publisher(name, scopes, oin) for name, scopes in TOKENS.items()]
    town = {"name": "zonnedael", "oin": oin, "title": "Gemeente Zonnedael", "secret": "z" * 32}
    return {"tenants": [town | {"publishers": publishers}]}


def _publisher(name: str, scopes: list[str], oin: str) -> dict[str, Any]:
    who = {"name": name, "token_sha256": sha256(f"{name} {oin}".encode()).hexdigest(), "scopes": scopes}
    return who if "operate" in scopes else who | {"department": name}


@dataclass
class Insight:
    """The process, and a municipality of the test's own: the broker is shared."""

    bootstrap: str
    folder: Path
    http: aiohttp.ClientSession
    producer: Producer
    oin: str = field(default_factory=lambda: str(uuid4().int)[:20])
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0

    # --- its life ---

    def start(self, program: str = "services.insight") -> None:
        self.lives += 1
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", program]
            self.process = subprocess.Popen(command, env=self.environment, stderr=log)

    @property
    def environment(self) -> dict[str, str]:
        (self.folder / "tenants.yaml").write_text(yaml.safe_dump(tenants(self.oin)))
        return os.environ | {
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "HUB_TENANTS": str(self.folder / "tenants.yaml"),
            "INSIGHT_PORT": "0",
        }

    @property
    def log(self) -> Path:
        return self.folder / f"log.{self.lives}"

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()

    async def stop(self, seconds: float = 10) -> int:
        assert self.process
        self.process.terminate()
        return await asyncio.to_thread(self.process.wait, seconds)

    async def reset(self, seconds: float = 25) -> int:
        command = [sys.executable, "-m", "services.insight", "--reset"]
        environment = self.environment | {"INSIGHT_RESET_SECONDS": str(seconds)}
        done = await asyncio.to_thread(subprocess.run, command, env=environment, check=False)
        return done.returncode

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    async def logged(self, event: str) -> dict[str, Any]:
        await until(lambda: any(line["event"] == event for line in self.lines()), failed=self._dead)
        return next(line for line in self.lines() if line["event"] == event)

    def _dead(self) -> str | None:
        assert self.process
        return None if self.process.poll() is None else self.log.read_text()

    # --- what it is asked ---

    async def get(self, path: str, who: str = "desk") -> tuple[int, Any]:
        url = f"http://127.0.0.1:{(await self.logged('http_listening'))['port']}/v1{path}"
        async with self.http.get(url, headers={"Authorization": f"Bearer {who} {self.oin}"}) as answer:
            return answer.status, await answer.json(content_type=None)

    async def metrics(self) -> str:
        port = (await self.logged("management_listening"))["port"]
        async with self.http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            return await answer.text()

    async def says(self) -> dict[str, Any]:
        """Return all figures it gives; those of the passing of time left out."""
        status, stand = await self.get("/departments")
        if status != 200:
            return {}
        for each in stand["departments"]:
            del each["oldest_unanswered_seconds"], each["first_response_today"]
        (_, by_day) = await self.get("/counts?year=2026&byDay=true")
        return {"departments": stand["departments"], "counts": by_day["counts"]}

    async def received(self) -> int:
        status, year = await self.get("/counts?year=2026")
        return sum(each["received"] for each in year["counts"]) if status == 200 else -1

    async def comes_to_say(self, expected: dict[str, Any]) -> None:
        """Wait until it says this; a difference that stays is shown."""
        with contextlib.suppress(TimeoutError):
            await until(lambda: self._says(expected), 40, failed=self._dead)
        said = await self.says()
        assert said == expected, _differences(said, expected)

    async def _says(self, expected: dict[str, Any]) -> bool:
        return await self.says() == expected

    # --- what it reads ---

    async def publish(self, events: Sequence[Event], topic: str = FACTS.name) -> None:
        outgoings = [self._outgoing(event, topic) for event in events]
        for start in range(0, len(outgoings), 100):
            await self.producer.publish(outgoings[start : start + 100])

    def _outgoing(self, event: Event, topic: str) -> Outgoing:
        named = derived(str(uuid4()))
        conversation = getattr(event, "conversation", "")
        number = getattr(event, "number", 0)
        home, key = (self.oin, named) if topic == FACTS.name else (conversation, f"{conversation}/{number}")
        return Outgoing(topic, key, home, CloudEvent(named, source_of(self.oin), NINE, event))

    async def expected(self) -> dict[str, Any]:
        """Return what the facts in the log come to, read and worked out without Faust."""
        shelf = Shelf()
        async with reading(plain(self.bootstrap), [FACTS.name]) as reader:
            async for raw in reader.to_the_end():
                with contextlib.suppress(ValueError):
                    fact = decode(raw.headers, raw.value).data
                    if isinstance(fact, Fact) and fact.tenant == self.oin:
                        shelf.take([Seen(raw.partition, raw.offset, fact)])
        hidden = {"oldest_unanswered_seconds", "first_response_today"}
        stand = [each.model_dump(mode="json", exclude=hidden) for each in departments(shelf.book, self.oin, NINE)]
        counted = counts(shelf.book, Wanted(self.oin, 2026, by_day=True))
        return {
            "departments": [_without_none(each) for each in stand],
            "counts": [_without_none(each.model_dump(mode="json")) for each in counted],
        }


def _differences(said: dict[str, Any], expected: dict[str, Any]) -> str:
    found = [(one, other) for name in expected for one, other in zip_longest(said.get(name, []), expected[name])]
    return "\n".join(f"says {one}\nnot  {other}" for one, other in found if one != other)


def _without_none(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    return value


def stories(oin: str, first: int, count: int) -> Iterator[Fact]:
    """So many conversations, each going its own way; a fifth of them stays open."""
    for n in range(first, first + count):
        on: dict[str, Any] = {"tenant": oin, "conversation": f"c{n}", "channel": ("whatsapp", "email")[n % 2]}
        after = n * 7 % 40_000
        yield opened(-after, **on)
        yield received(-after, **on)
        if n % 3:
            yield moved(1 - after, "kcc", **on)
        department = "kcc" if n % 3 else "waste"
        if n % 5:
            yield accepted(9 - after, waited=n * 31 % 9000, department=department, **on)
            yield closed(19 - after, department=department, **on)


@contextlib.asynccontextmanager
async def insight_on(bootstrap: str, folder: Path) -> AsyncIterator[Insight]:
    await make_topics(plain(bootstrap), expand([]))
    producer = Producer(plain(bootstrap), wait=20)
    await producer.start()
    async with aiohttp.ClientSession() as http:
        insight = Insight(bootstrap, folder, http, producer)
        try:
            yield insight
        finally:
            if insight.process and insight.process.poll() is None:
                insight.kill()
            await producer.stop()
