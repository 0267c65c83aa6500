"""Asks a broker of which cluster it is and which brokers it knows to be alive, in the fewest bytes.

An open port does not say that a broker is ready; being listed among the living does. The request is
Metadata, version 2, for no topics (https://kafka.apache.org/protocol#The_Messages_Metadata).
"""

import socket
import struct
from typing import NamedTuple

METADATA = 3
_CLIENT = b"probe"
REQUEST = struct.pack(f">hhih{len(_CLIENT)}si", METADATA, 2, 1, len(_CLIENT), _CLIENT, 0)


class Living(NamedTuple):
    """The name of a cluster, and the node ids of its brokers that are alive."""

    cluster: str
    nodes: frozenset[int]


def living_brokers(host: str, port: int, *, seconds: float = 1.0) -> Living | None:
    """Return what a broker says of its cluster, or None when it is silent."""
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            connection.settimeout(seconds)
            connection.sendall(struct.pack(">i", len(REQUEST)) + REQUEST)
            return _living(_answer(connection))
    except OSError:
        return None


def _answer(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _exactly(connection, 4))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        more = connection.recv(length - len(received))
        if not more:
            raise ConnectionResetError
        received += more
    return received


def _living(answer: bytes) -> Living:
    """Read a response: of each broker id, host, port and rack; then the cluster's name."""
    _correlation, count = struct.unpack_from(">ii", answer)
    ids, at = set(), 8
    for _ in range(count):
        ids.add(struct.unpack_from(">i", answer, at)[0])
        at = _after_string(answer, _after_string(answer, at + 4) + 4)
    cluster = answer[at + 2 : _after_string(answer, at)].decode()
    return Living(cluster, frozenset(ids))


def _after_string(answer: bytes, at: int) -> int:
    length: int = struct.unpack_from(">h", answer, at)[0]
    return at + 2 + max(length, 0)  # -1 stands for no string at all
