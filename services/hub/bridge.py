"""The bridge, from outside: how the operator's commands come in, like those of any department."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import aiohttp

from schemas.events import Command
from services.hub.desk import Desk
from services.hub.errors import Unreachable, WrongUse

PATIENCE = 10.0
"""Seconds for the whole request."""


async def post(desk: Desk, kind: type[Command], tenant: str, data: dict[str, Any], event_id: str) -> str:
    """Publish a command; returns the id by which the hub knows it. The same `event_id` again is the same command.

    Raises WrongUse when it is not taken, Unreachable when nobody knows whether it was.
    """
    token = desk.settings.token
    if token is None:
        raise WrongUse("HUB_TOKEN is not set: the bridge wants to know who asks")
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"urn:nld:oin:{tenant}:systeem:hub",
        "type": kind.TYPE,
        "datacontenttype": "application/json",
        "data": {"tenant": tenant, **data},
    }
    headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Content-Type": "application/cloudevents+json"}
    status, answer = await _posted(f"{desk.settings.bridge.rstrip('/')}/v1/events", envelope, headers)
    if status == HTTPStatus.ACCEPTED:
        return str(answer["accepted"][0]["event"])
    raise _refusal(status, answer)


async def _posted(url: str, envelope: dict[str, Any], headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(url, json=envelope, headers=headers) as answer,
        ):
            return answer.status, await answer.json(content_type=None)
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        what = f"the bridge at {url} does not answer ({type(error).__name__})"
        raise Unreachable(f"{what}: look at HUB_BRIDGE; the same --id again is the same command") from error


def _refusal(status: int, answer: dict[str, Any]) -> WrongUse | Unreachable:
    faults = "".join(f"\n  {each['pointer']}: {each['detail']}" for each in answer.get("errors") or ())
    said = f"the bridge answers {status}: {answer.get('detail', '')}{faults}"
    return Unreachable(said) if status >= HTTPStatus.INTERNAL_SERVER_ERROR else WrongUse(said)
