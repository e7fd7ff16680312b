"""What surrounds every request, as plain ASGI.

No BaseHTTPMiddleware: it runs each request in a task group of its own and costs more than the whole
of what follows.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from typing import TYPE_CHECKING

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import logs
from .metrics import METHODS, Requests
from .problems import Problem

if TYPE_CHECKING:
    from .tracing import Tracing

log = logging.getLogger(__name__)

# Answers belong to one client and are never to be guessed at by a browser.
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
NO_STORE = (b"cache-control", b"no-store")

# A request id of the caller is taken over only if it can carry nothing else: 32 hex digits, with
# or without the dashes of a UUID. Anything freer would be a way for data into the logs.
_REQUEST_ID = re.compile(
    rb"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
# Not an HTTP status: nobody was there to get an answer. Proxies log the same number.
CLIENT_GONE = 499
# Asked every few seconds by machines: logged when they fail only, and never traced.
_UNLOGGED = frozenset({"/healthz/live", "/healthz/ready", "/metrics"})


class Lifecycle:
    """Where the process is in its life; ``draining`` is set once, by SIGTERM."""

    draining = False


class Edge:
    """The outermost layer: request id, metrics, traces, access log, common headers, last resort.

    While the process drains, every answer closes its connection, so that the proxy finds no idle
    connection to reuse at the moment the process ends.
    """

    def __init__(
        self,
        app: ASGIApp,
        requests: Requests,
        lines: logs.LineWriter,
        lifecycle: Lifecycle,
        traces: Tracing | None = None,
    ) -> None:
        self._app = app
        self._requests = requests
        self._lines = lines
        self._lifecycle = lifecycle
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        request_id = _request_id(scope)
        status = size = 0
        traces = self._traces
        span = trace_id = None
        if traces is not None:
            span = traces.begin(scope["headers"], scope["path"] not in _UNLOGGED)

        async def answer(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id),
                    *SECURITY_HEADERS,
                ]
                if self._lifecycle.draining:
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            else:
                size += len(message.get("body", b""))
            await send(message)

        requests = self._requests
        requests.in_progress += 1
        try:
            await self._app(scope, receive, answer)
        except Exception as error:
            log.exception(
                "request failed",
                extra={"request_id": request_id.decode(), "route": _route(scope)},
                exc_info=error,
            )
            if not status:
                await internal_error()(scope, receive, answer)
        finally:
            requests.in_progress -= 1
            seconds = time.perf_counter() - begun
            route = _route(scope)
            status = status or CLIENT_GONE
            if traces is not None and span is not None:
                trace_id = traces.end(span, scope["method"], route, status, request_id)
            requests.observe(scope["method"], route, status, seconds, trace_id)
            if route not in _UNLOGGED or status >= 400:
                line = _access_line(scope, request_id, route, status, size, seconds, trace_id)
                self._lines.write(line)


def internal_error() -> ASGIApp:
    """Return the answer to a request that ran into a bug."""
    detail = "The service failed to answer. The X-Request-Id of this answer leads to its log."
    return Problem(500, detail=detail).response()


def _request_id(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            if _REQUEST_ID.fullmatch(value):
                return bytes(value)
            break
    return b"%032x" % random.getrandbits(128)


def _route(scope: Scope) -> str:
    """Return the template of the path that answered. Never the path: it may hold anything."""
    return getattr(scope.get("route"), "path", "unmatched")


def _access_line(
    scope: Scope,
    request_id: bytes,
    route: str,
    status: int,
    size: int,
    seconds: float,
    trace_id: str | None,
) -> bytes:
    method = scope["method"]
    line = {
        "time": logs.timestamp(time.time()),
        "level": "info",
        "logger": "access",
        "message": "answered",
        "request_id": request_id.decode("ascii"),
        "method": method if method in METHODS else "OTHER",
        "route": route,
        "status": status,
        "bytes": size,
        "duration_ms": round(seconds * 1000, 3),
    }
    if trace_id is not None:
        line["trace_id"] = trace_id
    return orjson.dumps(line)


class Intake:
    """Refuses bodies that are too large or not JSON, before anything reads them.

    ``limit`` is in bytes and also holds for bodies sent in chunks without a length.
    """

    # A client that is still sending would not see an answer if the connection were reset under it.
    # So what follows is read and thrown away, up to a point.
    DISCARD_BYTES = 1024 * 1024
    DISCARD_SECONDS = 2.0

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = content_type = None
        chunked = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                content_type = value
            elif name == b"transfer-encoding":
                chunked = True
        if not chunked and length in (None, b"0"):
            await self._app(scope, receive, send)
            return
        # The protocol parser has refused lengths that are not numbers.
        if length is not None and int(length) > self._limit:
            await self._refuse(self._too_large(), scope, receive, send)
            return
        if scope["method"] in ("POST", "PUT", "PATCH") and not _is_json(content_type):
            detail = "Send the body as application/json."
            headers = {"Accept": "application/json"}
            problem = Problem(415, detail=detail, headers=headers)
            await self._refuse(problem, scope, receive, send)
            return
        await self._app(scope, self._counting(receive), send)

    def _counting(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self._limit:
                    await self._discard(receive, message)
                    raise self._too_large()
            return message

        return counted

    def _too_large(self) -> Problem:
        detail = f"A body may have at most {self._limit} bytes."
        return Problem(413, "body-too-large", detail, headers={"Connection": "close"})

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer's bytes, then discard the body, then end the answer: ending it first
        would close the connection with unread data in it, which resets it."""
        response = problem.response()
        start = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": response.raw_headers,
        }
        await send(start)
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        await self._discard(receive, {"type": "http.request", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _discard(self, receive: Receive, message: Message) -> None:
        left = self.DISCARD_BYTES
        try:
            async with asyncio.timeout(self.DISCARD_SECONDS):
                while left > 0 and message["type"] == "http.request" and message.get("more_body"):
                    message = await receive()
                    left -= len(message.get("body", b""))
        except TimeoutError:
            pass


def _is_json(content_type: bytes | None) -> bool:
    if content_type is None:
        return False
    kind = content_type.split(b";", 1)[0].strip().lower()
    return kind == b"application/json" or (
        kind.startswith(b"application/") and kind.endswith(b"+json")
    )


__all__ = ["Edge", "Intake", "Lifecycle", "internal_error"]
