"""/metrics is Prometheus text, counts what happens, and does not grow with what clients send."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import httpx
import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from cluster import Server
from service import Service
from slipway_api.database import Database
from slipway_api.logs import LineWriter
from slipway_api.metrics import BUCKETS, Metrics, Requests
from slipway_api.middleware import Lifecycle
from slipway_api.settings import Settings


@pytest.fixture
def fresh(postgres: Server) -> Iterator[Service]:
    with Service(postgres.port, version="9.9.9") as service:
        service.wait_ready()
        yield service


def samples(service: Service) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    text = httpx.get(f"{service.url}/metrics").text
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def label(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def test_requests_are_counted_by_route_and_status(fresh: Service) -> None:
    made = httpx.post(f"{fresh.url}/v1/items", json={"name": "x", "quantity": 1})
    for _ in range(3):
        httpx.get(fresh.url + made.headers["location"])
    httpx.get(f"{fresh.url}/v1/items/0193c8a4-0000-7000-8000-000000000000")
    found = samples(fresh)
    total = found["http_requests_total"]
    route = "/v1/items/{item_id}"
    assert total[label(method="GET", route=route, status="200")] == 3
    assert total[label(method="GET", route=route, status="404")] == 1
    assert total[label(method="POST", route="/v1/items", status="201")] == 1
    count = found["http_request_duration_seconds_count"][label(method="GET", route=route)]
    assert count == 4
    infinite = label(method="GET", route=route, le="+Inf")
    assert found["http_request_duration_seconds_bucket"][infinite] == 4
    assert found["http_request_duration_seconds_sum"][label(method="GET", route=route)] > 0
    assert found["slipway_build_info"] == {label(version="9.9.9"): 1.0}
    assert found["http_requests_in_progress"] == {(): 1.0}, "the scrape itself"


def test_labels_do_not_grow_with_what_clients_send(fresh: Service) -> None:
    with httpx.Client(base_url=fresh.url) as client:
        client.get("/v1/items/0193c8a4-0000-7000-8000-000000000000")
        client.get("/x")
        client.request("PROPFIND", "/x")
        client.get("/v1/items/x")
        before = len(samples(fresh)["http_requests_total"])
        for number in range(30):
            client.get(f"/v1/items/0193c8a4-0000-7000-8000-{number:012d}")
            client.get(f"/x{number}")
            client.get(f"/v1/items/{number}")
        for method in ("MKCOL", "COPY", "LOCK", "SEARCH"):
            client.request(method, "/x")
        assert len(samples(fresh)["http_requests_total"]) <= before + 1


def test_the_pools_are_shown(fresh: Service) -> None:
    found = samples(fresh)
    states = found["slipway_database_connections"]
    assert sum(states.values()) >= 1
    assert found["slipway_database_away_seconds"] == {label(pool="primary"): 0.0}
    assert found["slipway_draining"] == {(): 0.0}
    assert found["process_resident_memory_bytes"][()] > 1e6


def test_a_duration_falls_into_the_bucket_that_includes_it() -> None:
    requests = Requests()
    for seconds in (BUCKETS[0], BUCKETS[0] + 1e-9, BUCKETS[-1], 1e9):
        requests.observe("GET", "/", 200, seconds)
    family = next(f for f in requests.collect() if f.name == "http_request_duration_seconds")
    counts = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert counts[str(BUCKETS[0])] == 1
    assert counts[str(BUCKETS[1])] == 2
    assert counts[str(BUCKETS[-1])] == 3
    assert counts["+Inf"] == 4


OPENMETRICS = "application/openmetrics-text"


def rendered(*durations: float) -> Metrics:
    """Return metrics of requests that took so long, each of them traced."""
    requests = Requests()
    for number, seconds in enumerate(durations, 1):
        requests.observe("GET", "/x", 200, seconds, f"{number:032x}")
    requests.observe("GET", "/x", 200, 0.0001)
    lines = LineWriter(2)
    lines.close()
    return Metrics("1", requests, Database(Settings(database_host="x")), lines, Lifecycle())


def test_both_formats_say_the_same() -> None:
    """Values of the process itself go on between the two."""
    metrics = rendered(0.004, 0.3, 99.0)

    def told(
        accept: str, parse: Callable[[str], Iterable[Metric]]
    ) -> dict[tuple[str, tuple[tuple[str, str], ...]], float | None]:
        text = metrics.render(accept)[0].decode()
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): (
                None if sample.name.startswith(("process_", "python_gc")) else sample.value
            )
            for family in parse(text)
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    plain = told("", text_string_to_metric_families)
    assert plain == told(OPENMETRICS, openmetrics.text_string_to_metric_families)
    names = {name for name, _ in plain}
    assert {"http_requests_total", "slipway_trace_spans_dropped_total"} <= names
    assert "process_cpu_seconds_total" in names


def test_a_bucket_names_the_last_trace_in_it() -> None:
    text = rendered(0.004, 0.3, 0.0045, 99.0).render(OPENMETRICS)[0].decode()
    found = {
        sample.labels["le"]: sample.exemplar
        for family in openmetrics.text_string_to_metric_families(text)
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert {bound: int(e.labels["trace_id"], 16) for bound, e in found.items()} == {
        "0.005": 3,
        "0.5": 2,
        "+Inf": 4,
    }
    assert found["0.005"].value == 0.0045


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4", False),
        (OPENMETRICS, True),
        (f"{OPENMETRICS};version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1", True),
        (f"text/plain;version=0.0.4;q=0.5,{OPENMETRICS};version=1.0.0;q=0.4", False),
        (f"application/vnd.google.protobuf;q=0.6, {OPENMETRICS}; q=0.5", True),
        (f"{OPENMETRICS};q=0", False),
        (f"{OPENMETRICS};q=much", False),
        ("application/openmetrics-text-not", False),
    ],
)
def test_openmetrics_is_for_those_who_prefer_it(accept: str, wanted: bool) -> None:
    text, media_type = rendered().render(accept)
    assert media_type.startswith(OPENMETRICS if wanted else "text/plain")
    assert text.endswith(b"# EOF\n") == wanted
