"""The hot route: /webhooks/<channel>/<endpoint>, as a bare ASGI app mounted in the API.

A 2xx is given only when everything in the request is kept. Who cannot prove where it comes from gets one constant
answer, and so does every other outcome (answers.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.channels.base import Answers, Challenges, Request, VerificationError
from services.ingest.answers import ANSWERS, Answer, Outcome, Receive, Scope, Send, answer
from services.ingest.body import BodyLimits, Gone, TooLarge, TooSlow, Unread, read_body
from services.ingest.counts import Counts
from services.ingest.intake import Intake, refused
from services.ingest.receive import Reception
from services.runtime.process import crash

PREFIX = "/webhooks/"
NO_CHANNEL = "none"
"""In metrics, for a path at which nothing listens."""
_METHODS = frozenset({"GET", "POST"})
_UNREAD = {TooLarge: Outcome.TOO_LARGE, TooSlow: Outcome.TOO_SLOW, Gone: Outcome.GONE}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ended, and what is answered; nothing, when nobody is left to hear it."""

    channel: str
    outcome: Outcome
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class Hook:
    """One endpoint, with the answers that its provider wants."""

    reception: Reception
    answers: dict[Outcome, Answer] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "answers", {**ANSWERS, **_own_answers(self.reception.channel)})

    def ending(self, outcome: Outcome) -> Ending:
        """Return how a request of this endpoint ends."""
        return Ending(self.reception.endpoint.channel, outcome, self.answers.get(outcome))


def _own_answers(channel: object) -> dict[Outcome, Answer]:
    if not isinstance(channel, Answers):
        return {}
    return {Outcome.ACCEPTED: answer(*channel.accepted), Outcome.REFUSED: answer(*channel.refused)}


class Webhooks:
    """Takes requests for all endpoints. `public_url` is where providers reach us: signatures may be over it."""

    def __init__(
        self, receptions: Sequence[Reception], intake: Intake, counts: Counts, *, limits: BodyLimits, public_url: str
    ) -> None:
        self._hooks = {f"{PREFIX}{one.origin}": Hook(one) for one in receptions}
        self._intake, self._counts = intake, counts
        self._limits, self._public_url = limits, public_url.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        ending = await self._serve(scope, receive)
        self._counts.ended(ending.channel, ending.outcome)
        if ending.answer is not None:
            await ending.answer.send(send)
            crash.here("ingest.after_answer")

    async def _serve(self, scope: Scope, receive: Receive) -> Ending:
        hook = self._hooks.get(scope["path"])
        if hook is None:
            return Ending(NO_CHANNEL, Outcome.UNKNOWN_PATH, ANSWERS[Outcome.UNKNOWN_PATH])
        if scope["method"] not in _METHODS:
            return hook.ending(Outcome.WRONG_METHOD)
        try:
            body = await read_body(scope["headers"], receive, self._limits)
        except Unread as error:
            return hook.ending(_UNREAD[type(error)])
        return await self._judge(hook, self._request(scope, body))

    async def _judge(self, hook: Hook, request: Request) -> Ending:
        if request.method == "GET" and isinstance(hook.reception.channel, Challenges):
            return _challenged(hook, hook.reception.channel, request)
        return hook.ending(await self._intake.take(hook.reception, request))

    def _request(self, scope: Scope, body: bytes) -> Request:
        query: bytes = scope["query_string"]
        path = scope["raw_path"].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        return Request(method=scope["method"], url=self._public_url + path, headers=headers, body=body)


def _challenged(hook: Hook, channel: Challenges, request: Request) -> Ending:
    try:
        said = channel.challenge(request, hook.reception.endpoint)
    except VerificationError as error:
        refused(hook.reception, error)
        return hook.ending(Outcome.REFUSED)
    return Ending(hook.reception.endpoint.channel, Outcome.CHALLENGED, answer(200, "text/plain", said))
