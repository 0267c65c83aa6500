"""The headers that every answer of an API of ours has (NL API Design Rules)."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Headers:
    """Puts the API's version and the security headers on every answer."""

    def __init__(self, app: ASGIApp, version: str) -> None:
        self._app = app
        self._headers = [
            (b"api-version", version.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            (b"referrer-policy", b"no-referrer"),
            (b"strict-transport-security", b"max-age=31536000"),
            (b"x-frame-options", b"DENY"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers)
