"""The read API, by the NL API Design Rules. A bearer token says whose figures are asked for; they are nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Security
from fastapi.openapi.utils import get_openapi
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from schemas.topics import FACTS
from services.insight import asked
from services.insight.answers import ConversationHistory, CountsPage, Departments
from services.insight.book import Book
from services.insight.history import History, ReadsHistories, department_of
from services.insight.views import day_of
from services.runtime.bus.batches import partition_of
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.process.tenants import Publisher, Scope, Tenant, Tenants
from services.runtime.web.headers import Headers
from services.runtime.web.problems import MEDIA_TYPE, Problem, Refused, answer_by_problem

VERSION = "1.0.0"
_RETRY = 5
log = get_logger()

Caller = tuple[Tenant, Publisher]
_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="One token for each publisher.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
Slug = Annotated[str | None, Query(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]
Year = Annotated[int | None, Query(ge=2000, le=9998, description="This year when absent.")]
ByDay = Annotated[bool, Query(alias="byDay", description="One count for each day instead of one for the year.")]
ConversationId = Annotated[str, Path(min_length=1, max_length=200, alias="conversation")]


def build(
    book: Book,
    histories: ReadsHistories,
    tenants: Tenants,
    clock: Clock,
    unready: Callable[[], str | None],
    public_url: str,
) -> FastAPI:
    """Return the API."""
    app = FastAPI(
        title="Berichtenhub insight",
        version=VERSION,
        docs_url="/v1/docs",
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        redirect_slashes=False,
        # Its telemetry would record the messages of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.include_router(_routes(Desk(book, histories, tenants, clock, unready)), prefix="/v1")
    answer_by_problem(app)
    app.add_middleware(Headers, version=VERSION)
    app.openapi = lambda: _document(app, public_url)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app


class Desk:
    """Answers, for whoever holds a token."""

    def __init__(
        self, book: Book, histories: ReadsHistories, tenants: Tenants, clock: Clock, unready: Callable[[], str | None]
    ) -> None:
        self._book, self._histories, self._tenants = book, histories, tenants
        self._clock, self._unready = clock, unready

    def caller(self, credentials: Credentials) -> Caller:
        """Return who asks; raises Refused."""
        found = self._tenants.by_token(credentials.credentials) if credentials else None
        if found is None:
            headers = {"WWW-Authenticate": 'Bearer realm="hub"'}
            raise Refused(HTTPStatus.UNAUTHORIZED, "A bearer token is needed.", headers=headers)
        return found

    def departments(self, caller: Caller) -> Departments:
        """Return how the departments stand; raises Refused."""
        self._need_views(caller)
        now = self._clock.now()
        return Departments(at=now, departments=asked.departments(self._book, caller[0].oin, now))

    def counts(
        self, caller: Caller, year: int | None, department: str | None, channel: str | None, *, by_day: bool
    ) -> CountsPage:
        """Return what was counted in a year; raises Refused."""
        self._need_views(caller)
        year = year or day_of(self._clock.now()).year
        wanted = asked.Wanted(caller[0].oin, year, department, channel, by_day)
        return CountsPage(counts=asked.counts(self._book, wanted))

    async def history(self, caller: Caller, conversation: str) -> ConversationHistory:
        """Return the history of a conversation, and log by ids who read it; raises Refused."""
        tenant, publisher = caller
        found = await self._history(tenant.oin, conversation)
        if not found:
            raise Refused(HTTPStatus.NOT_FOUND, "This municipality has no such conversation.")
        department = department_of(found)
        allowed = Scope.OPERATE in publisher.scopes or publisher.department == department
        outcome = "shown" if allowed else "refused"
        log.info(
            "history_read", tenant=tenant.name, publisher=publisher.name, conversation_id=conversation, outcome=outcome
        )
        if not allowed:
            raise Refused(HTTPStatus.FORBIDDEN, "This conversation is another department's.")
        return ConversationHistory(conversation=conversation, department=department, entries=found)

    async def _history(self, tenant: str, conversation: str) -> History:
        try:
            return await self._histories.of(tenant, conversation)
        except TimeoutError:
            raise _not_now("The history could not be read in time.") from None

    def _need_views(self, caller: Caller) -> None:
        if self._unready() is not None:
            raise _not_now("The figures are not complete yet.")
        if partition_of(caller[0].oin, FACTS.partitions) not in self._book.partitions:
            raise _not_now("Another replica keeps these figures.")


def _not_now(detail: str) -> Refused:
    return Refused(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(_RETRY)})


def _routes(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/departments", **_described("listDepartments", "How every department stands now", tag="figures"))
    async def departments(credentials: Credentials) -> Departments:
        return desk.departments(desk.caller(credentials))

    @router.get("/counts", **_described("listCounts", "What happened, by department, channel and time", tag="figures"))
    async def counts(
        credentials: Credentials,
        year: Year = None,
        department: Slug = None,
        channel: Slug = None,
        *,
        by_day: ByDay = False,
    ) -> CountsPage:
        return desk.counts(desk.caller(credentials), year, department, channel, by_day=by_day)

    @router.get(
        "/conversations/{conversation}",
        **_described("getConversation", "The history of a conversation", tag="conversations", more=(403, 404)),
    )
    async def conversation(credentials: Credentials, conversation: ConversationId) -> ConversationHistory:
        return await desk.history(desk.caller(credentials), conversation)

    return router


# --- documentation ---------------------------------------------------------------------------------------------

_CONTACT = {"name": "Berichtenhub", "url": "https://berichtenhub.example/", "email": "beheer@berichtenhub.example"}
_HEADER = {"API-Version": {"description": "Version of this API.", "schema": {"type": "string"}}}
_PROBLEMS = {
    400: "A parameter is not as described; every fault is named.",
    401: "No token, or one that nobody has.",
    403: "The conversation is another department's.",
    404: "This municipality has no such conversation.",
    500: "The fault is ours.",
    503: "Not now: come again.",
}


def _described(operation: str, summary: str, *, tag: str, more: tuple[int, ...] = ()) -> dict[str, Any]:
    statuses = sorted({400, 401, 500, 503, *more})
    problems = {status: _problem(_PROBLEMS[status]) for status in statuses}
    ok: dict[int | str, Any] = {200: {"headers": _HEADER}}
    return {
        "operation_id": operation,
        "summary": summary,
        "tags": [tag],
        "response_model_exclude_none": True,
        "responses": ok | problems,
    }


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def _document(app: FastAPI, public_url: str) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=VERSION,
            summary="How the departments of a municipality stand with the messages of its citizens.",
            contact=_CONTACT,
            license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
            servers=[{"url": f"{public_url.rstrip('/')}/v1"}],
            tags=[{"name": "figures"}, {"name": "conversations"}],
            routes=app.routes,
        )
        made["paths"] = {path.removeprefix("/v1"): _without_422(item) for path, item in made["paths"].items()}
        made["components"]["schemas"] |= _schemas()
        app.openapi_schema = made
    return app.openapi_schema


def _without_422(item: dict[str, Any]) -> dict[str, Any]:
    for operation in item.values():
        operation["responses"].pop("422", None)
    return item


def _schemas() -> dict[str, Any]:
    made = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    nested: dict[str, Any] = made.pop("$defs")
    return nested | {"Problem": made}
