"""The plan of a local cluster: which broker has which ports, folder and settings."""

import base64
import random
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

TEMPLATE = Path(__file__).with_name("server.properties")
# Below the range from which the kernel gives ports to clients: a client that dials a dead broker's
# port would else be given that very port now and then, connect to itself and keep the broker out.
PORTS = range(20_000, 32_000)
_CHANCE = random.SystemRandom()


@dataclass(frozen=True)
class Node:
    """One broker of a plan; `voters` maps each node id of the cluster to its controller's port."""

    id: int
    port: int
    folder: Path
    cluster: str
    voters: dict[int, int]
    extra: Mapping[str, str] = field(default_factory=dict)
    """Settings of the broker that are to be other than the template's; they may have its holes."""

    @property
    def address(self) -> str:
        """Where clients reach this broker."""
        return f"127.0.0.1:{self.port}"

    @property
    def settings(self) -> Path:
        """The settings file of this broker."""
        return self.folder / "server.properties"

    @property
    def log(self) -> Path:
        """What the broker itself says, errors only."""
        return self.folder / "broker.log"

    @property
    def formatted(self) -> bool:
        """Whether the folder already holds a broker's data."""
        return _name_kept_in(self.folder) is not None

    def write_settings(self) -> None:
        """Fill in the template; the folder is made when it is not there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        values = self._values()
        text = TEMPLATE.read_text() + "".join(f"{name}={value}\n" for name, value in self.extra.items())
        self.settings.write_text(re.sub(r"@(\w+)@", lambda hole: values[hole[1]], text))

    def _values(self) -> dict[str, str]:
        replicas = min(3, len(self.voters))
        return {
            "NODE": str(self.id),
            "VOTERS": ",".join(f"{node}@127.0.0.1:{port}" for node, port in self.voters.items()),
            "PORT": str(self.port),
            "CONTROLLER_PORT": str(self.voters[self.id]),
            "LOGS": str(self.folder / "logs"),
            "REPLICAS": str(replicas),
            "IN_SYNC": str(max(1, replicas - 1)),
        }


NOTHING: Mapping[str, str] = {}


def plan(
    folder: Path, *, brokers: int = 1, port: int | None = None, extra: Mapping[str, str] = NOTHING
) -> tuple[Node, ...]:
    """Plan a cluster of `brokers` in `folder`, on free ports; `port` fixes the first broker's.

    `extra` are settings of every broker that are to be other than the template's: in a file of properties the last
    line wins.
    """
    controllers = free_ports(brokers)
    ports = [port or free_ports(1)[0], *free_ports(brokers - 1)]
    voters = dict(enumerate(controllers, start=1))
    cluster = _name_kept_in(folder / "1") or _new_name()
    return tuple(Node(node, ports[node - 1], folder / str(node), cluster, voters, extra) for node in voters)


def _name_kept_in(folder: Path) -> str | None:
    """Read the cluster's name where a broker was formatted."""
    kept = folder / "logs" / "meta.properties"
    found = re.search(r"^cluster\.id=(.+)$", kept.read_text(), re.MULTILINE) if kept.exists() else None
    return found[1] if found else None


def _new_name() -> str:
    return base64.urlsafe_b64encode(_CHANCE.randbytes(16)).decode().rstrip("=")


def free_ports(count: int) -> list[int]:
    """Find ports on which nothing listens now."""
    found: list[int] = []
    while len(found) < count:
        port = _CHANCE.choice(PORTS)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
