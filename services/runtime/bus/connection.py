"""How every client of ours reaches the broker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka.helpers import create_ssl_context

from services.runtime.process.settings import KafkaSettings

Connection = Mapping[str, Any]
"""Arguments that every client of aiokafka takes."""


def plain(bootstrap: str) -> Connection:
    """Return the connection to a broker that asks nothing: tests, `make run`."""
    return {"bootstrap_servers": bootstrap}


def connection(settings: KafkaSettings) -> Connection:
    """Return the connection that the settings describe. Certificates are read now: a new one needs a restart."""
    return {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security,
        **(_tls(settings) if settings.security in {"SSL", "SASL_SSL"} else {}),
        **(_sasl(settings) if settings.security.startswith("SASL") else {}),
    }


def _tls(settings: KafkaSettings) -> dict[str, Any]:
    files = {"cafile": settings.ca_file, "certfile": settings.cert_file, "keyfile": settings.key_file}
    return {"ssl_context": create_ssl_context(**{name: str(path) for name, path in files.items() if path})}


def _sasl(settings: KafkaSettings) -> dict[str, Any]:
    return {
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.username,
        "sasl_plain_password": settings.password.get_secret_value() if settings.password else None,
    }
