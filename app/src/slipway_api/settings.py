"""Settings of the process, read once from the environment.

Every variable starts with ``SLIPWAY_``. All faults are reported together, each with the name of
its variable, and nothing starts while one remains.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

PREFIX = "SLIPWAY_"
DEFAULT_PASSWORD_FILE = Path("/etc/slipway/database/password")
LOG_LEVELS = ("debug", "info", "warning", "error")
SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
SSL_MODES: tuple[SslMode, ...] = get_args(SslMode)


class SettingsError(Exception):
    """The environment does not describe a working service; ``faults`` has one line per fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"must be a whole number, not {value!r}") from None
        if not minimum <= number <= maximum:
            raise ValueError(f"must be from {minimum} to {maximum}, not {number}")
        return number

    return parse


def _seconds(minimum: float, maximum: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"must be a number of seconds, not {value!r}") from None
        # Written so that NaN fails too.
        if not (minimum <= number <= maximum):
            raise ValueError(f"must be from {minimum:g} to {maximum:g} seconds, not {value}")
        return number

    return parse


def _share(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"must be a number from 0 to 1, not {value!r}") from None
    # Written so that NaN fails too.
    if not (0 <= number <= 1):
        raise ValueError(f"must be from 0 to 1, not {value}")
    return number


def _url(value: str) -> str:
    value = value.strip()
    # urlsplit itself raises ValueError for some.
    whole = value.split() == [value] and urlsplit(value).hostname
    if not whole or not value.startswith(("http://", "https://")):
        raise ValueError("must be a URL that starts with http:// or https://")
    return value


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")
        return value.lower()

    return parse


_PORT = _whole(1, 65535)


def _setting(parse: Callable[[str], Any], default: Any) -> Any:
    return field(default=default, metadata={"parse": parse})


@dataclass(frozen=True, slots=True)
class Settings:
    """What the process was told. Field ``x_y`` is the variable ``SLIPWAY_X_Y``."""

    database_host: str = field(metadata={"parse": _text})
    """Where writes and strongly consistent reads go: the primary, or a pooler in front of it."""
    database_port: int = _setting(_PORT, 5432)
    database_name: str = _setting(_text, "api")
    database_user: str = _setting(_text, "api")
    database_password: str = field(default="", metadata={"parse": str}, repr=False)
    """The password itself. Prefer ``database_password_file``."""
    database_password_file: str = _setting(_text, "")
    """A file with the password, read anew for each connection, so that rotating it needs no
    restart. Default: /etc/slipway/database/password when it exists."""
    database_sslmode: SslMode = _setting(_one_of(SSL_MODES), "prefer")
    database_replica_host: str = _setting(_text, "")
    """Where reads go whose client allows them to be slightly old. Default: the primary."""
    database_replica_port: int = _setting(_PORT, 0)
    """Default: ``database_port``."""

    pool_min: int = _setting(_whole(0, 1000), 2)
    """Connections kept open to each endpoint even when idle."""
    pool_max: int = _setting(_whole(1, 1000), 10)
    pool_queue: int = _setting(_whole(0, 100_000), 512)
    """Requests that may wait for a connection; further ones are refused at once with a 503."""
    statement_cache: int = _setting(_whole(0, 10_000), 0)
    """Prepared statements kept per connection. 0 is right behind a pooler in transaction mode,
    which may give each statement another server connection. On a direct connection 100 halves
    the processor time of a read (bench/compare.py measures it)."""
    connect_seconds: float = _setting(_seconds(0.1, 60), 3.0)
    query_seconds: float = _setting(_seconds(0.1, 300), 10.0)
    """How long one attempt of a statement may take before its connection is given up."""
    retry_seconds: float = _setting(_seconds(0, 300), 5.0)
    """How long a request outlives a database that is failing over before it gets a 503."""
    connection_seconds: float = _setting(_seconds(1, 86_400), 600.0)
    """Age at which a connection is replaced, so that connections spread again after a failover
    or after a replica was added."""

    ready_grace_seconds: float = _setting(_seconds(0, 3600), 15.0)
    """How long the database may be away before readiness says so. Shorter than that, a failover
    would take every instance out of the load balancer at once and add its own delay to the
    outage."""
    drain_seconds: float = _setting(_seconds(0, 600), 10.0)
    """After SIGTERM: readiness is 503 and requests are still served for this long, so that the
    load balancer has stopped sending before the listening socket closes."""
    shutdown_seconds: int = _setting(_whole(1, 600), 20)
    """After the drain: how long running requests may take before they are cancelled."""
    keepalive_seconds: int = _setting(_whole(1, 3600), 120)
    """How long an idle connection stays open. Must exceed the proxy's own limit (Traefik: 90 s),
    or the proxy sends a request into a connection that is just being closed."""

    listen_host: str = _setting(_text, "0.0.0.0")  # noqa: S104 - a pod serves its pod address
    listen_port: int = _setting(_PORT, 8000)
    body_limit_bytes: int = _setting(_whole(256, 64 * 1024 * 1024), 65_536)
    idempotency_hours: int = _setting(_whole(1, 24 * 365), 24)
    """How long at least an Idempotency-Key is remembered."""
    migrate_wait_seconds: float = _setting(_seconds(0, 3600), 120.0)
    """How long ``migrate`` waits for a database that does not answer yet."""
    traces_endpoint: str = _setting(_url, "")
    """Where traces go, by OTLP over HTTP: http://collector:4318/v1/traces. Default: nowhere, and
    nothing is traced."""
    traces_ratio: float = _setting(_share, 0.01)
    """The share of requests that are traced among those whose caller has not decided it."""
    log_level: str = _setting(_one_of(LOG_LEVELS), "info")
    version: str = _setting(_text, "dev")

    async def password(self) -> str | None:
        """The password for the next connection; None when none is configured."""
        if self.database_password_file:
            import asyncio

            text = await asyncio.to_thread(Path(self.database_password_file).read_text, "utf-8")
            # Secrets written by hand often end with a line break that is not part of them.
            return text.rstrip("\r\n")
        return self.database_password or None


def load(environ: Mapping[str, str] | None = None) -> tuple[Settings, list[str]]:
    """Read the settings.

    Returns them with the names of variables that look like ours but are not known. Those are not
    a fault: Kubernetes adds variables for every Service of a namespace, and a Service named
    ``slipway-...`` yields ``SLIPWAY_..._SERVICE_HOST``.

    Raises SettingsError with every fault found.
    """
    environ = os.environ if environ is None else environ
    known = {PREFIX + f.name.upper(): f for f in fields(Settings)}
    values: dict[str, Any] = {}
    faults: list[str] = []
    for name, spec in known.items():
        raw = environ.get(name)
        if raw is None:
            if name == PREFIX + "DATABASE_HOST":
                faults.append(f"{name}: is required; set it to the host of the primary database")
            continue
        try:
            values[spec.name] = spec.metadata["parse"](raw)
        except ValueError as error:
            faults.append(f"{name}: {error}")

    faults += _password_faults(values)
    if values.get("pool_min", 2) > values.get("pool_max", 10):
        faults.append(f"{PREFIX}POOL_MIN: must not exceed {PREFIX}POOL_MAX")
    if faults:
        raise SettingsError(faults)

    values.setdefault("database_replica_port", values.get("database_port", 5432))
    unknown = sorted(n for n in environ if n.startswith(PREFIX) and n not in known)
    return Settings(**values), unknown


def _password_faults(values: dict[str, Any]) -> list[str]:
    file = values.get("database_password_file")
    if file is None:
        if "database_password" not in values and DEFAULT_PASSWORD_FILE.is_file():
            values["database_password_file"] = str(DEFAULT_PASSWORD_FILE)
        return []
    if "database_password" in values:
        return [f"{PREFIX}DATABASE_PASSWORD: is set, and so is ..._FILE; set one of them"]
    if not os.access(file, os.R_OK):
        return [f"{PREFIX}DATABASE_PASSWORD_FILE: {file} cannot be read"]
    return []
