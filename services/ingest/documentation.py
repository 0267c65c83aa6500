"""What the API says of itself: OpenAPI, from the models that judge what comes in."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from schemas.events import COMMANDS, Command
from services.ingest.envelopes import BATCH, BINARY, STRUCTURED
from services.runtime.web.problems import MEDIA_TYPE, Problem

VERSION = "1.0.0"
TITLE = "Berichtenhub"
CONTACT = {"name": "Berichtenhub", "url": "https://berichtenhub.example/", "email": "beheer@berichtenhub.example"}
_REF = "#/components/schemas/{model}"
_HEADER = {"API-Version": {"description": "Version of this API.", "schema": {"type": "string"}}}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


def _problem(description: str, **more: object) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": _ref(Problem.__name__)}}, **more}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=name)}


PUBLISH: dict[str, Any] = {
    "status_code": 202,
    "operation_id": "publishEvents",
    "summary": "Publish commands",
    "response_description": "Kept, all of them.",
    "responses": {
        202: {"headers": _HEADER},
        400: _problem("Not as described; every fault is named, and nothing was taken."),
        401: _problem("No token, or one that nobody has."),
        403: _problem("Your token does not allow this command, or it is for another municipality."),
        408: _problem("The body took too long."),
        413: _problem("The body is too large."),
        415: _problem("None of the three forms of CloudEvents over HTTP."),
        503: _problem("Not kept just now: come again with the same ids.", headers=_RETRY),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                STRUCTURED: {"schema": _ref("CloudEvent")},
                BATCH: {"schema": {"type": "array", "items": _ref("CloudEvent")}},
                BINARY: {"schema": {"description": "The data alone, its attributes in ce- headers.", "type": "object"}},
            },
        }
    },
}
"""How the one route is described."""


def describe(app: FastAPI, public_url: str) -> None:
    """Let the API describe itself with everything a publisher may send."""
    app.openapi = lambda: _document(app, public_url)  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI, public_url: str) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(
            title=TITLE,
            version=VERSION,
            summary="One message hub for every channel on which a municipality answers its citizens.",
            contact=CONTACT,
            license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
            servers=[{"url": f"{public_url.rstrip('/')}/v1"}],
            routes=app.routes,
        )
        app.openapi_schema = _completed(made)
    return app.openapi_schema


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """Paths are relative to the server's URL, which carries the version; unused words of the framework go."""
    document["paths"] = {path.removeprefix("/v1"): operations for path, operations in document["paths"].items()}
    schemas = document["components"]["schemas"]
    schemas.update(_schemas())
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    return document


def _schemas() -> dict[str, Any]:
    models: list[type[Any]] = [*COMMANDS.values(), Problem]
    _names, made = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    return {**made["$defs"], "CloudEvent": {"oneOf": [_event(kind, model) for kind, model in COMMANDS.items()]}}


def _event(kind: str, model: type[Command]) -> dict[str, Any]:
    """Return the envelope of one command (CloudEvents 1.0, NL GOV profile 1.1)."""
    return {
        "title": kind,
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1, "maxLength": 200},
            "source": {"type": "string", "minLength": 1, "maxLength": 500},
            "type": {"const": kind},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "data": _ref(model.__name__),
        },
    }
