"""Every channel keeps the contract of services/channels/base.py, and shows it by its cases."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Reason
from services.channels.base import (
    Challenges,
    FetchesMedia,
    Http,
    Rejected,
    SendError,
    Sent,
    VerificationError,
)
from services.channels.loader import available, load
from tests.channels import runner
from tests.channels.cases import ROOM, Case, all_cases, cases_of, unspeakable
from tests.channels.peers import BrokenNetwork, ScriptedApi, mail_server

channels = pytest.mark.parametrize("folder", available())


def cases(*kinds: str) -> pytest.MarkDecorator:
    found = all_cases(*kinds)
    return pytest.mark.parametrize("case", found, ids=[case.id for case in found])


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but this machine can be reached: what a channel needs is handed to it."""
    connect = socket.socket.connect

    def only_here(self: socket.socket, address: tuple[str, int]) -> None:
        assert address[0] in {"127.0.0.1", "::1"}, "a channel went to the network by itself"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    monkeypatch.setattr(socket.socket, "connect_ex", only_here)


# --- the folder ----------------------------------------------------------------------------------------------


@channels
def test_a_channel_explains_itself_under_the_headings_that_people_look_for(folder: str) -> None:
    runner.check_readme((ROOM / folder / "README.md").read_text())


@channels
def test_a_channel_shows_what_it_does_by_cases(folder: str) -> None:
    runner.check_cases(load(folder), cases_of(folder))


@channels
def test_a_channel_is_named_as_its_folder(folder: str) -> None:
    assert load(folder).name == folder


# --- in ------------------------------------------------------------------------------------------------------


@cases("parse")
def test_what_comes_in_is_read_as_promised(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    items = runner.check_read(case)
    told = "".join(item.reason for item in items if isinstance(item, Rejected))
    runner.check_silent(told + "".join(capfd.readouterr()), unspeakable(case))


@cases("forged")
def test_what_is_not_the_providers_is_refused(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    refusal = runner.check_refused(case.channel, case.request, case.endpoint)
    told = runner.said_by(refusal) + "".join(capfd.readouterr())
    runner.check_silent(told, unspeakable(case))


@cases("parse")
def test_a_proof_that_stands_there_twice_proves_nothing(case: Case) -> None:
    channel, request, endpoint = case.channel, case.request, case.endpoint
    for name in runner.proofs(channel, request, endpoint):
        twice = [*request.headers, (name, request.header(name) or "")]
        runner.check_refused(channel, runner.with_headers(request, twice), endpoint)


SIGNED = [case for case in all_cases("parse") if any("signature" in name for name, _ in case.request.headers)]


@pytest.mark.parametrize("case", SIGNED, ids=[case.id for case in SIGNED])
def test_a_signature_is_over_every_byte(case: Case) -> None:
    channel, request, endpoint = case.channel, case.request, case.endpoint
    other = runner.with_body(request, request.body[:-1] + bytes([request.body[-1] ^ 1]))
    runner.check_refused(channel, other, endpoint)


@cases("challenge")
def test_a_provider_that_asks_who_we_are_gets_its_answer(case: Case) -> None:
    channel = case.channel
    assert isinstance(channel, Challenges)
    if case.expected.get("refused"):
        with pytest.raises(VerificationError) as refusal:
            channel.challenge(case.request, case.endpoint)
        runner.check_silent(runner.said_by(refusal.value), unspeakable(case))
    else:
        assert channel.challenge(case.request, case.endpoint).decode() == case.expected["body"]


@channels
def test_garbage_is_set_aside_and_never_an_exception(folder: str) -> None:
    channel, sample = load(folder), next(case for case in cases_of(folder) if case.kind == "parse")

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(st.binary(max_size=400))
    def check(body: bytes) -> None:
        runner.check_garbage(channel.parse(runner.with_body(sample.request, body), sample.endpoint))

    check()


@channels
def test_a_damaged_body_never_makes_an_exception_nor_tells_a_word_of_it(folder: str) -> None:
    samples = [case for case in cases_of(folder) if case.kind == "parse" and case.body]

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(case=st.sampled_from(samples), at=st.floats(0, 1), length=st.integers(0, 40), new=st.binary(max_size=20))
    def check(case: Case, at: float, length: int, new: bytes) -> None:
        place = int(at * len(case.body))
        body = case.body[:place] + new + case.body[place + length :]
        items = case.channel.parse(runner.with_body(case.request, body), case.endpoint)
        told = "".join(item.reason for item in items if isinstance(item, Rejected))
        runner.check_silent(told, unspeakable(case))

    check()


# --- out -----------------------------------------------------------------------------------------------------


async def sending(case: Case, http: Http, extra: Mapping[str, str] = {}) -> Sent:
    return await case.channel.send(case.outbound(extra), http)


async def delivered(case: Case) -> Sent:
    """Send by the peer that the case scripts, and look at what it saw."""
    if "smtp" in case.told:
        return await by_mail(case, case.told["smtp"])
    api = ScriptedApi(case.told.get("responses", []))
    try:
        return await sending(case, api)
    finally:
        api.check_all_asked()


async def by_mail(case: Case, script: Mapping[str, Any]) -> Sent:
    async with mail_server(script.get("answers", {})) as peer:
        place = {"smtp_host": "127.0.0.1", "smtp_port": str(peer.port)}
        sent = await sending(case, BrokenNetwork(Reason.ACCOUNT), place)
    peer.check(script.get("expect", {}))
    return sent


@cases("send")
async def test_what_goes_out_ends_as_promised(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    if case.error:
        with pytest.raises(SendError) as failure:
            await delivered(case)
        runner.check_error(failure.value, case.error)
        runner.check_silent(runner.said_by(failure.value), unspeakable(case))
    else:
        check_sent(await delivered(case), case.expected)
    runner.check_silent("".join(capfd.readouterr()), unspeakable(case))


def check_sent(sent: Sent, expected: Mapping[str, Any]) -> None:
    ids = expected["external_ids"]
    assert sent.status == expected.get("status", "accepted")
    assert all(sent.external_ids)
    assert (len(sent.external_ids) if isinstance(ids, int) else list(sent.external_ids)) == ids


WENT_WELL = [case for case in all_cases("send") if not case.error]
went_well = pytest.mark.parametrize("case", WENT_WELL, ids=[case.id for case in WENT_WELL])


@went_well
async def test_a_dead_network_means_later_again(case: Case, unused_tcp_port_factory: Callable[[], int]) -> None:
    nowhere = {"smtp_host": "127.0.0.1", "smtp_port": str(unused_tcp_port_factory())}
    with pytest.raises(SendError) as failure:
        await sending(case, BrokenNetwork(Reason.RETRY), nowhere)
    assert failure.value.reason is Reason.RETRY
    runner.check_silent(runner.said_by(failure.value), unspeakable(case))


@went_well
async def test_an_answer_that_never_came_is_in_doubt_and_not_sent_again_by_itself(case: Case) -> None:
    if "smtp" in case.told:
        script = {"answers": {"END": "(cut)"}}
        with pytest.raises(SendError) as failure:
            await by_mail(case, script)
    else:
        with pytest.raises(SendError) as failure:
            await sending(case, BrokenNetwork(Reason.UNKNOWN))
    assert failure.value.reason is Reason.UNKNOWN


@cases("fetch")
async def test_a_file_is_fetched_as_promised(case: Case) -> None:
    channel, api = case.channel, ScriptedApi(case.told.get("responses", []))
    assert isinstance(channel, FetchesMedia)
    inbox = case.inbox(case.told["inbox"], {})
    if case.error:
        with pytest.raises(SendError) as failure:
            await channel.fetch(case.told["media_id"], inbox, api)
        runner.check_error(failure.value, case.error)
    else:
        content = await channel.fetch(case.told["media_id"], inbox, api)
        assert hashlib.sha256(content).hexdigest() == hashlib.sha256(case.expected["body"].encode()).hexdigest()
    api.check_all_asked()
