"""Items: the resource this service exists for.

PostgreSQL makes the JSON text of an item, and that text is passed on as it is: no row becomes a
Python object only to become text again. The documented models are held to it by tests, which
validate every answer against /openapi.json.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from . import idempotency, identifiers, pagination, problems
from .database import Database

MAX_NAME = 200
# Whole numbers beyond this are not the same in every JSON reader (RFC 8259, section 6).
MAX_QUANTITY = 2**53 - 1
DEFAULT_LIMIT = 20
MAX_LIMIT = 100

_COLUMNS = "id, name, quantity, created_at, updated_at"

# Columns are always listed: a column that a later version adds must not appear in this version's
# answers while both run.
READ = (
    "SELECT pg_is_in_recovery(), (SELECT row_to_json(d)::text"
    f" FROM (SELECT {_COLUMNS} FROM items WHERE id = $1) d)"
)
LIST = (
    "SELECT pg_is_in_recovery(), count(*) > $2::int,"
    " array_to_string((array_agg(row_to_json(d)::text ORDER BY d.id))[:$2::int], ','),"
    " (array_agg(d.id ORDER BY d.id))[$2::int]"
    f" FROM (SELECT {_COLUMNS} FROM items WHERE id > $1 ORDER BY id LIMIT $2::int + 1) d"
)
_NEW = (
    "SELECT $1::uuid AS id, $2::text AS name, $3::bigint AS quantity,"
    " now() AS created_at, now() AS updated_at"
)
CREATE = (
    f"WITH d AS ({_NEW}), made AS (INSERT INTO items ({_COLUMNS}) SELECT {_COLUMNS} FROM d)"
    " SELECT row_to_json(d)::text FROM d"
)
CREATE_ONCE = (
    f"WITH d AS ({_NEW}),"
    " claim AS (INSERT INTO idempotency_keys AS k (key, fingerprint, item_id, document)"
    " SELECT $4, $5, d.id, row_to_json(d)::text FROM d"
    " ON CONFLICT (key) DO UPDATE SET replays = k.replays + 1"
    " RETURNING k.fingerprint, k.item_id, k.document, k.replays),"
    f" made AS (INSERT INTO items ({_COLUMNS})"
    " SELECT d.* FROM d, claim WHERE claim.replays = 0)"
    " SELECT fingerprint, item_id, document FROM claim"
)
REPLACE = (
    "WITH d AS (UPDATE items SET name = $2, quantity = $3, updated_at = now() WHERE id = $1"
    f" RETURNING {_COLUMNS}) SELECT row_to_json(d)::text FROM d"
)
DELETE = "DELETE FROM items WHERE id = $1 RETURNING id"

# What traces call the statements.
OPERATIONS = {
    READ: "items.read",
    LIST: "items.list",
    CREATE: "items.create",
    CREATE_ONCE: "items.create_once",
    REPLACE: "items.replace",
    DELETE: "items.delete",
}

_FIRST = UUID(int=0)


def _whole(value: Any) -> Any:
    """To JSON Schema 3.0 is an integer; to a strict reader of integers it is not."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class ItemInput(BaseModel):
    """What a client says about an item."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"title": "ItemInput"})

    name: Annotated[
        str,
        Field(
            strict=True,
            min_length=1,
            max_length=MAX_NAME,
            pattern=r"^[^\x00]*$",
            description="What it is called. Any characters except U+0000.",
            examples=["anchor chain"],
        ),
    ]
    quantity: Annotated[
        int,
        Field(strict=True, ge=0, le=MAX_QUANTITY, description="How many.", examples=[3]),
        BeforeValidator(_whole),
    ]


class Item(BaseModel):
    """An item as stored."""

    id: Annotated[UUID, Field(description="UUID version 7: sorts by time of creation.")]
    name: str
    quantity: Annotated[int, Field(ge=0, le=MAX_QUANTITY)]
    created_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    updated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Page(BaseModel):
    """One page of a list."""

    items: Annotated[list[Item], Field(max_length=MAX_LIMIT)]
    next_cursor: Annotated[
        str | None,
        Field(description="Give this as `cursor` to get the next page; null on the last one."),
    ]


_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_STRONG = (b"read-consistency", b"strong")
_EVENTUAL = (b"read-consistency", b"eventual")


class Document(Response):
    """An answer whose bytes are ready. Skips what Response does to find out its headers."""

    def __init__(self, body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
        self.status_code = status
        self.body = body
        self.background = None
        length = (b"content-length", str(len(body)).encode("ascii"))
        self.raw_headers = [_JSON, length, _NO_STORE, *headers]


class Items:
    """The operations, each one statement. They raise Problem for what the client can mend."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, item_id: str | UUID, eventual: bool) -> Response:
        row, replica = await self._select(eventual, READ, item_id)
        if row[1] is None:
            raise problems.not_found()
        return Document(row[1].encode(), _EVENTUAL if replica else _STRONG)

    async def page(self, limit: int, cursor: str | None, eventual: bool) -> Response:
        """Raises CursorError for a cursor that this service has not given out."""
        after = pagination.decode(cursor) if cursor is not None else _FIRST
        row, replica = await self._select(eventual, LIST, after, limit)
        _, more, documents, last = row
        following = f'"{pagination.encode(last)}"' if more else "null"
        body = f'{{"items":[{documents or ""}],"next_cursor":{following}}}'
        return Document(body.encode(), _EVENTUAL if replica else _STRONG)

    async def create(self, item: ItemInput, key: str | None) -> Response:
        new = identifiers.new()
        if key is None:
            row = await self._database.write(CREATE, new, item.name, item.quantity)
            return _created(new, row[0], replayed=False)  # type: ignore[index]

        print_ = idempotency.fingerprint("POST", "/v1/items", item.model_dump())
        row = await self._database.write(
            CREATE_ONCE, new, item.name, item.quantity, key, print_, repeatable=True
        )
        stored, item_id, document = row  # type: ignore[misc]
        if stored != print_:
            raise idempotency.mismatch()
        # If an earlier attempt of this very request was stored after all, the key's row has this
        # request's own identifier.
        return _created(item_id, document, replayed=item_id != new)

    async def replace(self, item_id: UUID, item: ItemInput) -> Response:
        row = await self._database.write(REPLACE, item_id, item.name, item.quantity)
        if row is None:
            raise problems.not_found()
        return Document(row[0].encode())

    async def delete(self, item_id: UUID) -> Response:
        if await self._database.write(DELETE, item_id) is None:
            raise problems.not_found()
        return Response(status_code=204)

    async def _select(self, eventual: bool, statement: str, *args: Any) -> tuple[Any, bool]:
        if eventual:
            return await self._database.read_eventual(statement, *args)
        return await self._database.read(statement, *args), False


def _created(item_id: UUID, document: str, *, replayed: bool) -> Response:
    headers = [(b"location", f"/v1/items/{item_id}".encode("ascii"))]
    if replayed:
        headers.append((idempotency.REPLAYED.lower().encode("ascii"), b"true"))
    return Document(document.encode(), *headers, status=201)
