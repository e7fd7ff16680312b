"""The short way for the plain requests.

FastAPI resolves dependencies, opens exit stacks and checks telemetry for every request; for a
one-row read that is more work than the read. So the two reads and the creation are recognised
here, by exact patterns, and answered by the same functions that the FastAPI routes call. Whatever
does not match to the letter (another spelling of a UUID, an unknown parameter, a bad limit, a body
that is not valid) goes the long way, which alone knows how to refuse things. Tests send the same
requests both ways and compare answers.
"""

from __future__ import annotations

import re
from types import SimpleNamespace

from pydantic import ValidationError
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import failures, idempotency, pagination
from .items import DEFAULT_LIMIT, MAX_LIMIT, ItemInput, Items

ITEMS = "/v1/items"
_ITEM = re.compile(r"/v1/items/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")
_QUERY = re.compile(
    rb"(?:limit=([1-9][0-9]{0,2}))?(?:(?:^|(?<=.)&)cursor=([A-Za-z0-9_-]{1,64}))?", re.DOTALL
)
# The access log and the metrics name the route by its template, as for FastAPI's own.
_ITEM_ROUTE = SimpleNamespace(path="/v1/items/{item_id}")
_LIST_ROUTE = SimpleNamespace(path=ITEMS)
_KEY = idempotency.HEADER.lower().encode("ascii")


class Lane:
    """Answers plain requests itself and leaves the rest to ``app``.

    ``limit`` is the largest body in bytes that is read here.
    """

    def __init__(self, app: ASGIApp, items: Items, limit: int) -> None:
        self._app = app
        self._items = items
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["method"] == "GET":
                response = await self._read(scope)
                if response is not None:
                    await response(scope, receive, send)
                    return
            elif scope["method"] == "POST" and scope["path"] == ITEMS and self._takes(scope):
                await self._create(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _read(self, scope: Scope) -> Response | None:
        path = scope["path"]
        item = _ITEM.fullmatch(path)
        if item is None and path != ITEMS:
            return None
        eventual = False
        for name, value in scope["headers"]:
            if name == b"read-consistency":
                if value not in (b"strong", b"eventual"):
                    return None
                eventual = value == b"eventual"
        try:
            if item is not None:
                if scope["query_string"]:
                    return None
                scope["route"] = _ITEM_ROUTE
                return await self._items.read(item[1], eventual)
            query = _QUERY.fullmatch(scope["query_string"])
            if query is None:
                return None
            limit = int(query[1]) if query[1] else DEFAULT_LIMIT
            if limit > MAX_LIMIT:
                return None
            cursor = query[2].decode("ascii") if query[2] else None
            scope["route"] = _LIST_ROUTE
            return await self._items.page(limit, cursor, eventual)
        except pagination.CursorError:
            return None
        except failures.EXPECTED as error:
            return failures.problem_of(error).response()

    def _takes(self, scope: Scope) -> bool:
        """Whether the body is JSON of a known length within the limit."""
        length = 0
        plain = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = int(value)
            elif name == b"content-type":
                plain = value == b"application/json"
            elif name in (b"transfer-encoding", b"content-encoding"):
                return False
        return plain and 0 < length <= self._limit and not scope["query_string"]

    async def _create(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts: list[Message] = []
        while True:
            part = await receive()
            parts.append(part)
            if part["type"] != "http.request":
                return  # the client has gone before it had said all
            if not part.get("more_body"):
                break
        try:
            item = ItemInput.model_validate_json(b"".join(part["body"] for part in parts))
        except ValidationError:
            await self._app(scope, _again(parts, receive), send)
            return
        keys = [value.decode("latin-1") for name, value in scope["headers"] if name == _KEY]
        scope["route"] = _LIST_ROUTE
        try:
            response = await self._items.create(item, idempotency.key_of(keys))
        except failures.EXPECTED as error:
            response = failures.problem_of(error).response()
        await response(scope, receive, send)


def _again(parts: list[Message], receive: Receive) -> Receive:
    """Return a ``receive`` that says once more what was read already."""
    left = iter(parts)

    async def replay() -> Message:
        part = next(left, None)
        return part if part is not None else await receive()

    return replay
