"""The routes of /v1/items, as FastAPI declares and documents them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request
from starlette.responses import Response

from . import idempotency, pagination
from .items import DEFAULT_LIMIT, MAX_LIMIT, Item, ItemInput, Items, Page
from .problems import Problem, responses

Consistency = Annotated[
    Literal["strong", "eventual"],
    Header(
        description="`strong` reads from the primary and sees every earlier write. `eventual`"
        " allows a replica, which may be slightly behind; the answer's header of the same name"
        " says which it was."
    ),
]
ItemId = Annotated[UUID, Path(description="The item's `id`.")]
Key = Annotated[
    str | None,
    Header(
        alias=idempotency.HEADER,
        description="Makes the request safe to repeat: the same key with the same body creates"
        " one item and always gets the first answer; with another body it is refused (422).",
        json_schema_extra={"pattern": idempotency.PATTERN},
    ),
]
_LOCATION = {
    "Location": {"description": "Path of the item.", "schema": {"type": "string"}},
    idempotency.REPLAYED: {
        "description": "`true` when this is the answer to an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
# What any operation may answer; 413 and 415 only where there is a body.
_ALWAYS = (422, 500, 503)
_BODY = (400, 413, 415, 504, 507)


def router(items: Items) -> APIRouter:
    """Return the routes, working on ``items``."""
    api = APIRouter(prefix="/v1/items", tags=["items"])

    @api.post(
        "",
        status_code=201,
        response_model=Item,
        responses={**responses(*_ALWAYS, *_BODY), 201: {"headers": _LOCATION}},
    )
    async def create_item(request: Request, item: ItemInput, key: Key = None) -> Response:
        """Create an item."""
        # From the request, because a header given twice must be refused, not half read.
        values = request.headers.getlist(idempotency.HEADER)
        return await items.create(item, idempotency.key_of(values))

    @api.get("/{item_id}", response_model=Item, responses=responses(404, *_ALWAYS))
    async def read_item(item_id: ItemId, read_consistency: Consistency = "strong") -> Response:
        """Read one item."""
        return await items.read(item_id, read_consistency == "eventual")

    @api.get("", response_model=Page, responses=responses(400, *_ALWAYS))
    async def list_items(
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
        cursor: Annotated[
            str | None,
            Query(
                description="`next_cursor` of the page before; absent for the first page.",
                json_schema_extra={"pattern": pagination.PATTERN},
            ),
        ] = None,
        read_consistency: Consistency = "strong",
    ) -> Response:
        """List items in the order of their ids, which is that of their creation."""
        try:
            return await items.page(limit, cursor, read_consistency == "eventual")
        except pagination.CursorError as error:
            raise bad_cursor(error) from None

    @api.put("/{item_id}", response_model=Item, responses=responses(404, *_ALWAYS, *_BODY))
    async def replace_item(item_id: ItemId, item: ItemInput) -> Response:
        """Replace an item's name and quantity."""
        return await items.replace(item_id, item)

    @api.delete("/{item_id}", status_code=204, responses=responses(404, *_ALWAYS, 504, 507))
    async def delete_item(item_id: ItemId) -> Response:
        """Delete an item."""
        return await items.delete(item_id)

    return api


def bad_cursor(error: pagination.CursorError) -> Problem:
    return Problem(
        400,
        "bad-cursor",
        f"The cursor is not one this service has given out: {error}. Start again without one.",
        errors=[{"parameter": "cursor", "detail": str(error)}],
    )
