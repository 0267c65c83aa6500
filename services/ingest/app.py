"""The API: the bridge under /v1, with its documentation, and the webhooks, mounted in front of it."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.ingest import documentation
from services.ingest.bridge import Bridge, routes
from services.ingest.webhook import PREFIX, Webhooks
from services.runtime.web import problems

API = "/v1"
_HEADERS = [
    (b"api-version", documentation.VERSION.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-frame-options", b"DENY"),
]


def build(webhooks: Webhooks, bridge: Bridge, public_url: str) -> ASGIApp:
    """Return the whole as one ASGI app."""
    return Front(webhooks, _api(bridge, public_url))


class Front:
    """Sends webhooks past the framework, which costs more than all that is done for one (55 of 165 us, measured)."""

    def __init__(self, webhooks: Webhooks, api: FastAPI) -> None:
        self.webhooks, self.api = webhooks, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        ours = scope["type"] == "http" and scope["path"].startswith(PREFIX)
        await (self.webhooks if ours else self.api)(scope, receive, send)


def _api(bridge: Bridge, public_url: str) -> FastAPI:
    app = FastAPI(
        title=documentation.TITLE,
        version=documentation.VERSION,
        docs_url=f"{API}/docs",
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
        redirect_slashes=False,
        # Its telemetry would record the messages of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.include_router(routes(bridge), prefix=API)
    problems.answer_by_problem(app)
    app.add_middleware(Headers)
    documentation.describe(app, public_url)
    return app


class Headers:
    """Puts the version and the security headers on every answer of the API (NL API Design Rules)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if not scope.get("path", "").startswith(API):
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers)
