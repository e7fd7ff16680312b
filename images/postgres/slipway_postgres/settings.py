"""Where a member finds its files and what it is called."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REST_PORT = 8008
POSTGRES_PORT = 5432


class BadSetting(Exception):
    """A mounted file or variable is missing or wrong; the text says which."""


@dataclass(frozen=True)
class Settings:
    """The surroundings of one member, all from its environment."""

    name: str
    """Pod name; also the member's name in Patroni."""
    address: str
    """Pod IP, by which the other members reach this one."""
    namespace: str
    config: Path
    """patroni.yaml, dynamic.yaml and roles.yaml: how the cluster should be."""
    credentials: Path
    """One file for each password."""
    tls: Path
    """tls.crt, tls.key and ca.crt; the directory is absent without TLS."""
    run: Path
    """Writable, private to the pod: rendered configuration and the socket."""
    data: Path
    """Mount point of the volume."""

    @property
    def patroni_file(self) -> Path:
        return self.run / "patroni.yaml"

    @property
    def watched(self) -> tuple[Path, ...]:
        return (self.config, self.credentials, self.tls)


def mounted(env: Mapping[str, str]) -> Path:
    """Where a pod's files are mounted."""
    return Path(env.get("SLIPWAY_POSTGRES_ETC", "/etc/slipway/postgres"))


def run_directory(env: Mapping[str, str]) -> Path:
    """Where PostgreSQL's socket is."""
    return Path(env.get("SLIPWAY_POSTGRES_RUN", "/run/postgresql"))


def load(env: dict[str, str] | None = None) -> Settings:
    """Read the settings, naming every missing variable at once."""
    env = dict(os.environ) if env is None else env
    missing = [key for key in ("POD_NAME", "POD_IP", "POD_NAMESPACE") if not env.get(key)]
    if missing:
        raise BadSetting(
            f"{', '.join(missing)} not set; the pod template must pass them with fieldRef"
        )
    root = mounted(env)
    return Settings(
        name=env["POD_NAME"],
        address=env["POD_IP"],
        namespace=env["POD_NAMESPACE"],
        config=root / "config",
        credentials=root / "credentials",
        tls=root / "tls",
        run=run_directory(env),
        data=Path(env.get("SLIPWAY_POSTGRES_DATA", "/var/lib/postgresql/data")),
    )


def password(directory: Path, name: str) -> str:
    """Read one mounted password."""
    path = directory / name
    try:
        value = path.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise BadSetting(f"reading the password of {name}: {error}") from error
    if not value:
        raise BadSetting(f"{path} is empty")
    return value
