"""What a caller is told when something is wrong: RFC 9457, with every fault at once (NL API Design Rules)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class Fault(BaseModel):
    """One thing that is wrong."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    pointer: str
    """Where in the request, as a JSON pointer in a fragment (RFC 6901, section 6)."""
    code: str
    """What kind of fault, for machines."""
    detail: str
    """The same for people."""


class Problem(BaseModel):
    """Why a request was not carried out."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str = "about:blank"
    """The kind of problem; about:blank says no more than the status."""
    title: str
    """The status in words."""
    status: int = Field(ge=400, le=599)
    """The HTTP status."""
    detail: str
    """What is wrong, for people."""
    errors: list[Fault] | None = None
    """Every fault found, not only the first."""


class Refused(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[Fault] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.headers = dict(headers or {})
        self.problem = Problem(
            title=status.phrase, status=status.value, detail=detail, errors=None if errors is None else list(errors)
        )


def answer_by_problem(app: FastAPI) -> None:
    """Have an app answer everything that goes wrong with a problem, and nothing else."""
    app.add_exception_handler(Refused, _on_refused)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_failure)


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as a response."""
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, status_code=problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def pointer(*steps: str | int) -> str:
    """Return a JSON pointer into the request, as a fragment."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


async def _on_refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - registered for nothing else
    return answer(error.problem, error.headers)


async def _on_http_error(_request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: an unknown path, a wrong method."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    status = HTTPStatus(error.status_code)
    return answer(Problem(title=status.phrase, status=status.value, detail=status.description), error.headers)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    """Answer parameters that are not as declared: 400, never 422."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    faults = [
        Fault(pointer=pointer(*found["loc"]), code=found["type"], detail=found["msg"]) for found in error.errors()
    ]
    return answer(Refused(HTTPStatus.BAD_REQUEST, "The request is not as described.", faults).problem)


async def _on_failure(_request: Request, _error: Exception) -> Response:
    """Answer our own fault, without a word of it."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return answer(Problem(title=status.phrase, status=status.value, detail="The fault is ours."))
