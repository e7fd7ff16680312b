"""The process: uvicorn, signals, drain and shutdown.

What happens on SIGTERM:

1. Readiness turns 503. Requests are still answered, each answer closing its connection, for the
   drain time: the load balancer needs a moment to stop sending, and the signal often comes first.
2. The listening socket closes; running requests may finish within the shutdown time.
3. What is still running then is cancelled.
4. Traces that wait are sent, for two seconds at most.

A second signal skips the rest of the drain.
"""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from . import app, items, logs
from .middleware import Lifecycle
from .protocol import Protocol
from .settings import Settings

if TYPE_CHECKING:
    from .tracing import Tracing

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """A uvicorn server that drains before it stops."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_seconds: float) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._drain_seconds = drain_seconds
        self._drained_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for SIGTERM and SIGINT.

        The inherited method would also have the signal raised again at the end, so that even an
        orderly stop looked like a crash.
        """
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        elif self.started and not self._lifecycle.draining:
            self._drained_at = time.monotonic() + self._drain_seconds
        else:
            self.should_exit = True
        self._lifecycle.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if self._drained_at is not None and time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(settings: Settings, lines: logs.LineWriter) -> None:
    """Serve until a signal says stop."""
    lifecycle = Lifecycle()
    traces = _traces(settings)
    config = configure(app.create(settings, lines, lifecycle, traces), settings)
    server = Server(config, lifecycle, settings.drain_seconds)
    log.info("starting", extra={"version": settings.version})
    try:
        server.run()
    finally:
        if traces is not None:
            traces.close()
    log.info("stopped")


def _traces(settings: Settings) -> Tracing | None:
    if not settings.traces_endpoint:
        return None
    from .tracing import Tracing

    return Tracing(settings, items.OPERATIONS)


def configure(application: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn serves this service."""
    return uvicorn.Config(
        application,
        host=settings.listen_host,
        port=settings.listen_port,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # it has the client's address and the query; ours has neither
        server_header=False,
        # The client's address is not used for anything, so nobody's word for it is needed.
        proxy_headers=False,
        timeout_keep_alive=settings.keepalive_seconds,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
