"""Traces: who is traced, what a span says and does not say, and that nobody waits for them."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace.export import SpanExportResult
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

import test_logs
from cluster import Server, free_port
from service import Service, command, environment, migrate
from slipway_api import database, tracing
from slipway_api.settings import Settings

SERVER_KEYS = {
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "slipway.request_id",
}
STATEMENT_KEYS = {"db.system.name", "slipway.database", "slipway.retried"}
ITEM = "/v1/items/0193c8a4-0000-7000-8000-000000000000"


class Receiver:
    """A collector that keeps every byte it gets."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self.heads: list[bytes] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.heads.append(bytes(self.headers))
                receiver.bodies.append((self.path, body))
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.base}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def requests(self) -> list[ExportTraceServiceRequest]:
        return [ExportTraceServiceRequest.FromString(body) for _, body in self.bodies]

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def of(self, trace: str) -> list[Span]:
        """The spans of a trace: the server's first."""
        found = [span for span in self.spans() if span.trace_id.hex() == trace]
        return sorted(found, key=lambda span: span.kind != Span.SPAN_KIND_SERVER)


def attributes(span: Any) -> dict[str, Any]:
    return {
        pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes
    }


def trace(number: int) -> str:
    return f"{number:032x}"


def parent(number: int, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace(number)}-{number:016x}-{flags}"}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def spare() -> Iterator[Server]:
    server = Server.create()
    assert migrate(server.port).returncode == 0
    yield server
    server.remove()


class Told:
    """What a service with a receiver did that traces only what callers ask for. Every sampled
    request has a trace id of its own; those that must not be traced too, where they have one."""

    def __init__(self, postgres: Server, receiver: Receiver) -> None:
        self.receiver = receiver
        settings = {
            "traces_endpoint": receiver.url,
            "traces_ratio": 0,
            "database_replica_host": "127.0.0.1",
            "drain_seconds": 0,
            "version": "1.2.3",
        }
        with Service(postgres.port, **settings) as service:
            service.wait_ready()
            with httpx.Client(base_url=service.url, timeout=20) as client:
                body = {"name": "x", "quantity": 1}
                self.made = client.post("/v1/items", json=body, headers=parent(0xA1))
                path = self.made.headers["location"]
                self.read = client.get(path, headers=parent(0xA2))
                eventual = {"Read-Consistency": "eventual"}
                client.get(path, headers={**parent(0xA3), **eventual})
                client.get("/v1/items?limit=x", headers=parent(0xA4))  # refused by the framework
                client.request("PROPFIND", "/x", headers=parent(0xA5))
                client.put(path, json=body, headers=parent(0xA6, "ff"))
                later = {"traceparent": f"42-{trace(0xA7)}-{0xA7:016x}-01-more"}
                client.get(path, headers=later)
                self._untraced(client, path)
            self._pipelined(service, path)
            with httpx.Client(base_url=service.url, timeout=20) as client:
                self.plain = client.get("/metrics")
                accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
                self.openmetrics = client.get("/metrics", headers=accept)
            service.terminate()
            assert service.process.wait(30) == 0
        self.access = [line for line in service.log() if line["logger"] == "access"]

    def _untraced(self, client: httpx.Client, path: str) -> None:
        client.get(path, headers=parent(0xB1, "00"))
        client.get(path, headers=parent(0xB2, "fe"))
        client.get(path)
        for probe in ("/healthz/live", "/healthz/ready", "/metrics"):
            client.get(probe, headers=parent(0xB3))
        for wrong in (
            f"ff-{trace(0xB4)}-{0xB4:016x}-01",
            f"00-{trace(0xB4)}-{0xB4:016x}-01-more",
            f"00-{trace(0xB4)}-{0:016x}-01",
            f"00-{trace(0)}-{0xB4:016x}-01",
            f"00-{trace(0xB4).upper()}-{0xB4:016x}-01",
            f"00-{trace(0xB4)[1:]}-{0xB4:016x}-01",
            f"00-{trace(0xB4)}-{0xB4:016x}-01x",
            "",
        ):
            client.get(path, headers={"traceparent": wrong})

    def _pipelined(self, service: Service, path: str) -> None:
        """The second request is begun within the first one's last turn."""
        text = "".join(
            f"GET {path} HTTP/1.1\r\nhost: x\r\ntraceparent: {parent(*numbers)['traceparent']}\r\n"
            f"connection: {connection}\r\n\r\n"
            for numbers, connection in (((0xC1, "01"), "keep-alive"), ((0xC2, "00"), "close"))
        )
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as peer:
            peer.sendall(text.encode())
            answer = b""
            while data := peer.recv(65536):
                answer += data
        assert answer.count(b"HTTP/1.1 200") == 2


@pytest.fixture(scope="module")
def told(postgres: Server, receiver: Receiver) -> Told:
    return Told(postgres, receiver)


def test_a_write_and_a_read_are_traced_under_their_caller(told: Told) -> None:
    for number, answer, name, operation in (
        (0xA1, told.made, "POST /v1/items", "items.create"),
        (0xA2, told.read, "GET /v1/items/{item_id}", "items.read"),
    ):
        server, statement = told.receiver.of(trace(number))
        assert (server.name, server.kind) == (name, Span.SPAN_KIND_SERVER)
        assert server.parent_span_id.hex() == f"{number:016x}"
        assert attributes(server) == {
            "http.request.method": name.split()[0],
            "http.route": name.split()[1],
            "http.response.status_code": answer.status_code,
            "slipway.request_id": answer.headers["x-request-id"],
        }
        assert (statement.name, statement.kind) == (operation, Span.SPAN_KIND_CLIENT)
        assert statement.parent_span_id == server.span_id
        assert attributes(statement) == {
            "db.system.name": "postgresql",
            "slipway.database": "primary",
            "slipway.retried": False,
        }
        assert server.start_time_unix_nano <= statement.start_time_unix_nano
        assert statement.end_time_unix_nano <= server.end_time_unix_nano
        assert {server.status.code, statement.status.code} == {Status.STATUS_CODE_UNSET}


def test_a_statement_says_which_server_it_ran_on(told: Told) -> None:
    _, statement = told.receiver.of(trace(0xA3))
    assert attributes(statement)["slipway.database"] == "replica"


def test_what_nobody_knows_has_fixed_names(told: Told) -> None:
    assert [span.name for span in told.receiver.of(trace(0xA4))] == ["GET /v1/items"]
    (span,) = told.receiver.of(trace(0xA5))
    assert span.name == "HTTP unmatched"
    assert attributes(span)["http.request.method"] == "_OTHER"


def test_the_callers_decision_is_followed(told: Told) -> None:
    """With a ratio of 0, nothing else is traced: neither what has no caller's decision, nor what
    has one against it or one that cannot be read."""
    sampled = {trace(number) for number in (0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xC1)}
    assert {span.trace_id.hex() for span in told.receiver.spans()} == sampled


def test_a_pipelined_request_does_not_speak_for_the_one_before(told: Told) -> None:
    assert len(told.receiver.of(trace(0xC1))) == 2


def test_the_access_log_names_the_trace(told: Told) -> None:
    traced = {line["trace_id"]: line for line in told.access if "trace_id" in line}
    assert set(traced) == {span.trace_id.hex() for span in told.receiver.spans()}
    assert traced[trace(0xA1)]["request_id"] == told.made.headers["x-request-id"]
    assert len(told.access) > len(traced) + 5


def test_exemplars_are_traces_that_the_collector_has(told: Told) -> None:
    assert told.openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    exemplars = [
        (sample, sample.exemplar)
        for family in openmetrics.text_string_to_metric_families(told.openmetrics.text)
        for sample in family.samples
        if sample.exemplar is not None
    ]
    named = {exemplar.labels["trace_id"] for _, exemplar in exemplars}
    assert named
    assert named <= {span.trace_id.hex() for span in told.receiver.spans()}
    assert trace(0xA1) in named, "the only request of its kind"
    for sample, exemplar in exemplars:
        assert sample.name == "http_request_duration_seconds_bucket"
        assert set(exemplar.labels) == {"trace_id"}
        assert 0 < exemplar.value <= float(sample.labels["le"])
        assert abs(float(exemplar.timestamp) - time.time()) < 600


def test_a_scraper_that_asks_for_nothing_gets_the_plain_text(told: Told) -> None:
    assert told.plain.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    assert " # " not in re.sub(r"(?m)^# .*", "", told.plain.text)
    assert "# EOF" not in told.plain.text
    assert list(text_string_to_metric_families(told.plain.text))


class Everything:
    """What a service did that traces all it gets, told marked data through every door, while the
    environment asks the libraries to do more of their own accord."""

    def __init__(self, spare: Server) -> None:
        self.receiver = Receiver()
        settings = {
            "traces_endpoint": self.receiver.url,
            "traces_ratio": 1,
            "drain_seconds": 0,
            "retry_seconds": 0.2,
            "ready_grace_seconds": 0.5,
            "log_level": "debug",
            "version": "1.2.3",
        }
        program = [
            "env",
            "HOSTNAME=api-0",
            "FASTAPI_OTEL_AUTO_CONFIGURE=true",
            f"OTEL_EXPORTER_OTLP_ENDPOINT={self.receiver.base}",
            "OTEL_RESOURCE_ATTRIBUTES=canary-resource=x",
            *command("serve"),
        ]
        try:
            with Service(spare.port, program, **settings) as service:
                service.wait_ready()
                test_logs.talk(service.url, spare)
                for probe in ("/healthz/live", "/healthz/ready", "/metrics"):
                    httpx.get(service.url + probe)
                spare.stop("immediate")
                test_logs.talk(service.url)
                httpx.get(f"{service.url}/healthz/ready")
                spare.start()
                service.terminate()
                assert service.process.wait(30) == 0
            self.output = service.output()
            self.access = [line for line in service.log() if line["logger"] == "access"]
        finally:
            self.receiver.close()


@pytest.fixture(scope="module")
def everything(spare: Server) -> Everything:
    return Everything(spare)


def test_with_a_ratio_of_one_all_is_traced_but_probes(everything: Everything) -> None:
    servers = [s for s in everything.receiver.spans() if s.kind == Span.SPAN_KIND_SERVER]
    told = {attributes(span)["slipway.request_id"] for span in servers}
    probes = {"/healthz/live", "/healthz/ready", "/metrics"}
    wanted = {line["request_id"] for line in everything.access if line["route"] not in probes}
    assert len(wanted) > 20
    assert told == wanted
    assert not probes & {attributes(span)["http.route"] for span in servers}
    assert all(not span.parent_span_id for span in servers)


def test_a_span_has_the_attributes_it_may_have_and_no_others(everything: Everything) -> None:
    failed = 0
    for span in everything.receiver.spans():
        found = attributes(span)
        assert not span.events
        assert not span.links
        assert span.trace_state == ""
        assert span.status.message == ""
        if span.kind == Span.SPAN_KIND_SERVER:
            bad = found["http.response.status_code"] >= 500
            failed += bad
            assert set(found) == SERVER_KEYS | ({"error.type"} if bad else set())
            if bad:
                assert found["error.type"] == str(found["http.response.status_code"])
        else:
            assert span.kind == Span.SPAN_KIND_CLIENT
            bad = "error.type" in found
            assert set(found) - {"error.type", "slipway.pool.wait_ms"} == STATEMENT_KEYS
            assert re.fullmatch(r"items\.[a-z_]+|query", span.name)
        assert (span.status.code == Status.STATUS_CODE_ERROR) == bad
    assert failed > 2
    for request in everything.receiver.requests():
        for resource in request.resource_spans:
            assert attributes(resource.resource) == {
                "service.name": "api",
                "service.version": "1.2.3",
                "k8s.pod.name": "api-0",
            }


def test_nothing_a_client_sends_is_in_a_trace(everything: Everything) -> None:
    received = [body for _, body in everything.receiver.bodies] + everything.receiver.heads
    assert {path for path, _ in everything.receiver.bodies} == {"/v1/traces"}
    for sent in received:
        assert test_logs.leaked(sent) == set()
        assert b"canary" not in sent
    assert test_logs.leaked(everything.output) == set()
    # The control: what is said is found in these bytes.
    for line in everything.access:
        if "trace_id" in line:
            assert any(line["request_id"].encode() in sent for sent in received)


class _Hanging:
    """A collector that takes connections and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", free_port()))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1/traces"

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["away", "hanging"])
def unwilling(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "away":
        yield f"http://127.0.0.1:{free_port()}/v1/traces"
        return
    collector = _Hanging()
    yield collector.url
    collector.close()


def test_a_collector_that_does_not_take_them_costs_nothing(
    postgres: Server, unwilling: str
) -> None:
    settings = {"traces_endpoint": unwilling, "traces_ratio": 1, "drain_seconds": 0}
    with Service(postgres.port, **settings) as service:
        service.wait_ready()
        with httpx.Client(base_url=service.url, timeout=20) as client:
            slowest = 0.0
            asked = 0
            while _dropped(client) == 0:
                # Two spans each: so far all of them fit.
                assert 2 * asked < tracing.MAX_PENDING, "what could not be sent is not counted"
                time.sleep(0.1)
                for _ in range(20):
                    asked += 1
                    begun = time.perf_counter()
                    assert client.get(ITEM).status_code == 404
                    slowest = max(slowest, time.perf_counter() - begun)
            # A sending that is waited for would take its whole two seconds.
            assert slowest < tracing.SEND_SECONDS / 2
        begun = time.monotonic()
        service.terminate()
        assert service.process.wait(60) == 0
        assert time.monotonic() - begun < tracing.CLOSE_SECONDS + 8
    lines = [line for line in service.log() if line["logger"] != "access"]
    told = [line for line in lines if line["logger"] == "slipway_api.tracing"]
    assert [line["message"] for line in told if "cannot" in line["message"]] == [
        "traces cannot be sent"
    ]
    assert all(line["logger"].startswith(("slipway_api", "uvicorn")) for line in lines)
    assert not [line for line in lines if "error" in line]


def _dropped(client: httpx.Client) -> float:
    found = re.search(r"(?m)^slipway_trace_spans_dropped_total (.+)$", client.get("/metrics").text)
    assert found is not None
    return float(found[1])


def _tracing(url: str, ratio: float = 1.0, names: dict[str, str] | None = None) -> tracing.Tracing:
    settings = Settings(database_host="x", traces_endpoint=url, traces_ratio=ratio)
    return tracing.Tracing(settings, names or {})


def test_the_end_is_not_held_up(unwilling: str) -> None:
    traces = _tracing(unwilling)
    for _ in range(tracing.BATCH * 6):  # each batch alone would take two seconds
        span = traces.begin([], True)
        assert span is not None
        traces.end(span, "GET", "/", 200, b"0" * 32)
    begun = time.monotonic()
    traces.close()
    assert time.monotonic() - begun < tracing.CLOSE_SECONDS + 1


def test_what_waits_is_sent_at_the_end(receiver: Receiver) -> None:
    traces = _tracing(receiver.url)
    ids = set()
    for _ in range(tracing.BATCH * 3 + 1):
        span = traces.begin([], True)
        assert span is not None
        ids.add(traces.end(span, "GET", "/", 200, b"0" * 32))
    traces.close(30)
    assert ids <= {span.trace_id.hex() for span in receiver.spans()}
    assert traces.dropped == 0


def test_what_does_not_fit_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MAX_PENDING", 20)
    monkeypatch.setattr(tracing, "BATCH", 5)
    collector = _Hanging()
    traces = _tracing(collector.url)
    free = threading.Event()
    monkeypatch.setattr(
        traces._delivery._exporter,
        "export",
        lambda spans: free.wait(30) and SpanExportResult.SUCCESS,
    )
    for _ in range(100):
        span = traces.begin([], True)
        assert span is not None
        traces.end(span, "GET", "/", 200, b"0" * 32)
    dropped = traces.dropped
    # One batch may be on its way besides those that wait.
    assert 75 <= dropped <= 80
    free.set()
    traces.close(30)
    collector.close()
    assert traces._delivery.sent == 100 - dropped


@pytest.mark.parametrize(
    ("ratio", "least", "most"), [(0.0, 0, 0), (0.5, 300, 700), (1.0, 1000, 1000)]
)
def test_chance_decides_where_no_caller_has(
    receiver: Receiver, ratio: float, least: int, most: int
) -> None:
    traces = _tracing(receiver.url, ratio)
    count = sum(traces.begin([], True) is not None for _ in range(1000))
    traces.close()
    assert least <= count <= most


@pytest.mark.anyio
async def test_retries_and_waits_are_told(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = _tracing(receiver.url, names={"SELECT 1": "one"})
    settings = Settings(database_host="127.0.0.1", database_port=free_port())
    data = database.Database(settings, traces)
    data._loop = asyncio.get_running_loop()
    outcomes: list[Any] = [database._Again("gone"), (False,), ValueError("canary")]

    async def attempt(*_: Any) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def wait(_: float) -> Any:
        await asyncio.sleep(0.02)
        return object()

    monkeypatch.setattr(data, "_attempt", attempt)
    monkeypatch.setattr(data.primary, "wait", wait)
    span = traces.begin([], True)
    assert span is not None
    await data.read("SELECT 1")
    with pytest.raises(ValueError, match="canary"):
        await data.read("SELECT 2")
    number = traces.end(span, "GET", "/", 200, b"0" * 32)
    await asyncio.to_thread(traces.close, 30)
    found = {span.name: span for span in receiver.of(number)}
    assert set(found) == {"GET /", "one", "query"}
    one, other = attributes(found["one"]), attributes(found["query"])
    assert (one["slipway.retried"], other["slipway.retried"]) == (True, False)
    assert one["slipway.pool.wait_ms"] >= 2 * 20 * 0.9
    assert other["error.type"] == "ValueError"
    assert found["query"].status.code == Status.STATUS_CODE_ERROR
    assert not any(b"canary" in body for _, body in receiver.bodies)


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    program = """
import json, sys
from slipway_api import app, logs, middleware, server, settings
configured, _ = settings.load()
traces = server._traces(configured)
app.create(configured, logs.LineWriter(2), middleware.Lifecycle(), traces)
print(json.dumps(sorted(sys.modules)))
"""

    def loaded(**extra: object) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment(free_port(), **extra),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return set(json.loads(done.stdout))

    ours = {"slipway_api.tracing", "opentelemetry.sdk.trace", "requests", "google.protobuf"}
    assert not ours & loaded()
    assert ours <= loaded(traces_endpoint="http://127.0.0.1:9/v1/traces")


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    """Tracing quiets loggers of the whole process."""
    names = ("opentelemetry", "urllib3")
    levels = [logging.getLogger(name).level for name in names]
    yield
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)
