"""Idempotency-Key: the same request sent twice is carried out once.

The key is stored by the very statement that stores the item, so both exist or neither does.

- Same key, same request: the first answer again, with ``Idempotency-Replayed: true``.
- Same key, other request: 422, as in the IETF draft ("The Idempotency-Key HTTP Header Field").
- Two at once: the second waits on the first one's row and then gets its answer. The draft would
  allow a 409 here; waiting spares every client a loop.

A replay increments a counter. That is not statistics: it makes the replay a write, so that its
commit waits for the synchronous replica behind the original's commit in the log. A replay that
only read could acknowledge a row that is not replicated yet and is lost in a failover.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson

from .database import Database
from .problems import Problem

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_LENGTH = 255
PATTERN = r"^[\x21-\x7e]{1,255}$"
_KEY = re.compile(PATTERN)

PURGE = (
    "DELETE FROM idempotency_keys WHERE key IN (SELECT key FROM idempotency_keys"
    " WHERE created_at < now() - make_interval(hours => $1) ORDER BY created_at"
    " LIMIT 1000 FOR UPDATE SKIP LOCKED) RETURNING key"
)


def key_of(values: list[str]) -> str | None:
    """Return the key of a request from all values of its header; None without one.

    The draft writes the key as a quoted string, most clients send it bare; both are the same key.
    Raises Problem (400) when the header is there but holds no usable key.
    """
    if not values:
        return None
    key = values[0]
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if len(values) > 1 or not _KEY.match(key):
        raise Problem(
            400,
            "invalid-idempotency-key",
            f"{HEADER} must be given once, with 1 to {MAX_LENGTH} printable ASCII characters"
            " and no spaces; a UUID is a good choice.",
            errors=[{"header": HEADER, "detail": "not a usable key"}],
        )
    return key


def fingerprint(method: str, path: str, document: Any) -> bytes:
    """Return what tells one request from another.

    Of the decoded document, not of its bytes: white space and the order of members do not make
    another request.
    """
    canonical = orjson.dumps([method, path, document], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).digest()


def mismatch() -> Problem:
    return Problem(
        422,
        "idempotency-key-reused",
        f"This {HEADER} was used for a different request. Use a fresh key for each new request,"
        " and repeat one only with the same body.",
        errors=[{"header": HEADER, "detail": "used before with another body"}],
    )


async def purge(database: Database, hours: int) -> int:
    """Forget keys older than ``hours``, a thousand per statement; return how many."""
    total = 0
    statement = f"WITH gone AS ({PURGE}) SELECT count(*) FROM gone"  # noqa: S608 - constants only
    while True:
        row = await database.write(statement, hours, repeatable=True)
        count = row[0] if row else 0
        total += count
        if count < 1000:
            return total
