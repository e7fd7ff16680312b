"""The measure: the same SQL and JSON over the same server, and nothing else.

No routing table, validation, request id, metrics, access log, failover or error handling. What
the service is measured against; not to be used for anything.

``python bench/bare.py asyncpg`` uses asyncpg's pool (without its reset query, which would cost
another exchange per request), ``... lean`` a plain list of connections.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from slipway_api import identifiers, items, settings
from slipway_api.server import configure


async def _keep(_: asyncpg.Connection) -> None:
    """Stands for asyncpg's reset."""


def create(configured: settings.Settings, lean: bool) -> Any:
    connections: list[asyncpg.Connection] = []
    pool: Any = None

    async def start() -> None:
        nonlocal pool
        arguments = {
            "host": configured.database_host,
            "port": configured.database_port,
            "user": configured.database_user,
            "database": configured.database_name,
            "ssl": configured.database_sslmode,
            "statement_cache_size": configured.statement_cache,
            "server_settings": {"timezone": "UTC"},
        }
        size = configured.pool_max
        if lean:
            # Twice as many: requests of a load run that just ended may still be at work, and this
            # list cannot wait.
            connections.extend([await asyncpg.connect(**arguments) for _ in range(2 * size)])
        else:
            pool = await asyncpg.create_pool(min_size=size, max_size=size, reset=_keep, **arguments)

    async def row(statement: str, *args: Any) -> Any:
        if not lean:
            return await pool.fetchrow(statement, *args)
        connection = connections.pop()
        try:
            return await connection.fetchrow(statement, *args)
        finally:
            connections.append(connection)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        status = 200
        if scope["method"] == "POST":
            said = b""
            while True:
                part = await receive()
                said += part["body"]
                if not part["more_body"]:
                    break
            item = orjson.loads(said)
            new = identifiers.new()
            body = (await row(items.CREATE, new, item["name"], item["quantity"]))[0].encode()
            status = 201
        elif scope["path"] == "/v1/items":
            _, _, documents, _ = await row(items.LIST, items._FIRST, 20)
            body = b'{"items":[' + documents.encode() + b'],"next_cursor":null}'
        else:
            body = (await row(items.READ, scope["path"][10:]))[1].encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    found, _ = settings.load()
    uvicorn.Server(configure(create(found, sys.argv[1] == "lean"), found)).run()
