"""The bridge: POST /v1/events. Departments, the desk and other systems say here what they want, as CloudEvents.

A 202 promises that the command is kept, not that it is granted: only the router knows whose conversation it is, and
it refuses on the author's queue. All events of a request are taken, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict

from schemas.cloudevents import declared
from services.ingest import documentation
from services.ingest.accept import Door, NotKept
from services.ingest.answers import RETRY_AFTER, Outcome
from services.ingest.body import BodyLimits, Gone, TooLarge, TooSlow, Unread, read_body
from services.ingest.callers import Caller, Callers
from services.ingest.commands import FORBIDDEN, Judged, judge
from services.ingest.counts import Counts
from services.ingest.envelopes import NotJson, WrongMediaType, envelopes
from services.ingest.setaside import Unhandled, set_aside
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.web.problems import Fault, Refused, pointer

log = get_logger()

CHANNEL = "bridge"
"""In metrics and origins, in the place of a channel."""
_NAMED = 10
"""Faults that a dead letter names."""


class Receipt(BaseModel):
    """One event that is kept."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    source: str
    """As it was sent."""
    id: str
    """As it was sent."""
    event: str
    """The id by which the hub knows it: in refusals, in the history, in `hub trace`."""


class Accepted(BaseModel):
    """What was kept, in the order of the request."""

    accepted: list[Receipt]


class Bridge:
    """Takes requests of publishers."""

    def __init__(self, callers: Callers, door: Door, *, clock: Clock, counts: Counts, limits: BodyLimits) -> None:
        self._callers, self._door = callers, door
        self._clock, self._counts, self._limits = clock, counts, limits

    async def publish(self, request: Request, token: str | None) -> Accepted:
        """Keep all events of a request; raises Refused."""
        try:
            accepted = await self._publish(request, token)
        except Refused as error:
            self._counts.ended(CHANNEL, _OUTCOMES[HTTPStatus(error.problem.status)])
            raise
        self._counts.ended(CHANNEL, Outcome.ACCEPTED)
        return accepted

    async def _publish(self, request: Request, token: str | None) -> Accepted:
        caller = self._caller(token)
        body = await self._body(request)
        began = self._clock.monotonic()
        judged = await self._judge(request, body, caller)
        await self._keep(judged)
        self._counts.took(CHANNEL, self._clock.monotonic() - began)
        return Accepted(accepted=[_receipt(one) for one in judged])

    def _caller(self, token: str | None) -> Caller:
        caller = None if token is None else self._callers.holding(token)
        if caller is None:
            raise Refused(
                HTTPStatus.UNAUTHORIZED, "A bearer token is needed.", headers={"WWW-Authenticate": 'Bearer realm="hub"'}
            )
        return caller

    async def _body(self, request: Request) -> bytes:
        try:
            return await read_body(request.scope["headers"], request.receive, self._limits)
        except Unread as error:
            status, detail = _UNREAD[type(error)]
            raise Refused(status, detail, headers={"Connection": "close"}) from None

    async def _judge(self, request: Request, body: bytes, caller: Caller) -> list[Judged]:
        try:
            found = envelopes(request.headers.items(), body)
        except WrongMediaType as error:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from None
        except NotJson as error:
            faults = [Fault(pointer=pointer(), code="not-json", detail=str(error))]
            raise await self._rejected(request, body, caller, faults) from None
        judged = [judge(one, caller, self._clock.now()) for one in found]
        if faults := [fault for one in judged for fault in one.faults]:
            raise await self._rejected(request, body, caller, faults)
        return judged

    async def _rejected(self, request: Request, body: bytes, caller: Caller, faults: Sequence[Fault]) -> Refused:
        """Return what to answer, after it was made visible: an answer that no colleague sees must not be lost too."""
        for fault in faults:
            self._counts.rejected(fault.code)
        if all(fault.code in FORBIDDEN for fault in faults):
            return Refused(HTTPStatus.FORBIDDEN, "Your token does not allow this; nothing was taken.", faults)
        await self._set_aside(request, body, caller, faults)
        return Refused(HTTPStatus.BAD_REQUEST, "Not every event is as described; nothing was taken.", faults)

    async def _set_aside(self, request: Request, body: bytes, caller: Caller, faults: Sequence[Fault]) -> None:
        unhandled = Unhandled(
            origin=f"{CHANNEL}/{caller.publisher.name}",
            reason="; ".join(f"{_where(fault)}: {fault.code}" for fault in faults[:_NAMED]),
            raw=body,
            oin=caller.oin,
            content_type=request.headers.get("content-type"),
            about={name: value for name, value in request.headers.items() if name.startswith("ce-")},
        )
        outgoing, files = set_aside(unhandled, self._clock.now())
        try:
            await self._door.accept([outgoing], [(caller.oin, file) for file in files])
            self._counts.kept(CHANNEL, [outgoing])
        except NotKept:
            log.warning("rejected_event_not_kept", publisher=caller.publisher.name, count=len(faults))

    async def _keep(self, judged: Sequence[Judged]) -> None:
        outgoing = [one.outgoing for one in judged if one.outgoing is not None]
        try:
            await self._door.accept(outgoing)
        except NotKept:
            detail = "It could not be kept just now; the same id again is the same event."
            headers = {"Retry-After": str(RETRY_AFTER)}
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers) from None
        self._counts.kept(CHANNEL, outgoing)


def _where(fault: Fault) -> str:
    """More people read why something was set aside than what it says: a name that a publisher made up stays out."""
    return "/".join(declared(fault.pointer.split("/"), fault.code))


def _receipt(judged: Judged) -> Receipt:
    assert judged.outgoing is not None  # noqa: S101 - without faults there always is one
    given = judged.envelope.attributes
    return Receipt(source=given["source"], id=given["id"], event=judged.outgoing.key)


_UNREAD = {
    TooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large."),
    TooSlow: (HTTPStatus.REQUEST_TIMEOUT, "The body took too long."),
    Gone: (HTTPStatus.REQUEST_TIMEOUT, "The body never ended."),
}
_OUTCOMES = {
    HTTPStatus.BAD_REQUEST: Outcome.INVALID,
    HTTPStatus.UNAUTHORIZED: Outcome.REFUSED,
    HTTPStatus.FORBIDDEN: Outcome.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT: Outcome.TOO_SLOW,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Outcome.TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Outcome.INVALID,
    HTTPStatus.SERVICE_UNAVAILABLE: Outcome.NOT_NOW,
}

_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="One token for each publisher.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


def routes(bridge: Bridge) -> APIRouter:
    """Return the route of the bridge, described."""
    router = APIRouter(tags=["events"])

    @router.post("/events", **documentation.PUBLISH)
    async def publish(request: Request, credentials: Credentials) -> Accepted:
        """Publish commands: answer, correct, hand over, claim, release, note, close.

        The same `source` and `id` again is the same event and happens once, so repeat a request whose answer you did
        not get. Who you are follows from your token; of `author` only `agent` is taken from you.
        """
        return await bridge.publish(request, credentials.credentials if credentials else None)

    return router
