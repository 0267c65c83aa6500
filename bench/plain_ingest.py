"""The reference of ingest: the same parts behind a route of FastAPI, without the mounted ASGI app."""

from __future__ import annotations

import sys

from fastapi import FastAPI, Request, Response

from services.channels import base
from services.ingest import __main__ as ingest
from services.ingest import start
from services.ingest.answers import Outcome
from services.ingest.bridge import Bridge
from services.ingest.intake import Intake
from services.ingest.receive import Reception
from services.ingest.webhook import Webhooks


def build(webhooks: Webhooks, _bridge: Bridge, public_url: str) -> FastAPI:
    """Return the API with a route for webhooks, instead of a mounted app."""
    app = FastAPI()
    hooks = webhooks._hooks  # noqa: SLF001 - the same parts, in another frame
    intake: Intake = webhooks._intake  # noqa: SLF001

    @app.post("/webhooks/{channel}/{endpoint}")
    async def webhook(channel: str, endpoint: str, request: Request) -> Response:
        reception: Reception = hooks[f"/webhooks/{channel}/{endpoint}"].reception
        body = await request.body()
        taken = base.Request(request.method, public_url, list(request.headers.items()), body)
        outcome = await intake.take(reception, taken)
        return Response(status_code=200 if outcome is Outcome.ACCEPTED else 503)

    return app


if __name__ == "__main__":
    vars(start)["build"] = build
    sys.exit(ingest.main())
