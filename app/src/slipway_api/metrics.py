"""Prometheus metrics of the service, at ``/metrics``.

Labels have few values by construction: the route is the template of a declared path or
``unmatched``, the method one of the known ones or ``OTHER``. Nothing a client sends becomes a
label.

In the OpenMetrics format, which a scraper has to ask for, each bucket of durations names the trace
of the last traced request in it.

Requests are counted in plain Python numbers and turned into metric families when somebody
scrapes. All counting happens on the event loop's thread, so it needs no lock, and observing costs
less than a microsecond where the client library's own histogram costs several.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

if TYPE_CHECKING:
    from .database import Database
    from .logs import LineWriter
    from .middleware import Lifecycle
    from .tracing import Tracing

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Requests:
    """What was answered: how often, with which status, how fast."""

    def __init__(self) -> None:
        self.in_progress = 0
        self._totals: dict[tuple[str, str, int], int] = {}
        # (method, route) -> counts per bucket, the last one for what exceeds all bounds.
        self._buckets: dict[tuple[str, str], list[int]] = {}
        self._sums: dict[tuple[str, str], float] = {}
        # (method, route) -> by the bucket's number, the last traced request in it.
        self._exemplars: dict[tuple[str, str], dict[int, Exemplar]] = {}

    def observe(
        self, method: str, route: str, status: int, seconds: float, trace_id: str | None = None
    ) -> None:
        if method not in METHODS:
            method = "OTHER"
        total = (method, route, status)
        self._totals[total] = self._totals.get(total, 0) + 1
        key = (method, route)
        buckets = self._buckets.get(key)
        if buckets is None:
            buckets = self._buckets[key] = [0] * (len(BUCKETS) + 1)
            self._sums[key] = 0.0
        number = bisect_left(BUCKETS, seconds)
        buckets[number] += 1
        self._sums[key] += seconds
        if trace_id is not None:
            exemplar = Exemplar({"trace_id": trace_id}, seconds, time.time())
            self._exemplars.setdefault(key, {})[number] = exemplar

    def collect(self) -> Iterable[Metric]:
        total = CounterMetricFamily(
            "http_requests", "Requests answered.", labels=["method", "route", "status"]
        )
        for (method, route, status), count in self._totals.items():
            total.add_metric([method, route, str(status)], count)
        yield total

        duration = HistogramMetricFamily(
            "http_request_duration_seconds",
            "Time from the request's headers to the end of the answer.",
            labels=["method", "route"],
        )
        for (method, route), buckets in self._buckets.items():
            running = 0
            cumulative: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
            exemplars = self._exemplars.get((method, route), {})
            bounds = (*BUCKETS, float("inf"))
            for number, (bound, count) in enumerate(zip(bounds, buckets, strict=True)):
                running += count
                exemplar = exemplars.get(number)
                bucket = (_bound(bound), running)
                cumulative.append(bucket if exemplar is None else (*bucket, exemplar))
            duration.add_metric([method, route], cumulative, self._sums[(method, route)])
        yield duration

        yield GaugeMetricFamily(
            "http_requests_in_progress", "Requests being answered.", value=self.in_progress
        )


def _bound(value: float) -> str:
    return "+Inf" if value == float("inf") else str(value)


def _prefers_openmetrics(accept: str) -> bool:
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for choice in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in choice.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        if kind in weights and re.fullmatch(r"[01](\.[0-9]{0,3})?", weight):
            weights[kind] = max(weights[kind], float(weight))
    return 0 < weights["application/openmetrics-text"] >= weights["text/plain"]


class Metrics:
    """All metrics of one application, in a registry of their own."""

    def __init__(
        self,
        version: str,
        requests: Requests,
        database: Database,
        lines: LineWriter,
        lifecycle: Lifecycle,
        traces: Tracing | None = None,
    ) -> None:
        self._version = version
        self._requests = requests
        self._database = database
        self._lines = lines
        self._lifecycle = lifecycle
        self._traces = traces
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition text and its media type: OpenMetrics for a scraper whose Accept
        header prefers it, else the plain text format, which has no exemplars."""
        if _prefers_openmetrics(accept):
            text: bytes = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
            return text, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterable[Metric]:
        yield from self._requests.collect()
        yield from self._pools()

        database = self._database
        yield CounterMetricFamily(
            "slipway_database_retries",
            "Statements tried again after the database failed.",
            value=database.retries,
        )
        yield CounterMetricFamily(
            "slipway_database_unknown_outcomes",
            "Writes of which nobody knows whether they were stored.",
            value=database.unknown_outcomes,
        )
        yield CounterMetricFamily(
            "slipway_log_lines_dropped",
            "Log lines thrown away because nobody read them fast enough.",
            value=self._lines.dropped,
        )
        yield CounterMetricFamily(
            "slipway_trace_spans_dropped",
            "Spans of traces thrown away because the collector did not take them.",
            value=self._traces.dropped if self._traces is not None else 0,
        )
        yield GaugeMetricFamily(
            "slipway_draining",
            "1 after SIGTERM, while requests are still answered.",
            value=int(self._lifecycle.draining),
        )
        build = GaugeMetricFamily(
            "slipway_build_info", "The version that runs.", labels=["version"]
        )
        build.add_metric([self._version], 1)
        yield build

    def _pools(self) -> Iterable[Metric]:
        connections = GaugeMetricFamily(
            "slipway_database_connections", "Connections, by use.", labels=["pool", "state"]
        )
        waiting = GaugeMetricFamily(
            "slipway_database_waiting", "Requests waiting for a connection.", labels=["pool"]
        )
        away = GaugeMetricFamily(
            "slipway_database_away_seconds",
            "How long the endpoint has been unusable; 0 while it is fine.",
            labels=["pool"],
        )
        failures = CounterMetricFamily(
            "slipway_database_connect_failures", "Failed attempts to connect.", labels=["pool"]
        )
        drops = CounterMetricFamily(
            "slipway_database_drops",
            "How often all connections were dropped because their server was going or gone.",
            labels=["pool"],
        )
        for pool in self._database.pools():
            connections.add_metric([pool.name, "idle"], pool.idle)
            connections.add_metric([pool.name, "busy"], pool.size - pool.idle)
            waiting.add_metric([pool.name], pool.waiting)
            away.add_metric([pool.name], pool.failing_for())
            failures.add_metric([pool.name], pool.failures)
            drops.add_metric([pool.name], pool.drops)
        yield from (connections, waiting, away, failures, drops)
