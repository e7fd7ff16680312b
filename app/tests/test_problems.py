"""Every error is a problem document, also those that no route has raised."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import httpx
import pytest

from cluster import Server
from service import Service, migrate

LIMIT = 65_536


def check(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["type"] == "about:blank" or body["type"].startswith("tag:slipway.dev,2026:problem/")
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    return body


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/items/", "/v2/items", "/docs/x", "/docs/..%2fx", "/healthz", "/%ff"]
)
def test_unknown_paths(client: httpx.Client, path: str) -> None:
    check(client.get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/v1/items", "GET, POST"),
        ("DELETE", "/v1/items", "GET, POST"),
        ("POST", "/v1/items/0193c8a4-0000-7000-8000-000000000000", "DELETE, GET, PUT"),
        ("POST", "/healthz/live", "GET"),
        ("POST", "/metrics", "GET"),
        ("PROPFIND", "/v1/items", "GET, POST"),
    ],
)
def test_unsupported_methods_are_told_the_supported_ones(
    client: httpx.Client, method: str, path: str, allow: str
) -> None:
    answer = client.request(method, path)
    check(answer, 405)
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    "content", [b"{", b"", b"\xff", b'{"name": "x" "quantity": 1}', b"[" * 60_000, b'{"a": NaN}']
)
def test_bodies_that_are_not_json(client: httpx.Client, content: bytes) -> None:
    answer = client.post("/v1/items", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    check(answer, answer.status_code)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
def test_bodies_of_another_type(client: httpx.Client, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    content = json.dumps({"name": "x", "quantity": 1}).encode()
    answer = client.post("/v1/items", content=content, headers=headers)
    check(answer, 415)
    assert answer.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/merge-patch+json"]
)
def test_json_by_any_name(client: httpx.Client, kind: str) -> None:
    content = json.dumps({"name": "x", "quantity": 1}).encode()
    answer = client.post("/v1/items", content=content, headers={"content-type": kind})
    assert answer.status_code == 201


def padded(size: int) -> bytes:
    """A valid body of exactly this size."""
    body = b'{"name": "x", "quantity": 1}'
    return body + b" " * (size - len(body))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_be_as_large_as_the_limit_and_no_larger(
    client: httpx.Client, chunked: bool
) -> None:
    def send(size: int) -> httpx.Response:
        content = padded(size)
        pieces = (content[i : i + 4096] for i in range(0, size, 4096))
        headers = {"content-type": "application/json"}
        return client.post("/v1/items", content=pieces if chunked else content, headers=headers)

    assert send(LIMIT).status_code == 201
    body = check(send(LIMIT + 1), 413)
    assert str(LIMIT) in str(body["detail"])


def head(length: int | None) -> bytes:
    text = b"POST /v1/items HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    if length is None:
        return text + b"transfer-encoding: chunked\r\n\r\n"
    return text + b"content-length: %d\r\n\r\n" % length


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_is_answered_and_not_kept(service: Service, chunked: bool) -> None:
    """1 GiB is announced. The connection ends long before it is sent, and memory stays flat."""
    before = memory(service.process.pid)
    piece = b" " * 65536
    sent = 0
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        peer.sendall(head(None if chunked else 1 << 30))
        try:
            while sent < 64 << 20:
                peer.sendall(b"10000\r\n" + piece + b"\r\n" if chunked else piece)
                sent += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 32 << 20
    assert memory(service.process.pid) - before < 8 * 1024


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_sends_first_and_reads_later_gets_its_answer(
    service: Service, chunked: bool
) -> None:
    """Closing with unread data would reset the connection and take the answer with it."""
    body = b" " * (600 << 10)
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as peer:
        if chunked:
            peer.sendall(head(None) + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        else:
            peer.sendall(head(len(body)) + body)
        time.sleep(0.5)
        answer = peer.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 413"), answer
    assert b"connection: close" in answer


def test_a_refused_body_is_refused_before_it_is_sent(service: Service) -> None:
    """A client that waits for the answer before sending gets one."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as peer:
        peer.sendall(
            b"POST /v1/items HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 1073741824\r\nexpect: 100-continue\r\n\r\n"
        )
        assert peer.recv(65536).startswith(b"HTTP/1.1 413")


def memory(pid: int) -> int:
    """Resident memory in KiB."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def test_a_bug_is_a_problem_with_an_id_that_leads_to_its_log() -> None:
    """The bug is played by a table that lacks what the statements need."""
    database = Server.create()
    try:
        assert migrate(database.port).returncode == 0
        with Service(database.port, drain_seconds=0) as service:
            service.wait_ready()
            execute(database, "ALTER TABLE items RENAME COLUMN quantity TO amount")
            answers = [
                httpx.get(f"{service.url}/v1/items/0193c8a4-0000-7000-8000-000000000000"),
                httpx.post(f"{service.url}/v1/items", json={"name": "Jane Doe", "quantity": 1}),
            ]
            for answer in answers:
                check(answer, 500)
            execute(database, "ALTER TABLE items RENAME COLUMN amount TO quantity")
            again = httpx.post(f"{service.url}/v1/items", json={"name": "x", "quantity": 1})
            assert again.status_code == 201, "the service did not get over it"
            service.terminate()
            assert service.process.wait(20) == 0
        failed = [line for line in service.log() if line["message"] == "request failed"]
        ids = [answer.headers["x-request-id"] for answer in answers]
        assert [line["request_id"] for line in failed] == ids
        assert {line["error"]["sqlstate"] for line in failed} == {"42703"}
        assert all("items.py" in " ".join(line["error"]["stack"]) for line in failed)
        assert b"Jane" not in service.output()
    finally:
        database.remove()


def execute(server: Server, statement: str) -> None:
    async def run() -> None:
        connection = await server.connect()
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def test_bytes_that_are_not_http(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as peer:
        peer.sendall(b"\x16\x03\x01 this is TLS or worse\r\n\r\n")
        head, _, body = peer.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0123456789abcdef0123456789abcdef", True),
        ("01234567-89ab-cdef-0123-456789abcdef", True),
        ("jane.doe", False),
        ("", False),
        ("0" * 33, False),
    ],
)
def test_request_ids(client: httpx.Client, sent: str, kept: bool) -> None:
    answer = client.get("/healthz/live", headers={"X-Request-Id": sent})
    assert (answer.headers["x-request-id"] == sent) == kept
    assert len(answer.headers["x-request-id"]) >= 32
