"""A channel that listens by itself meets the same door, and tells its peer in its own words."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.channels.base import Request, Verdict
from services.ingest.listeners import Listeners
from tests.ingest.town import TENANTS, Hub, message
from tests.ingest.toy import ToyListener, sign

SETTINGS = {f"{one.channel}/{one.name}": one.settings for one in TENANTS.endpoints}


def request(*items: dict[str, Any], signature: str | None = None) -> Request:
    body = json.dumps(items).encode()
    return Request("LMTP", "", [("x-signature", signature or sign(body))], body, {"recipient": "balie@zonnedael.test"})


async def started(hub: Hub) -> tuple[Listeners, ToyListener]:
    listeners = Listeners()
    await listeners.start(hub.ingest.receptions, SETTINGS, hub.ingest.ear)
    ((_origin, found),) = listeners._open
    assert isinstance(found, ToyListener)
    return listeners, found


async def test_only_channels_that_listen_are_started_where_their_settings_say(hub: Hub) -> None:
    listeners, listener = await started(hub)
    assert listeners.addresses == {"toy/main": ("127.0.0.1", 2424)}
    await listeners.close()
    assert listener.closed
    assert listeners.addresses == {}


@pytest.mark.parametrize(
    ("asked", "away", "verdict", "written"),
    [
        pytest.param(request(message()), False, Verdict.ACCEPTED, 1, id="a message for us is kept"),
        pytest.param(request(message()), True, Verdict.NOT_NOW, 0, id="with the broker away it has to come again"),
        pytest.param(request(message(account="x")), False, Verdict.REFUSED, 0, id="nobody's inbox: its sender hears"),
        pytest.param(
            request(message(account="x"), message()), False, Verdict.ACCEPTED, 2, id="partly ours: all of it is kept"
        ),
        pytest.param(request(message(), signature="x"), False, Verdict.REFUSED, 0, id="a forgery is refused"),
        pytest.param(request({"is": "rejected"}), False, Verdict.ACCEPTED, 1, id="genuine but unreadable is kept"),
    ],
)
async def test_the_peer_hears(hub: Hub, asked: Request, away: bool, verdict: Verdict, written: int) -> None:  # noqa: FBT001
    listeners, listener = await started(hub)
    hub.bus.away = away
    assert await listener.receive(asked) is verdict
    assert len(hub.bus.outgoing) == written
    await listeners.close()


async def test_a_fault_of_our_own_never_loses_a_mail(hub: Hub) -> None:
    listeners, listener = await started(hub)
    hub.bus.fault = RuntimeError("a bug")
    assert await listener.receive(request(message())) is Verdict.NOT_NOW
    assert hub.count("hub_requests_total", channel="toy", outcome="failed") == 1
    await listeners.close()


async def test_a_dead_letter_of_a_mail_says_for_whom_it_was(hub: Hub, tmp_path: Path) -> None:
    listeners, listener = await started(hub)
    await listener.receive(request({"is": "rejected"}))
    (letter,) = hub.bus.set_aside
    assert letter.raw_headers == {"method": "LMTP", "recipient": "balie@zonnedael.test"}
    await listeners.close()
