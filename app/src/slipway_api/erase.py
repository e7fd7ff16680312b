"""``python -m slipway_api.erase``: erase what the database holds about a person.

The subject comes from standard input: a command line is seen by everybody in the container. It is
compared here and never sent to the database, whose logs may quote statements. What was counted is
printed as one JSON object, and nothing of what was found.

Exit codes as of ``python -m slipway_api``: 0 done, 1 failed, 2 wrong usage, settings or subject.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson

from . import settings
from .database import connect
from .pool import CONNECT_ERRORS, WrongServer, kind_of
from .settings import Settings
from .subject import Subject, SubjectError

# How many rows are fetched at once.
BATCH = 1000

# What is searched: table, the identifier of a row that we made and that may be told the database,
# and the columns that clients decide. A key of one attempt has an item_id of its own.
PLACES = (
    ("items", "id", ("name",)),
    ("idempotency_keys", "item_id", ("key", "document")),
)


async def run(configured: Settings, subject: Subject, *, search: bool) -> dict[str, dict[str, int]]:
    """Erase the rows that hold the subject, or only count them; return counts by table.

    All of it is one transaction: after a failure nothing is erased, and it can be run again.
    """
    connection = await connect(
        configured, configured.database_host, configured.database_port, primary=True
    )
    try:
        counts: dict[str, dict[str, int]] = {}
        async with connection.transaction():
            for table, key, columns in PLACES:
                found = [row async for row in _holding(connection, table, key, columns, subject)]
                erased = 0
                if not search:
                    for at in range(0, len(found), BATCH):
                        part = found[at : at + BATCH]
                        erased += await _erase(connection, table, key, columns, subject, part)
                counts[table] = {"found": len(found), "erased": erased}
        return counts
    finally:
        await connection.close(timeout=5)


async def _holding(
    connection: asyncpg.Connection, table: str, key: str, columns: tuple[str, ...], subject: Subject
) -> AsyncIterator[Any]:
    """Yield the keys of the rows that hold the subject.

    By a cursor in SQL: asyncpg's own needs a named statement, which a pooler in transaction mode
    leaves on the server for the next client to stumble over.
    """
    statement = f"SELECT {key} AS k, {', '.join(columns)} FROM {table}"  # noqa: S608 - constants
    await connection.execute(f"DECLARE erase_{table} NO SCROLL CURSOR FOR {statement}")
    while rows := await connection.fetch(f"FETCH {BATCH} FROM erase_{table}"):
        for row in rows:
            if any(subject.within(row[column]) for column in columns):
                yield row["k"]


async def _erase(
    connection: asyncpg.Connection,
    table: str,
    key: str,
    columns: tuple[str, ...],
    subject: Subject,
    keys: list[Any],
) -> int:
    """Delete those of the rows that still hold the subject: a client may have changed one since."""
    rows = await connection.fetch(
        f"SELECT {key} AS k, {', '.join(columns)} FROM {table}"  # noqa: S608 - constants
        f" WHERE {key} = ANY($1) ORDER BY {key} FOR UPDATE",
        keys,
    )
    holding = [r["k"] for r in rows if any(subject.within(r[column]) for column in columns)]
    gone = await connection.fetch(
        f"DELETE FROM {table} WHERE {key} = ANY($1) RETURNING true",  # noqa: S608 - constants
        holding,
    )
    return len(gone)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="slipway_api.erase", description="Erase what is about the subject on standard input."
    )
    parser.add_argument("--search", action="store_true", help="count only, and change nothing")
    options, more = parser.parse_known_args(arguments)
    if more:
        # The parser's own complaint would repeat them.
        return _fail("takes no arguments: the subject is read from standard input", 2)
    try:
        subject = Subject(sys.stdin.buffer.read(65536).decode())
        configured, _ = settings.load()
    except UnicodeDecodeError:
        return _fail("the subject must be one line of UTF-8", 2)
    except (SubjectError, settings.SettingsError) as error:
        return _fail(str(error), 2)
    os.nice(10)  # whoever is being served comes first
    try:
        counts = asyncio.run(run(configured, subject, search=options.search))
    except (*CONNECT_ERRORS, WrongServer) as error:
        # Without the text, which may quote rows.
        return _fail(f"the database failed and nothing was erased ({kind_of(error)}); try again", 1)
    sys.stdout.buffer.write(orjson.dumps(counts) + b"\n")
    return 0


def _fail(text: str, code: int) -> int:
    sys.stderr.write(f"slipway_api.erase: {text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
