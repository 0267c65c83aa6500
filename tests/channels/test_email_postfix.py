"""A real Postfix hands mail to our listener, keeps it while we cannot, and takes our replies."""

from __future__ import annotations

import asyncio
import os
import shutil
import smtplib
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from schemas.events import DeliveryStatus, Reason
from schemas.parts import Address, AddressKind, Text
from services.channels.base import (
    Endpoint,
    Inbox,
    Message,
    Outbound,
    Receipt,
    Request,
    Verdict,
)
from services.channels.email.channel import Email
from services.channels.email.lmtp import LmtpListener
from tests.channels.peers import BrokenNetwork
from tests.needs import missing, need_program

pytestmark = [pytest.mark.postfix, pytest.mark.timeout(120)]

EMAIL, ENDPOINT = Email(), Endpoint("mail", "email", "own")
MAIL = (
    b"From: Sanne <sanne@burger.test>\r\nTo: meldingen@gemeente.test\r\nSubject: Lamp\r\n"
    b"Message-ID: <een@burger.test>\r\n\r\nDe lantaarnpaal is kapot.\r\n"
)

# One setting a line. No name service, no port of root: everything stays on this machine.
MAIN = """
compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/log/postfix.log
maillog_file_prefixes = {home}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.gemeente.test
mydestination =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = gemeente.test
virtual_mailbox_maps = inline:{{ meldingen@gemeente.test=x, dood@gemeente.test=x }}
recipient_delimiter = +
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
default_transport = smtp:[127.0.0.1]:{out}
disable_dns_lookups = yes
smtp_host_lookup = native
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
smtpd_recipient_restrictions = permit_mynetworks, reject
alias_maps =
alias_database =
"""
MASTER = """
127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass
class Hub:
    """What takes in: says what it is told to, and tells when something came."""

    verdicts: list[Verdict] = field(default_factory=list)
    asked: int = 0
    got: asyncio.Queue[Request] = field(default_factory=asyncio.Queue)

    async def receive(self, request: Request) -> Verdict:
        self.asked += 1
        verdict = self.verdicts.pop(0) if self.verdicts else Verdict.ACCEPTED
        if verdict is Verdict.ACCEPTED:
            self.got.put_nowait(request)
        return verdict

    async def next(self) -> Request:
        return await asyncio.wait_for(self.got.get(), 60)


@dataclass(frozen=True)
class Postfix:
    home: Path
    smtp: int
    lmtp: int
    out: int

    def hand_in(self, mail: bytes, *recipients: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=30) as client:
            client.sendmail("sanne@burger.test", recipients, mail)


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


@pytest.fixture(scope="module")
def postfix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    program = need_program("postfix", package="postfix")
    if os.geteuid() != 0:
        missing("no right to start Postfix", "run as root")
    smtp, lmtp, out = free_ports(3)
    home = _home(Path("/var/spool") / f"hub-test-{os.getpid()}", smtp, lmtp, out)
    try:
        _run(program, home, "start")
        yield Postfix(home, smtp, lmtp, out)
        _run(program, home, "stop")
    finally:
        shutil.rmtree(home)


def _home(home: Path, smtp: int, lmtp: int, out: int) -> Path:
    """Lay out a Postfix of our own, in a folder that its user may pass through."""
    for folder in ("conf", "queue", "data", "log"):
        (home / folder).mkdir(parents=True)
    shutil.chown(home / "data", "postfix")
    (home / "conf/main.cf").write_text(MAIN.format(home=home, lmtp=lmtp, out=out))
    (home / "conf/master.cf").write_text(MASTER.format(smtp=smtp))
    return home


def _run(program: str, home: Path, verb: str) -> None:
    done = subprocess.run([program, "-c", str(home / "conf"), verb], capture_output=True, text=True, check=False)
    log = home / "log/postfix.log"
    assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")


@asynccontextmanager
async def listening(hub: Hub, port: int) -> AsyncIterator[LmtpListener]:
    listener = await EMAIL.listen(ENDPOINT, {"port": str(port)}, hub.receive)
    assert isinstance(listener, LmtpListener)
    try:
        yield listener
    finally:
        await listener.close()


class Nobody:
    """The citizen's mail server: it knows nobody of that name."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        return "550 5.1.1 no such user"


@asynccontextmanager
async def nobody_there(port: int) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Nobody(), loop=loop), "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


def read(request: Request) -> Message | Receipt:
    EMAIL.verify(request, ENDPOINT)
    (item,) = EMAIL.parse(request, ENDPOINT)
    assert isinstance(item, Message | Receipt)
    return item


async def test_a_mail_to_postfix_becomes_a_message(postfix: Postfix) -> None:
    hub = Hub()
    async with listening(hub, postfix.lmtp):
        await asyncio.to_thread(postfix.hand_in, MAIL, "Meldingen+k7Q2@gemeente.test")
        item = read(await hub.next())
    assert isinstance(item, Message)
    assert (item.account, item.external_id) == ("meldingen@gemeente.test", "<een@burger.test>")
    assert item.thread == ("token:k7Q2",)
    assert item.addresses == (Address(kind=AddressKind.MAILTO, value="sanne@burger.test"),)
    assert item.parts == (Text(text="De lantaarnpaal is kapot."),)


async def test_what_we_cannot_keep_now_postfix_keeps_and_brings_again(postfix: Postfix) -> None:
    hub = Hub(verdicts=[Verdict.NOT_NOW, Verdict.NOT_NOW])
    async with listening(hub, postfix.lmtp):
        await asyncio.to_thread(postfix.hand_in, MAIL, "meldingen@gemeente.test")
        request = await hub.next()
    assert hub.asked == 3
    assert read(request).external_id == "<een@burger.test>"
    assert hub.got.empty()


async def test_while_nobody_listens_postfix_is_the_queue(postfix: Postfix) -> None:
    hub = Hub()
    await asyncio.to_thread(postfix.hand_in, MAIL, "meldingen@gemeente.test")
    async with listening(hub, postfix.lmtp):
        item = read(await hub.next())
    assert item.external_id == "<een@burger.test>"


async def test_a_reply_that_postfix_cannot_deliver_comes_back_as_a_receipt_of_that_reply(postfix: Postfix) -> None:
    hub = Hub()
    place = {"smtp_host": "127.0.0.1", "smtp_port": str(postfix.smtp), "verp": "yes"}
    inbox = Inbox("meldingen", "email", "own", "meldingen@gemeente.test", place)
    nobody = Address(kind=AddressKind.MAILTO, value="niemand@elders.test")
    outbound = Outbound(inbox, nobody, Text(text="We komen dinsdag."), "t1/r1/0/1", subject="Lamp")
    async with listening(hub, postfix.lmtp), nobody_there(postfix.out):
        sent = await EMAIL.send(outbound, BrokenNetwork(Reason.ACCOUNT))
        receipt = read(await hub.next())
    assert isinstance(receipt, Receipt)
    assert (receipt.external_id, receipt.our_id) == (sent.external_ids[0], "t1/r1/0/1")
    assert (receipt.status, receipt.reason) == (DeliveryStatus.FAILED, Reason.RECIPIENT)
    assert (receipt.code, receipt.permanent, receipt.recipient) == ("5.1.1", True, nobody)
    assert receipt.account == "meldingen@gemeente.test"


async def test_a_mailbox_that_we_do_not_know_bounces_to_its_sender(postfix: Postfix) -> None:
    hub = Hub(verdicts=[Verdict.REFUSED])
    mail = MAIL.replace(b"een@", b"twee@")
    async with listening(hub, postfix.lmtp):
        await asyncio.to_thread(_from_one_of_ours, postfix, mail, "dood@gemeente.test")
        bounce = read(await hub.next())
    assert isinstance(bounce, Receipt)
    assert (bounce.external_id, bounce.code) == ("<twee@burger.test>", "5.1.1")


def _from_one_of_ours(postfix: Postfix, mail: bytes, recipient: str) -> None:
    with smtplib.SMTP("127.0.0.1", postfix.smtp, timeout=30) as client:
        client.sendmail("meldingen@gemeente.test", [recipient], mail)
