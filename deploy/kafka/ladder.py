"""How to come by a Kafka: an address that is given, else a broker of our own on this machine."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.kafka.broker import Broker
from deploy.kafka.node import NOTHING, plan
from deploy.kafka.software import Say, Software, alone, cache_folder, find


def tell(line: str) -> None:
    """Say what takes long, on standard error."""
    print(line, file=sys.stderr, flush=True)


def given_address() -> str | None:
    """Return the address of a Kafka that is there already: `KAFKA_BOOTSTRAP`, when set."""
    return os.environ.get("KAFKA_BOOTSTRAP") or None


def own_broker(
    data: Path | None = None, *, port: int | None = None, extra: Mapping[str, str] = NOTHING, say: Say = tell
) -> Broker:
    """Return a broker of our own, not yet started; leaving its `with` block stops it.

    Without `data` it works in a folder that goes when it goes; without `port` on a free one; `extra`
    are settings other than the template's.

    Raises:
        KafkaMissingError: something has to be installed first.
    """
    software = prepare(say)
    folder = data or _passing_folder()
    (node,) = plan(folder, port=port, extra=extra)
    return Broker(software, node, discard=None if data else folder)


def prepare(say: Say = tell) -> Software:
    """Do once what every later start profits from: bring the jars, make the start-up archive.

    Raises:
        KafkaMissingError: something has to be installed first.
    """
    cache = cache_folder()
    software = find(cache, say)
    archive = software.archive_in(cache)
    with alone(cache):
        if not archive.exists():
            say("kafka: making the start-up archive (some 10 s, once)")
            _make_archive(software, archive)
    return software.with_archive(archive)


def _make_archive(software: Software, archive: Path) -> None:
    """Run a broker once and have the JVM write down, at its end, the classes it came to load."""
    folder = _passing_folder()
    (node,) = plan(folder)
    incoming = archive.with_suffix(".incoming")
    with Broker(software, node, discard=folder) as broker:
        broker.launch(f"-XX:ArchiveClassesAtExit={incoming}")
        broker.wait_ready()
        broker.stop()
    incoming.rename(archive)


def _passing_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="hub-kafka-"))
