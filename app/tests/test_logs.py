"""Logs are JSON and hold no personal data."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time

import httpx
import pytest

from cluster import Server, free_port
from service import SOURCE, Service, environment, migrate
from slipway_api import logs

# One mark per place in which a client can put data, so that a leak names its source.
MARKS = {
    "name": "canary-name-7f3a",
    "bad_name": "canary-bad-name-7f3a",
    "header": "canary-header-7f3a",
    "agent": "canary-agent-7f3a",
    "token": "canary-token-7f3a",
    "forwarded": "203.0.113.77",
    "cookie": "canary-cookie-7f3a",
    "query": "canary-query-7f3a",
    "path": "canary-path-7f3a",
    "key": "canary-key-7f3a",
    "request_id": "canary-request-id-7f3a",
    "method": "CANARYMETHOD",
    "baggage": "canary-baggage-7f3a",
    "tracestate": "canary-tracestate-7f3a",
    "mail": "jane.doe@example.org",
}
CLIENT = "127.0.0.9"


def talk(url: str, database: Server | None = None) -> None:
    """Send marked data through every door, with every kind of answer."""
    transport = httpx.HTTPTransport(local_address=CLIENT)
    headers = {
        "User-Agent": MARKS["agent"],
        "Authorization": f"Bearer {MARKS['token']}",
        "X-Forwarded-For": MARKS["forwarded"],
        "Forwarded": f"for={MARKS['forwarded']}",
        "Cookie": f"session={MARKS['cookie']}",
        "X-Request-Id": MARKS["request_id"],
        "X-Custom": MARKS["header"],
        "Baggage": f"user={MARKS['baggage']}",
        "Tracestate": f"vendor={MARKS['tracestate']}",
        "Referer": f"https://example.org/{MARKS['query']}",
    }
    body = {"name": f"{MARKS['name']} {MARKS['mail']}", "quantity": 1}
    with httpx.Client(base_url=url, transport=transport, headers=headers, timeout=30) as client:
        key = {"Idempotency-Key": MARKS["key"]}
        made = client.post("/v1/items", json=body, headers=key)
        client.post("/v1/items", json=body, headers=key)
        client.post("/v1/items", json={**body, "quantity": 2}, headers=key)
        client.post("/v1/items", json=body, headers={"Idempotency-Key": f"{MARKS['key']} x"})
        client.get(f"/v1/items?limit=1&cursor={MARKS['query']}")
        client.get(f"/v1/items?{MARKS['query']}={MARKS['mail']}")
        client.get(f"/v1/items/{MARKS['path']}")
        client.get(f"/{MARKS['path']}/{MARKS['mail']}")
        client.post("/v1/items", json={"name": {"x": MARKS["bad_name"]}, "quantity": 1})
        client.post("/v1/items", json={**body, MARKS["bad_name"]: 1})
        client.post("/v1/items", content=f'{{"name": "{MARKS["bad_name"]}"')
        client.put("/v1/items/x", content=MARKS["bad_name"] * 10_000)
        client.request(MARKS["method"], "/v1/items")
        client.request("PROPFIND", f"/v1/items/{MARKS['path']}")
        if made.status_code == 201:
            client.get(made.headers["location"])
        if database is not None:
            # Answers 500, out of a database error whose text quotes the row.
            asyncio_execute(database, "ALTER TABLE items ADD CHECK (quantity <> 77)")
            answer = client.post("/v1/items", json={**body, "quantity": 77})
            assert answer.status_code == 500
            asyncio_execute(database, "ALTER TABLE idempotency_keys ADD CHECK (key = '') NOT VALID")
            answer = client.post("/v1/items", json=body, headers={"Idempotency-Key": "other"})
            assert answer.status_code == 500


def asyncio_execute(server: Server, statement: str) -> None:
    import asyncio

    async def run() -> None:
        connection = await server.connect()
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def leaked(output: bytes) -> set[str]:
    found = {name for name, mark in MARKS.items() if mark.encode() in output}
    return found | ({"client"} if CLIENT.encode() in output else set())


@pytest.fixture(scope="module")
def spare() -> object:
    server = Server.create()
    assert migrate(server.port).returncode == 0
    yield server
    server.remove()


@pytest.mark.parametrize("level", ["info", "debug"])
def test_nothing_a_client_sends_is_logged(spare: Server, level: str) -> None:
    settings = {"drain_seconds": 0, "retry_seconds": 0.2, "ready_grace_seconds": 0.5}
    with Service(spare.port, log_level=level, **settings) as service:
        service.wait_ready()
        talk(service.url, spare if level == "debug" else None)
        spare.stop("immediate")
        talk(service.url)
        spare.start()
        service.terminate()
        assert service.process.wait(30) == 0
    assert leaked(service.output()) == set()
    lines = service.log()
    assert len([line for line in lines if line["logger"] == "access"]) > 20
    for line in lines:
        assert {"time", "level", "logger", "message"} <= set(line)


def test_the_usual_access_log_would_leak(spare: Server) -> None:
    """The control: the same application and traffic under uvicorn's own logging."""
    program = """
import asyncio, os, uvicorn
from slipway_api import app, logs, middleware, settings
configured, _ = settings.load()
application = app.create(configured, logs.LineWriter(2), middleware.Lifecycle())
uvicorn.run(application, port=configured.listen_port, ws="none")
"""
    with Service(spare.port, [sys.executable, "-c", program], retry_seconds=0) as service:
        talk(service.url)
        service.process.terminate()
        service.process.wait(30)
    assert {"client", "query", "path"} <= leaked(service.output())


def test_an_access_line_says_what_operations_need(spare: Server) -> None:
    with Service(spare.port, drain_seconds=0) as service:
        service.wait_ready()
        answer = httpx.get(f"{service.url}/v1/items?limit=1")
        httpx.get(f"{service.url}/healthz/live")
        service.terminate()
        service.process.wait(30)
    access = [line for line in service.log() if line["logger"] == "access"]
    lines = [line for line in access if line["route"] == "/v1/items"]
    assert len(lines) == 1
    line = lines[0]
    assert (line["method"], line["status"]) == ("GET", 200)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["bytes"] == len(answer.content)
    assert 0 < line["duration_ms"] < 10_000
    assert not [entry for entry in access if entry["route"] == "/healthz/live"]


def test_an_exception_is_described_without_its_text() -> None:
    try:
        try:
            raise ValueError("jane.doe@example.org")
        except ValueError as error:
            raise RuntimeError("jane.doe@example.org") from error
    except RuntimeError as error:
        described = logs.describe_error(error)
    text = json.dumps(described)
    assert "jane" not in text
    assert described["type"] == "builtins.RuntimeError"
    assert described["cause"] == "builtins.ValueError"
    assert "test_logs.py" in described["stack"][0]


def test_other_libraries_are_quoted_by_their_format_only() -> None:
    record = logging.LogRecord("other", logging.INFO, "f", 1, "user %s", ("jane",), None)
    assert logs.describe(record)["message"] == "user %s"
    record = logging.LogRecord("slipway_api.x", logging.INFO, "f", 1, "step %d", (3,), None)
    assert logs.describe(record)["message"] == "step 3"


def test_a_reader_that_stops_reading_does_not_stop_the_writer() -> None:
    reading, writing = os.pipe()
    writer = logs.LineWriter(writing)
    line = b"x" * 999
    begun = time.monotonic()
    for _ in range(logs.MAX_PENDING + 5000):
        writer.write(line)
    assert time.monotonic() - begun < 5
    assert writer.dropped > 0
    received = 0

    def drain() -> None:
        nonlocal received
        while data := os.read(reading, 1 << 20):
            received += data.count(b"\n")

    thread = threading.Thread(target=drain)
    thread.start()
    writer.close(30)
    os.close(writing)
    thread.join(30)
    os.close(reading)
    assert received + writer.dropped == logs.MAX_PENDING + 5000


def test_lines_keep_their_order_and_arrive_at_the_end() -> None:
    reading, writing = os.pipe()
    writer = logs.LineWriter(writing)
    for number in range(1000):
        writer.write(str(number).encode())
    writer.close()
    os.close(writing)
    with os.fdopen(reading) as text:
        assert [int(line) for line in text] == list(range(1000))


def test_a_wrong_setting_is_told_before_anything_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "slipway_api", "serve"],
        env={
            **environment(free_port(), pool_max="many", drain_seconds="-1"),
            "PYTHONPATH": str(SOURCE),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "SLIPWAY_POOL_MAX: must be a whole number" in done.stderr
    assert "SLIPWAY_DRAIN_SECONDS: must be from 0" in done.stderr
