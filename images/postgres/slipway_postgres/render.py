"""Patroni's configuration file, made from what is mounted into the pod."""

import hashlib
import os
from pathlib import Path
from typing import Any

import yaml

from .settings import POSTGRES_PORT, REST_PORT, BadSetting, Settings, password


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mounted file that must hold a mapping."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BadSetting(f"reading {path}: {error}") from error
    if not isinstance(content, dict):
        raise BadSetting(f"{path} holds no mapping")
    return content


def endpoint(address: str, port: int) -> str:
    """Join host and port; an IPv6 address needs brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def render(settings: Settings) -> dict[str, Any]:
    """Complete the declared configuration with what differs from pod to pod
    and with the passwords, which exist as files only."""
    config = read_yaml(settings.config / "patroni.yaml")
    config["name"] = settings.name
    config["kubernetes"]["namespace"] = settings.namespace
    config["kubernetes"]["pod_ip"] = settings.address
    config["restapi"]["connect_address"] = endpoint(settings.address, REST_PORT)
    config["restapi"]["authentication"]["password"] = password(settings.credentials, "restapi")
    config["postgresql"]["connect_address"] = endpoint(settings.address, POSTGRES_PORT)
    for role, login in config["postgresql"]["authentication"].items():
        # The superuser is known by its operating system user, on the socket
        # only: it has no password that could leak.
        if role != "superuser":
            login["password"] = password(settings.credentials, role)
    # Patroni looks at this once, when the cluster is born. Later changes reach
    # a live cluster through the reconcile command.
    config["bootstrap"]["dcs"] = read_yaml(settings.config / "dynamic.yaml")
    return config


def write(settings: Settings) -> None:
    """Replace the rendered file in one step, readable by this user only."""
    text = yaml.safe_dump(render(settings), sort_keys=True)
    target = settings.patroni_file
    draft = target.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(target)


def fingerprint(directories: tuple[Path, ...]) -> str:
    """Hash the files below directories. Kubelet replaces a whole directory
    through one symbolic link, so a reader sees either the old or the new."""
    digest = hashlib.sha256()
    for directory in directories:
        if not directory.is_dir():
            continue
        for path in sorted(directory.iterdir()):
            if path.name.startswith("..") or not path.is_file():
                continue
            content = path.read_bytes()
            digest.update(f"{path} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()
