"""Traces: which requests are traced, what a span says, and how spans get to the collector.

Imported only when there is an endpoint: what this module imports costs megabytes and start-up
time. The packages that instrument frameworks by themselves are not used, because they record
client addresses, paths and queries. Here a span holds what the access log holds: the template of
the route, never the path, and nothing else that a client sent except the request id and the trace
id, which are accepted only as hex digits.

Of a caller's headers ``traceparent`` is read. ``tracestate`` and ``baggage`` may hold anything, so
they are neither read nor passed on.

Spans wait in a queue for a thread that sends them. A collector that is away costs no request
anything: what does not fit into the queue, or could not be sent in time, is dropped and counted.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from types import TracebackType

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from .metrics import METHODS
from .settings import Settings

log = logging.getLogger(__name__)

MAX_PENDING = 4096
# Turning spans into bytes holds the interpreter: a small batch keeps the event loop's pauses short.
BATCH = 128
BATCH_SECONDS = 1.0
SEND_SECONDS = 2.0
CLOSE_SECONDS = 2.0
WARN_SECONDS = 60.0

# W3C Trace Context: version, trace, parent and flags; later versions may have more to say.
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
_NO_PARENT = Context()
_current: ContextVar[Span | None] = ContextVar("slipway_span", default=None)


class Statement:
    """The span of one database statement, its wait for a connection and its retries included."""

    __slots__ = ("_pool", "_span", "retried", "waited")

    def __init__(self, span: Span, pool: str) -> None:
        self._span = span
        self._pool = pool
        self.retried = False
        self.waited = 0.0
        """Seconds without a connection."""

    def __enter__(self) -> Statement:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        span = self._span
        span.set_attributes(
            {
                "db.system.name": "postgresql",
                "slipway.database": self._pool,
                "slipway.retried": self.retried,
            }
        )
        if self.waited:
            span.set_attribute("slipway.pool.wait_ms", round(self.waited * 1000, 3))
        if kind is not None:
            # The class only: texts of database errors quote values.
            span.set_attribute("error.type", kind.__name__.lstrip("_"))
            span.set_status(StatusCode.ERROR)
        span.end()


class Tracing:
    """Makes spans of requests and statements, and sends them.

    ``operations`` names statements by their text; one without a name is a "query".
    """

    def __init__(self, settings: Settings, operations: Mapping[str, str]) -> None:
        self._ratio = settings.traces_ratio
        self._operations = operations
        # They would log whole texts of errors, each time; what is worth saying is said here.
        for name in ("opentelemetry", "urllib3"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._delivery = Delivery(
            OTLPSpanExporter(endpoint=settings.traces_endpoint, timeout=SEND_SECONDS)
        )
        self._processor = _Processor(self._delivery)
        # Not Resource.create, which adds what the environment and the process say. And never the
        # global provider: the framework would begin to trace by its own rules.
        resource = {"service.name": "api", "service.version": settings.version}
        if pod := os.environ.get("HOSTNAME"):
            resource["k8s.pod.name"] = pod
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # who gets here was chosen by ``begin``
            resource=Resource(resource),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(self._processor)
        self._tracer = self._provider.get_tracer("slipway_api")

    @property
    def dropped(self) -> int:
        """Spans that will never arrive."""
        return self._processor.refused + self._delivery.failed

    def begin(self, headers: Iterable[tuple[bytes, bytes]], wanted: bool) -> Span | None:
        """Return the span of a request, or None when it is not to be traced.

        The caller's decision is followed; without one, chance decides. This is what the library
        has as ParentBased(TraceIdRatioBased), without its objects for requests that are not
        traced.
        """
        context = self._sampled(headers) if wanted else None
        span = None
        if context is not None:
            span = self._tracer.start_span("request", context, SpanKind.SERVER)
        # Also for None: a pipelined request starts in the context of the one before.
        _current.set(span)
        return span

    def end(self, span: Span, method: str, route: str, status: int, request_id: bytes) -> str:
        """Complete the span of a request and return its trace id."""
        known = method in METHODS
        span.update_name(f"{method if known else 'HTTP'} {route}")
        span.set_attributes(
            {
                "http.request.method": method if known else "_OTHER",
                "http.route": route,
                "http.response.status_code": status,
                "slipway.request_id": request_id.decode("ascii"),
            }
        )
        if status >= 500:
            span.set_attribute("error.type", str(status))
            span.set_status(StatusCode.ERROR)
        span.end()
        _current.set(None)
        return f"{span.get_span_context().trace_id:032x}"

    def statement(self, statement: str, pool: str) -> Statement | None:
        """Return the span of a statement, or None outside of a traced request."""
        parent = _current.get()
        if parent is None:
            return None
        name = self._operations.get(statement, "query")
        context = set_span_in_context(parent, _NO_PARENT)
        return Statement(self._tracer.start_span(name, context, SpanKind.CLIENT), pool)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Send what waits, unless that takes longer than ``seconds``."""
        # The library would wait for half a minute, and for what hangs in a socket without end.
        thread = threading.Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        thread.start()
        thread.join(seconds)
        lost = self._processor.accepted - self._delivery.sent - self._delivery.failed
        if lost:
            log.warning("traces were not sent before the end", extra={"spans": lost})

    def _sampled(self, headers: Iterable[tuple[bytes, bytes]]) -> Context | None:
        parent = None
        for name, value in headers:
            if name == b"traceparent":
                parent = _TRACEPARENT.fullmatch(value)
                break
        if parent is None or (parent[1] == b"00" and parent[5]):
            return _NO_PARENT if random.random() < self._ratio else None
        if not int(parent[4], 16) & TraceFlags.SAMPLED:
            return None
        caller = SpanContext(
            int(parent[2], 16), int(parent[3], 16), True, TraceFlags(TraceFlags.SAMPLED)
        )
        return set_span_in_context(NonRecordingSpan(caller), _NO_PARENT)


class _Processor(BatchSpanProcessor):
    """A queue that refuses what does not fit, where the library's loses it without a count."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__(
            delivery,
            max_queue_size=MAX_PENDING,
            schedule_delay_millis=BATCH_SECONDS * 1000,
            max_export_batch_size=BATCH,
        )
        self._delivery = delivery
        self.accepted = 0
        self.refused = 0

    def on_end(self, span: ReadableSpan) -> None:
        if self.accepted - self._delivery.taken >= MAX_PENDING:
            self.refused += 1
            return
        self.accepted += 1
        super().on_end(span)


class Delivery(SpanExporter):
    """Counts what becomes of the spans that ``exporter`` is to send, and tells when it fails.

    Its counts are written by the sending thread only.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._warned = -WARN_SECONDS
        self.taken = 0
        self.sent = 0
        self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += len(spans)
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self.sent += len(spans)
            return result
        self.failed += len(spans)
        now = time.monotonic()
        if now - self._warned >= WARN_SECONDS:
            self._warned = now
            log.warning("traces cannot be sent", extra={"spans": len(spans)})
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


__all__ = ["Statement", "Tracing"]
