"""The application: everything put together, without a server around it."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from . import docs, failures, health, idempotency, logs, problems, routes
from .database import Database
from .items import Items
from .lane import Lane
from .metrics import Metrics, Requests
from .middleware import Edge, Intake, Lifecycle
from .pool import kind_of
from .settings import Settings

if TYPE_CHECKING:
    from .tracing import Tracing

log = logging.getLogger(__name__)

PURGE_SECONDS = 3600.0

DESCRIPTION = """\
Stores items in PostgreSQL.

Every error is a problem document (RFC 9457). Reads take `Read-Consistency: eventual` to allow a
replica. Creation takes an `Idempotency-Key` and is then safe to repeat.
"""


def create(
    settings: Settings,
    lines: logs.LineWriter,
    lifecycle: Lifecycle,
    traces: Tracing | None = None,
) -> ASGIApp:
    """Return the application.

    It connects to its database when its lifespan starts, in the background, and its readiness
    tells how that goes.
    """
    database = Database(settings, traces)
    requests = Requests()
    metrics = Metrics(settings.version, requests, database, lines, lifecycle, traces)
    items = Items(database)
    api = framework(settings, database, items, metrics, lifecycle)
    inner = Intake(api, settings.body_limit_bytes)
    return Edge(Lane(inner, items, settings.body_limit_bytes), requests, lines, lifecycle, traces)


def framework(
    settings: Settings,
    database: Database,
    items: Items,
    metrics: Metrics,
    lifecycle: Lifecycle,
) -> FastAPI:
    """Return the FastAPI application: all routes, their documentation, and the lifespan."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_exception_handler(logs.on_loop_exception)
        database.start()
        purge = asyncio.create_task(_purge(database, settings.idempotency_hours))
        api.openapi()  # takes tens of milliseconds, which no request shall wait for
        # What exists by now lives as long as the process: collections need not look at it again.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            purge.cancel()
            with suppress(asyncio.CancelledError):
                await purge
            await database.stop()

    api = FastAPI(
        title="Slipway API",
        version=settings.version,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # Its own telemetry records client addresses, paths and queries, wherever the environment
        # tells it to.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        # A redirect would answer a POST to a misspelt path by sending its body around again.
        redirect_slashes=False,
        exception_handlers={
            HTTPException: problems.on_http_exception,
            RequestValidationError: problems.on_validation_error,
            Exception: failures.on_bug,
            **dict.fromkeys(failures.EXPECTED[1:], failures.on_failure),
        },
    )
    api.include_router(routes.router(items))
    readiness = health.Readiness(settings, database, lifecycle)
    api.include_router(health.router(readiness, settings.version))
    api.include_router(docs.router())

    @api.get("/metrics", include_in_schema=False)
    async def scrape(request: Request) -> Response:
        text, media_type = metrics.render(",".join(request.headers.getlist("accept")))
        return Response(text, media_type=media_type)

    _describe(api)
    return api


def _describe(api: FastAPI) -> None:
    """Complete the generated OpenAPI document with the schema of problems."""
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = generate()
            document["components"]["schemas"]["Problem"] = problems.SCHEMA
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


async def _purge(database: Database, hours: int) -> None:
    """Forget old idempotency keys now and then; instances skip each other's rows."""
    while True:
        await asyncio.sleep(PURGE_SECONDS * (0.5 + random.random()))
        try:
            count = await idempotency.purge(database, hours)
            if count:
                log.info("idempotency keys forgotten", extra={"count": count})
        except Exception as error:
            log.warning("forgetting idempotency keys failed", extra={"reason": kind_of(error)})
