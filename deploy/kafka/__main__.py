"""Runs one broker in the foreground: `python -m deploy.kafka --help`."""

import argparse
import signal
import sys
from pathlib import Path

from deploy.kafka.broker import BrokerError
from deploy.kafka.ladder import own_broker, prepare, tell
from deploy.kafka.software import KafkaMissingError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.kafka",
        description="Run one real Kafka broker on this machine until Ctrl-C. "
        "The first run brings the jars by Maven and makes a start-up archive; KAFKA_CACHE names "
        "another place for them than .cache/kafka.",
    )
    parser.add_argument("--port", type=int, default=9092, help="port for clients (9092)")
    parser.add_argument("--data", type=Path, help="keep the data here")
    parser.add_argument("--prepare", action="store_true", help="make ready, start nothing")
    return parser.parse_args()


def _run(port: int, data: Path | None) -> None:
    with own_broker(data, port=port) as broker:
        broker.start()
        print(f"KAFKA_BOOTSTRAP={broker.bootstrap}", flush=True)
        signal.pause()


def _leave(number: int, _frame: object) -> None:
    """Unwind, so that the broker is stopped wherever we are."""
    tell("kafka: stopping")
    sys.exit(128 + number if number == signal.SIGTERM else 0)


def main() -> int:
    """Run, and return the exit code: 1 when Kafka cannot be had or does not start."""
    arguments = _arguments()
    signal.signal(signal.SIGINT, _leave)
    signal.signal(signal.SIGTERM, _leave)
    try:
        if arguments.prepare:
            prepare()
        else:
            _run(arguments.port, arguments.data)
    except (KafkaMissingError, BrokerError) as failure:
        tell(f"kafka: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
