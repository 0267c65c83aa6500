"""The API says what it is, in the way the Dutch API rules ask."""

from pathlib import Path

import pytest

from schemas.events import COMMANDS
from services.channels.loader import UnknownChannel
from services.ingest.settings import IngestSettings
from services.ingest.start import assemble
from services.runtime.process.clock import ManualClock
from services.runtime.process.metrics import Metrics
from services.runtime.process.tenants import Endpoint
from tests.ingest.town import NOW, TENANTS, Bus, Hub, command


async def document(hub: Hub) -> dict[str, object]:
    found: dict[str, object] = (await hub.ask("GET", "/v1/openapi.json")).json
    return found


async def test_it_names_its_version_server_and_who_to_ask(hub: Hub) -> None:
    found = await document(hub)
    info = found["info"]
    assert isinstance(info, dict)
    assert info["version"].count(".") == 2
    assert {"name", "email", "url"} <= info["contact"].keys()
    assert found["servers"] == [{"url": "https://hub.example/v1"}]
    assert found["openapi"].startswith("3.")  # type: ignore[attr-defined]


async def test_every_command_is_described_and_every_reference_leads_somewhere(hub: Hub) -> None:
    text = (await hub.ask("GET", "/v1/openapi.json")).body.decode()
    found = await document(hub)
    schemas = found["components"]["schemas"]  # type: ignore[index]
    described = [one["properties"]["type"]["const"] for one in schemas["CloudEvent"]["oneOf"]]
    assert described == list(COMMANDS)
    named = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert named <= schemas.keys()


async def test_every_error_of_every_operation_is_a_problem_and_none_is_422(hub: Hub) -> None:
    paths = (await document(hub))["paths"]
    assert isinstance(paths, dict)
    assert list(paths) == ["/events"]
    for operation in (each for path in paths.values() for each in path.values()):
        errors = {status: one for status, one in operation["responses"].items() if status >= "400"}
        assert "400" in errors
        assert "422" not in errors
        assert all(list(one["content"]) == ["application/problem+json"] for one in errors.values())


async def test_its_pages_are_there(hub: Hub) -> None:
    assert (await hub.ask("GET", "/v1/docs")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/v1/nothing", 404, id="a path that is not there"),
        pytest.param("GET", "/v1/events", 405, id="a method that is not there"),
        pytest.param("POST", "/v1/events/", 404, id="a slash too many"),
        pytest.param("GET", "/", 404, id="the root"),
    ],
)
async def test_what_is_not_there_is_a_problem(hub: Hub, method: str, path: str, status: int) -> None:
    answer = await hub.ask(method, path)
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert {"status", "title", "detail"} <= answer.json.keys()


async def test_every_answer_of_the_api_says_its_version_and_guards_its_reader(hub: Hub) -> None:
    answers = [await hub.publish(command()), await hub.ask("GET", "/v1/openapi.json")]
    for answer in answers:
        assert answer.headers["API-Version"].count(".") == 2
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in answer.headers


async def test_a_fault_of_our_own_is_a_problem_without_a_word_of_it(hub: Hub) -> None:
    hub.bus.fault = RuntimeError("Kanarie van de Kade 12")
    answer = await hub.publish(command())
    assert (answer.status, answer.headers["Content-Type"]) == (500, "application/problem+json")
    assert b"Kanarie" not in answer.body


@pytest.mark.parametrize(
    ("channel", "provider", "message"),
    [
        pytest.param("postduif", "own", "there is no channel 'postduif'", id="a channel that is not there"),
        pytest.param("whatsapp", "metta", "whatsapp has no provider 'metta'; it has: meta", id="a misspelt provider"),
    ],
)
def test_it_does_not_start_with_an_endpoint_that_nobody_could_use(
    channel: str, provider: str, message: str, tmp_path: Path
) -> None:
    tenants = TENANTS.model_copy(update={"endpoints": (Endpoint(name="x", channel=channel, provider=provider),)})
    with pytest.raises(UnknownChannel, match=message):
        assemble(IngestSettings(attachments=tmp_path), tenants, Bus(), ManualClock(NOW), Metrics())
