"""What the read API answers: the right figures, to whom they belong, and problems in the one form."""

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.events import EntryKind, EntryRecorded
from schemas.parts import Text
from tests.insight.desk import Desk
from tests.insight.facts import OIN, OTHER_OIN, accepted, at, claimed, closed, moved, opened, received

YESTERDAY = -24 * 60


async def test_how_the_departments_stand(desk: Desk) -> None:
    desk.take(opened(0), received(0), received(2), claimed(3))
    desk.take(opened(1, conversation="c2"), received(1, conversation="c2"), moved(4, "kcc", conversation="c2"))
    desk.take(accepted(5, conversation="c3", waited=60), accepted(6, conversation="c4", waited=60, channel="email"))
    desk.take(accepted(YESTERDAY, conversation="c5", waited=9000))
    desk.clock.advance(600)
    answer = await desk.get("/v1/departments")
    kcc, waste = answer.json["departments"]
    assert answer.json["at"] == "2026-11-24T09:10:00Z"
    assert (kcc["department"], kcc["open_conversations"], kcc["oldest_unanswered_seconds"]) == ("kcc", 1, 540.0)
    assert waste == {
        "department": "waste",
        "open_conversations": 1,
        "unanswered_messages": 2,
        "claimed_conversations": 1,
        "oldest_unanswered_since": "2026-11-24T09:00:00Z",
        "oldest_unanswered_seconds": 600.0,
        "first_response_today": {"count": 2, "median_seconds": 52.5, "p90_seconds": 58.5},
    }


async def test_where_nobody_waits_there_is_no_oldest(desk: Desk) -> None:
    desk.take(opened(0), received(0), accepted(1), closed(2))
    (waste,) = (await desk.get("/v1/departments")).json["departments"]
    assert waste["oldest_unanswered_seconds"] == 0
    assert "oldest_unanswered_since" not in waste


SOME = [received(0), received(1, channel="email"), received(2, department="kcc"), received(YESTERDAY)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("", [("kcc", "whatsapp", 1), ("waste", "email", 1), ("waste", "whatsapp", 2)], id="this year"),
        pytest.param("?year=2025", [], id="a year in which nothing happened"),
        pytest.param("?department=kcc", [("kcc", "whatsapp", 1)], id="one department"),
        pytest.param("?channel=email", [("waste", "email", 1)], id="one channel"),
        pytest.param("?department=kcc&channel=email", [], id="one that had nothing"),
        pytest.param(
            "?byDay=true&department=waste&channel=whatsapp",
            [("2026-11-23", "whatsapp", 1), ("2026-11-24", "whatsapp", 1)],
            id="by day",
        ),
    ],
)
async def test_what_was_counted(desk: Desk, query: str, expected: list[tuple[str, str, int]]) -> None:
    desk.take(*SOME)
    found = (await desk.get(f"/v1/counts{query}")).json["counts"]
    assert [(each.get("date", each["department"]), each["channel"], each["received"]) for each in found] == expected


async def test_the_year_is_the_citizens_year(desk: Desk) -> None:
    desk.clock.advance((timedelta(days=37, hours=14)).total_seconds())
    desk.take(received(37 * 24 * 60 + 14 * 60 + 1))
    assert [each["year"] for each in (await desk.get("/v1/counts")).json["counts"]] == [2027]


async def test_the_figures_of_one_municipality_are_not_anothers(desk: Desk) -> None:
    desk.take(opened(), received(), opened(tenant=OTHER_OIN), received(tenant=OTHER_OIN, department="kcc"))
    for path, key in (("/v1/departments", "departments"), ("/v1/counts", "counts")):
        own, others = (await desk.get(path)).json[key], (await desk.get(path, "neighbour")).json[key]
        assert [each["department"] for each in own] == ["waste"]
        assert {each["department"] for each in others} >= {"kcc"}
        assert own != others


# --- histories -------------------------------------------------------------------------------------------------


def entry(number: int, department: str = "waste", kind: EntryKind = EntryKind.MESSAGE) -> EntryRecorded:
    words = Text(text=f"onze bak is niet geleegd {number}")
    return EntryRecorded(
        tenant=OIN, conversation="c1", reference="12345678", number=number, kind=kind, at=at(number),
        department=department, parts=(words,),
    )  # fmt: skip


async def test_a_history_is_shown_whole_and_who_saw_it_is_logged_by_ids(desk: Desk) -> None:
    desk.histories[OIN, "c1"] = [entry(1), entry(2)]
    with capture_logs() as logs:
        answer = await desk.get("/v1/conversations/c1", "waste")
    assert answer.status == 200
    assert [each["parts"][0]["text"][-1] for each in answer.json["entries"]] == ["1", "2"]
    (line,) = logs
    assert {name: line[name] for name in ("event", "publisher", "conversation_id", "outcome")} == {
        "event": "history_read",
        "publisher": "waste",
        "conversation_id": "c1",
        "outcome": "shown",
    }
    assert "geleegd" not in str(logs)


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        pytest.param("waste", "c1", 403, id="it went to another department"),
        pytest.param("desk", "c1", 200, id="an operator sees it all the same"),
        pytest.param("neighbour", "c1", 404, id="another municipality's does not exist"),
        pytest.param("desk", "c9", 404, id="there is none"),
        pytest.param(None, "c1", 401, id="nobody"),
        pytest.param("guess", "c1", 401, id="a token that nobody has"),
        pytest.param("desk", "c" * 201, 400, id="no id that we ever gave"),
    ],
)
async def test_who_may_see_a_history(desk: Desk, who: str | None, path: str, status: int) -> None:
    desk.histories[OIN, "c1"] = [entry(1), entry(2, "kcc", EntryKind.HAND_OVER), entry(3, "waste", EntryKind.REPLY)]
    answer = await desk.get(f"/v1/conversations/{path}", who)
    assert answer.status == status
    assert ("geleegd" in answer.body) == (status == 200)


# --- problems --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "who", "status"),
    [
        pytest.param("/v1/departments", None, 401, id="no token"),
        pytest.param("/v1/counts", "guess", 401, id="a token that nobody has"),
        pytest.param("/v1/counts?year=acht", "desk", 400, id="no year"),
        pytest.param("/v1/counts?department=Groot%20Onderhoud", "desk", 400, id="no department's name"),
        pytest.param("/v1/nothing", "desk", 404, id="a path that is not there"),
        pytest.param("/v1/departments/", "desk", 404, id="a slash too many"),
    ],
)
async def test_what_is_wrong_is_a_problem(desk: Desk, path: str, who: str | None, status: int) -> None:
    answer = await desk.get(path, who)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert {"status", "title", "detail"} <= answer.json.keys()
    assert answer.headers["API-Version"].count(".") == 2


async def test_every_fault_is_named_at_once(desk: Desk) -> None:
    answer = await desk.get("/v1/counts?year=acht&department=A&channel=B&byDay=soms")
    assert [each["pointer"] for each in answer.json["errors"]] == [
        *("#/query/year", "#/query/department", "#/query/channel", "#/query/byDay")
    ]


async def _rebuilding(desk: Desk) -> str:
    desk.unready = "rebuilding"
    return "/v1/departments"


async def _elsewhere(desk: Desk) -> str:
    desk.shelf.book.rebuilt(frozenset())
    return "/v1/counts"


async def _slow(desk: Desk) -> str:
    desk.too_slow = True
    return "/v1/conversations/c1"


@pytest.mark.parametrize(
    "why",
    [
        pytest.param(_rebuilding, id="the tables are being rebuilt: half a figure is no figure"),
        pytest.param(_elsewhere, id="another replica has them"),
        pytest.param(_slow, id="a history could not be read in time"),
    ],
)
async def test_when_it_cannot_be_said_now_one_is_told_to_come_again(desk: Desk, why: Any) -> None:  # noqa: ANN401
    answer = await desk.get(await why(desk))
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert int(answer.headers["Retry-After"]) > 0


# --- what it says of itself ------------------------------------------------------------------------------------


async def test_it_names_its_version_server_and_who_to_ask(desk: Desk) -> None:
    found = (await desk.get("/v1/openapi.json", None)).json
    assert found["info"]["version"].count(".") == 2
    assert {"name", "email", "url"} <= found["info"]["contact"].keys()
    assert found["servers"] == [{"url": "https://insight.example/v1"}]
    assert list(found["paths"]) == ["/departments", "/counts", "/conversations/{conversation}"]


async def test_every_error_it_describes_is_a_problem_none_is_422_and_every_reference_leads_somewhere(
    desk: Desk,
) -> None:
    answer = await desk.get("/v1/openapi.json", None)
    for operation in (each for path in answer.json["paths"].values() for each in path.values()):
        errors = {status: one for status, one in operation["responses"].items() if status >= "400"}
        assert {"400", "401", "500", "503"} <= errors.keys()
        assert "422" not in errors
        assert all(list(one["content"]) == ["application/problem+json"] for one in errors.values())
    named = {part.split('"')[0] for part in answer.body.split('"#/components/schemas/')[1:]}
    assert named <= answer.json["components"]["schemas"].keys()


async def test_its_pages_are_there(desk: Desk) -> None:
    assert (await desk.get("/v1/docs", None)).status == 200


async def test_nothing_can_be_written_by_it(desk: Desk) -> None:
    for path in ("/v1/departments", "/v1/counts", "/v1/conversations/c1"):
        assert (await desk.get(path, method="POST")).status == 405
