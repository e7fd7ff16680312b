"""What the tests share: one PostgreSQL, one running service."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cluster import Server
from service import Service, migrate


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server with the schema of this version."""
    server = Server.create()
    try:
        done = migrate(server.port)
        assert done.returncode == 0, done.stdout + done.stderr
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def service(postgres: Server) -> Iterator[Service]:
    with Service(postgres.port, version="1.2.3") as running:
        running.wait_ready()
        yield running


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=20) as http:
        yield http


@pytest.fixture
def item(client: httpx.Client) -> dict[str, object]:
    """An item that exists."""
    answer = client.post("/v1/items", json={"name": "anchor chain", "quantity": 3})
    assert answer.status_code == 201, answer.text
    return answer.json()
