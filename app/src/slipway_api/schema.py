"""Migrations: numbered SQL files, and what is recorded of them in the database.

A file ``NNNN_name.sql`` starts with the line ``-- phase: expand`` or ``-- phase: contract``.

- *expand* adds, and leaves everything in place that the version before needs. It runs before the
  new version starts, while the old one still works on the same schema.
- *contract* takes away what no running version uses any more. It runs only when asked for, after
  the last instance of the old version has gone.

So at any time two neighbouring versions work side by side, and rolling the service back needs no
rollback of the schema.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from .database import Database

EXPAND = "expand"
CONTRACT = "contract"
_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_PHASE = re.compile(r"-- phase: (expand|contract)\n")

TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    phase      text        NOT NULL,
    checksum   text        NOT NULL,
    applied_by text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
APPLIED = (
    "SELECT pg_is_in_recovery(), coalesce((SELECT array_agg(version) FROM schema_migrations), '{}')"
)


class SchemaError(Exception):
    """The migrations are not what they should be; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    phase: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.version:04d}_{self.name}"


def load(directory: Traversable | None = None) -> list[Migration]:
    """Return the migrations of this version (or of ``directory``) in order.

    Raises SchemaError for a file that is misnamed, has no phase, or leaves a gap in the numbers:
    a gap is usually a file that was not committed.
    """
    directory = directory or resources.files(__package__) / "migrations"
    found: list[Migration] = []
    faults: list[str] = []
    for file in sorted(directory.iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        name = _NAME.fullmatch(file.name)
        sql = file.read_text("utf-8")
        phase = _PHASE.match(sql)
        if name is None:
            faults.append(f"{file.name}: must be named NNNN_name.sql")
        elif phase is None:
            faults.append(f"{file.name}: must start with '-- phase: expand' or '... contract'")
        else:
            found.append(Migration(int(name[1]), name[2], phase[1], sql))
    expected = list(range(1, len(found) + 1))
    if not faults and [migration.version for migration in found] != expected:
        faults.append("the numbers must run from 0001 without gap or repetition")
    if faults:
        raise SchemaError("reading migrations: " + "; ".join(faults))
    return found


async def missing(database: Database) -> list[str]:
    """Return the expand migrations of this version that the database does not have."""
    row = await database.read(APPLIED)
    return [str(m) for m in load() if m.phase == EXPAND and m.version not in row[1]]
