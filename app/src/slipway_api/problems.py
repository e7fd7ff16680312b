"""Errors as RFC 9457 problem details.

Every error leaves the service as ``application/problem+json``: those the routes raise, those the
framework raises (404, 405, validation) and those of the middleware (413, 415, 500). A problem says
what is wrong and what to do; it never repeats what the client sent, because that may be personal
data and problems end up in other people's logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
# A tag URI (RFC 4151): unique without promising that something answers there.
TYPE_PREFIX = "tag:slipway.dev,2026:problem/"

SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "An error, as defined by RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Which kind of error it is."},
        "title": {"type": "string", "description": "The kind of error in words."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What happened and what to do about it."},
        "errors": {
            "type": "array",
            "description": "What is wrong with the request, one entry per place.",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "detail": {"type": "string"},
                    "pointer": {
                        "type": "string",
                        "description": "JSON pointer (RFC 6901) into the request body.",
                    },
                    "parameter": {"type": "string", "description": "A query or path parameter."},
                    "header": {"type": "string", "description": "A request header."},
                },
            },
        },
    },
}


class Problem(HTTPException):
    """An error to be answered as it is.

    ``kind`` completes the type URI; an empty one means that the status says it all.
    """

    def __init__(
        self,
        status: int,
        kind: str = "",
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(status_code=status, detail=detail, headers=headers)
        self.kind = kind
        self.errors = errors

    def body(self) -> bytes:
        return render(self.status_code, self.kind, self.detail, self.errors)

    def response(self) -> Response:
        return Response(self.body(), self.status_code, self.headers, MEDIA_TYPE)


def render(
    status: int, kind: str = "", detail: str = "", errors: Sequence[Mapping[str, str]] = ()
) -> bytes:
    """Return the JSON text of a problem."""
    document: dict[str, Any] = {
        "type": TYPE_PREFIX + kind if kind else "about:blank",
        "title": kind.replace("-", " ").capitalize() if kind else HTTPStatus(status).phrase,
        "status": status,
    }
    if detail:
        document["detail"] = detail
    if errors:
        document["errors"] = list(errors)
    return orjson.dumps(document)


def not_found(detail: str = "There is no item with this id.") -> Problem:
    return Problem(404, "not-found", detail)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what routes, middleware and the framework raise on purpose."""
    if isinstance(error, Problem):
        return error.response()
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    details = {
        404: "Nothing is served at this path. /docs lists what is.",
        405: "This path does not support the method. The Allow header lists those it does.",
        400: "The request could not be read.",
    }
    detail = details.get(error.status_code, "")
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = _allowed(request) or headers.get("Allow", "")
    return Problem(error.status_code, detail=detail, headers=headers).response()


def _allowed(request: Request) -> str:
    """Return all methods of the path. The framework names only those of the first route that has
    the path, and each method is a route of its own."""
    template = getattr(request.scope.get("route"), "path", "")
    operations = request.app.openapi()["paths"].get(template, {})
    return ", ".join(sorted(method.upper() for method in operations))


async def on_validation_error(_: Request, error: Exception) -> Response:
    """Answer a request that does not match its declaration."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return Problem(400, "malformed-body", "The body is not valid JSON.").response()
    return Problem(
        422,
        "validation-failed",
        "The request does not match what /openapi.json declares for it; see errors.",
        errors=[_fault(fault) for fault in faults],
    ).response()


def _fault(fault: Mapping[str, Any]) -> dict[str, str]:
    place, *path = fault["loc"]
    # The parser of UUIDs quotes the character it stumbled over.
    uuid = fault["type"].startswith("uuid")
    entry = {"detail": "Input should be a UUID" if uuid else str(fault["msg"])}
    if place == "body":
        # A key the client made up is part of what it sent: point at its parent instead.
        known = path[:-1] if fault["type"] == "extra_forbidden" else path
        entry["pointer"] = "#" + "".join(f"/{part}" for part in known)
    elif place == "header":
        entry["header"] = "-".join(str(part) for part in path)
    else:
        entry["parameter"] = ".".join(str(part) for part in path)
    return entry


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI declaration of these errors for a route."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }
