"""What the failures of lower layers mean to a client."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from .database import Full, OutcomeUnknown, Overloaded, Unavailable
from .problems import Problem

EXPECTED = (Problem, Unavailable, OutcomeUnknown, Full)


def problem_of(error: BaseException) -> Problem:
    """Return the problem that answers one of the EXPECTED failures."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Overloaded):
        return Problem(
            503,
            "overloaded",
            "Too many requests wait for the database. Nothing was stored; try again.",
            headers={"Retry-After": "1"},
        )
    if isinstance(error, OutcomeUnknown):
        return Problem(
            504,
            "outcome-unknown",
            "The database was lost while it worked on this request: it may or may not have been"
            " carried out. Repeat it with the same Idempotency-Key if it had one; otherwise look"
            " first.",
            headers={"Retry-After": "2"},
        )
    if isinstance(error, Full):
        return Problem(
            507,
            "database-full",
            "The database has no room left. Nothing was stored, and trying again will not help"
            " until its operators have made room; what is stored can still be read.",
        )
    return Problem(
        503,
        "database-unavailable",
        "The database does not answer at the moment. Nothing was stored; try again.",
        headers={"Retry-After": "2"},
    )


async def on_failure(_: Request, error: Exception) -> Response:
    return problem_of(error).response()


async def on_bug(_: Request, __: Exception) -> Response:
    detail = "The service failed to answer. The X-Request-Id of this answer leads to its log."
    return Problem(500, detail=detail).response()
