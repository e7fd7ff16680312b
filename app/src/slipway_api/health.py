"""Probes: is the process alive, and should it get requests.

Liveness knows nothing of the database: restarting the service cures no database. Readiness knows
the database, the schema and the drain.
"""

from __future__ import annotations

import logging
from typing import Any

import asyncpg
import orjson
from fastapi import APIRouter
from starlette.responses import Response

from . import schema
from .database import Database, Unavailable
from .middleware import Lifecycle
from .settings import Settings

log = logging.getLogger(__name__)

PROBE_SECONDS = 1.0

_READY = {
    "type": "object",
    "required": ["status", "reasons"],
    "properties": {
        "status": {"type": "string", "enum": ["ready", "not-ready"]},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "version": {"type": "string"},
    },
}


class Readiness:
    """Decides whether this instance should get requests."""

    def __init__(self, settings: Settings, database: Database, lifecycle: Lifecycle) -> None:
        self._grace = settings.ready_grace_seconds
        self._database = database
        self._lifecycle = lifecycle
        self._was_ready = False
        self._schema_fits = False

    async def reasons(self) -> list[str]:
        """Return why not; an empty list means ready.

        A database that was there once may be away for the grace period: the instance still
        answers, with waits and 503s, and taking all instances out of the load balancer would only
        add the time of putting them back. One that was never reached is a reason at once.
        """
        if self._lifecycle.draining:
            return ["draining: the process was asked to stop"]
        try:
            await self._database.probe(PROBE_SECONDS)
        except Unavailable as error:
            away = self._database.primary.failing_for()
            if self._was_ready and away <= self._grace:
                return []
            cause = f" ({error.cause})" if error.cause else ""
            return [f"primary database unusable for {away:.1f} s{cause}"]
        if not self._schema_fits:
            try:
                behind = await schema.missing(self._database)
            except (Unavailable, asyncpg.PostgresError) as error:
                return [f"schema cannot be read ({type(error).__name__})"]
            if behind:
                return [f"schema lacks {', '.join(behind)}; run: slipway_api migrate"]
            self._schema_fits = True
        self._was_ready = True
        return []


def router(readiness: Readiness, version: str) -> APIRouter:
    """Return the routes of the probes."""
    api = APIRouter(prefix="/healthz", tags=["health"])
    ready: dict[str, Any] = {"content": {"application/json": {"schema": _READY}}}

    @api.get("/live", responses={200: {"description": "The process works."}})
    async def live() -> Response:
        """Whether the process works. Restart it if this does not answer."""
        return _json(200, {"status": "alive"})

    @api.get(
        "/ready",
        responses={
            200: {"description": "Send requests.", **ready},
            503: {"description": "Send none; `reasons` says why.", **ready},
        },
    )
    async def is_ready() -> Response:
        """Whether this instance should get requests."""
        reasons = await readiness.reasons()
        status = "not-ready" if reasons else "ready"
        body = {"status": status, "reasons": reasons, "version": version}
        return _json(503 if reasons else 200, body)

    return api


def _json(status: int, body: dict[str, Any]) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(orjson.dumps(body), status, headers, "application/json")
