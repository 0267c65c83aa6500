"""The runner stops a careless channel: each of its questions is seen to say no."""

from __future__ import annotations

import json
import smtplib
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from schemas.events import Reason
from schemas.parts import Address, AddressKind, Text
from services.channels.base import (
    Endpoint,
    Http,
    Item,
    Limits,
    Message,
    Outbound,
    Request,
    SendError,
    Sent,
    VerificationError,
)
from tests.channels import cases, runner
from tests.channels.cases import Case, unspeakable
from tests.channels.peers import ScriptedApi, mail_server


class Careless:
    """A channel with nothing of its own; each test breaks one thing."""

    name: ClassVar[str] = "careless"
    providers: ClassVar[tuple[str, ...]] = ("own",)
    limits: ClassVar[Limits] = Limits(max_text=100)

    def __init__(self, said: Callable[[], str] = lambda: "Hallo", fault: Exception | None = None) -> None:
        self.said, self.fault = said, fault

    def verify(self, request: Request, endpoint: Endpoint) -> None:
        if self.fault:
            raise self.fault

    def parse(self, request: Request, endpoint: Endpoint) -> list[Item]:
        sender = Address(kind=AddressKind.TEL, value="+31612345601")
        return [Message("1", "a", None, addresses=(sender,), parts=(Text(text=self.said()),))]

    async def send(self, outbound: Outbound, http: Http) -> Sent:
        return Sent(("1",))


READ = {
    "item": "message",
    "account": "1",
    "external_id": "a",
    "addresses": [{"kind": "tel", "value": "+31612345601"}],
    "parts": [{"kind": "text", "text": "Hallo"}],
}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Case]:
    def case(channel: Careless, name: str = "a_case", **told: Any) -> Case:  # noqa: ANN401 - a case is JSON
        monkeypatch.setattr(cases, "load", lambda _folder: channel)
        folder = tmp_path / name
        folder.mkdir()
        (folder / "case.json").write_text(json.dumps(told))
        return Case("careless", folder)

    return case


def test_a_case_that_holds_passes(make: Callable[..., Case]) -> None:
    runner.check_read(make(Careless(), kind="parse", expected={"items": [READ]}))


def test_a_reading_that_differs_is_shown_as_one_would_write_it(make: Callable[..., Case]) -> None:
    case = make(Careless(said=lambda: "Iets anders"), kind="parse", expected={"items": [READ]})
    with pytest.raises(AssertionError, match="Iets anders"):
        runner.check_read(case)


def test_a_channel_that_reads_the_same_twice_otherwise_is_stopped(make: Callable[..., Case]) -> None:
    texts = iter(["Hallo", "Dag"])
    case = make(Careless(said=lambda: next(texts)), kind="parse", expected={"items": [READ]})
    with pytest.raises(AssertionError, match="two things"):
        runner.check_read(case)


def test_a_forgery_that_passes_is_stopped(make: Callable[..., Case]) -> None:
    case = make(Careless(), kind="forged")
    with pytest.raises(AssertionError, match="let it pass"):
        runner.check_refused(case.channel, case.request, case.endpoint)


def test_a_refusal_by_another_exception_is_no_refusal(make: Callable[..., Case]) -> None:
    case = make(Careless(fault=TypeError("strings with non-ASCII")), kind="forged")
    with pytest.raises(TypeError):
        runner.check_refused(case.channel, case.request, case.endpoint)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param("the secret geheim-woord is wrong", id="a secret"),
        pytest.param("no such person: +31612345601", id="an address"),
        pytest.param("could not send: lantaarnpaal", id="one word of a citizen's"),
    ],
)
def test_what_may_stand_in_no_log_is_found(make: Callable[..., Case], told: str) -> None:
    item = {**READ, "parts": [{"kind": "text", "text": "De lantaarnpaal is kapot"}]}
    case = make(Careless(), kind="parse", secrets={"key": ["geheim-woord"]}, expected={"items": [item]})
    with pytest.raises(AssertionError, match="may stand nowhere"):
        runner.check_silent(told, unspeakable(case))
    runner.check_silent("a message of a kind that is not known", unspeakable(case))


def test_an_exception_is_searched_to_its_cause() -> None:
    error = SendError(Reason.RETRY)
    error.__cause__ = ValueError("lantaarnpaal")
    assert "lantaarnpaal" in runner.said_by(error)


def test_a_folder_without_cases_hears_which(make: Callable[..., Case]) -> None:
    with pytest.raises(AssertionError, match=r"parse, forged, a send that goes well, a send that fails for now"):
        runner.check_cases(Careless(), [])


def test_a_case_says_what_it_promises(make: Callable[..., Case]) -> None:
    one: dict[str, Any] = {"kind": "send", "expected": {"error": {"reason": "retry"}}}
    two = {"kind": "send", "expected": {"error": {"reason": "content"}}}
    told: list[dict[str, Any]] = [{"kind": "parse"}, {"kind": "forged"}, {"kind": "send"}, one, two]
    made = [make(Careless(), name=str(number), **case) for number, case in enumerate(told)]
    with pytest.raises(AssertionError, match="do not say"):
        runner.check_cases(Careless(), made)


def test_a_readme_without_its_headings_hears_which() -> None:
    with pytest.raises(AssertionError, match="Secrets"):
        runner.check_readme("# Duif\n\n## What it carries\n")


def test_garbage_that_became_a_message_is_stopped() -> None:
    channel = Careless()
    items = channel.parse(Request("POST", "/", [], b"\x00"), Endpoint("a", "a", "own"))
    with pytest.raises(AssertionError):
        runner.check_garbage(items)


# --- the peers -----------------------------------------------------------------------------------------------


async def ask(api: ScriptedApi, url: str = "https://api.example/") -> None:
    await api.request("POST", url, headers={"A": "1"}, body=b"{}", deadline=1)


STEP = {"expect": {"method": "POST", "url": "https://api.example/", "headers": {"a": "1"}, "json": {}}, "answer": {}}


async def test_an_api_that_is_asked_something_else_says_so() -> None:
    with pytest.raises(AssertionError):
        await ask(ScriptedApi([STEP]), "https://elsewhere.example/")


async def test_an_api_that_is_asked_once_more_or_once_too_few_says_so() -> None:
    api = ScriptedApi([STEP])
    with pytest.raises(AssertionError, match="never made"):
        api.check_all_asked()
    await ask(api)
    api.check_all_asked()
    with pytest.raises(AssertionError, match="does not know"):
        await ask(api)


async def test_a_mail_server_says_what_the_case_says_and_keeps_what_it_was_given() -> None:

    async with mail_server({"RCPT": "550 5.1.1 onbekend"}) as peer:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await to_thread(send_mail, peer.port)
    async with mail_server({}) as peer:
        await to_thread(send_mail, peer.port)
    peer.check({"mail_from": "a@hub.test", "rcpt_to": ["b@post.test"], "headers": {"Subject": "Dag"}, "text": "Hallo"})
    with pytest.raises(AssertionError):
        peer.check({"headers": {"Subject": "Iets anders"}})


def send_mail(port: int) -> None:

    with smtplib.SMTP("127.0.0.1", port, timeout=5) as client:
        client.sendmail("a@hub.test", ["b@post.test"], "Subject: Dag\r\n\r\nHallo\r\n")


def test_a_forgery_is_refused(make: Callable[..., Case]) -> None:
    case = make(Careless(fault=VerificationError("no")), kind="forged")
    assert str(runner.check_refused(case.channel, case.request, case.endpoint)) == "no"
