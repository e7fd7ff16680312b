"""Bring the schema to what this version needs; any number of processes may try at once.

Each migration runs in a transaction of its own that first takes an advisory lock *of the
transaction*: a lock of the session would stay behind on some other client's server connection when
a pooler works in transaction mode. Whoever gets the lock second finds the work recorded and goes
on to the next.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

import asyncpg

from . import schema
from .database import connect
from .pool import CONNECT_ERRORS, WrongServer, kind_of
from .schema import Migration, SchemaError
from .settings import Settings

log = logging.getLogger(__name__)

LOCK = 0x736C6970776179  # "slipway" in ASCII
# A change of a table waits for its running transactions, and everybody else waits behind it. Rather
# than stop the service for a long-running reader, give up and try again.
LOCK_TIMEOUT = "3s"
LOCK_ATTEMPTS = 20
# Somebody else has a table. Of two that wait for each other the server ends one, and that may be
# the migration.
BUSY = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
REPORT_SECONDS = 10.0


async def run(
    settings: Settings, phase: str, migrations: Sequence[Migration] | None = None
) -> list[str]:
    """Apply what is missing and return the names of what this call applied.

    ``phase`` "expand" applies expand migrations only; "contract" applies every missing one.
    Raises SchemaError when the database has a migration whose text differs from ours, when a
    contract migration would have to come first, or when no primary answered in time.
    """
    migrations = schema.load() if migrations is None else migrations
    connection = await _patiently(settings)
    try:
        applied: list[str] = []
        busy = 0
        while True:
            try:
                name = await _step(connection, settings.version, phase, migrations)
            except BUSY:
                busy += 1
                if busy == LOCK_ATTEMPTS:
                    raise SchemaError(
                        f"migrating: a table stayed in use through {busy} attempts;"
                        " look for long transactions in pg_stat_activity and run this again"
                    ) from None
                log.warning("a table is in use, trying again", extra={"attempt": busy})
                await asyncio.sleep(min(0.2 * busy, 2.0))
                continue
            if name is None:
                return applied
            log.info("migration applied", extra={"migration": name})
            applied.append(name)
    finally:
        await connection.close(timeout=5)


async def _step(
    connection: asyncpg.Connection, version: str, phase: str, migrations: Sequence[Migration]
) -> str | None:
    """Apply the first missing migration and return its name; None when none is missing."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(schema.TABLE)
        rows = await connection.fetch("SELECT version, name, checksum FROM schema_migrations")
        applied = {row["version"]: row for row in rows}
        _compare(migrations, applied)
        for migration in migrations:
            if migration.version in applied:
                continue
            if migration.phase == schema.CONTRACT and phase != schema.CONTRACT:
                _refuse_to_overtake(migration, migrations, applied)
                return None
            await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            try:
                await connection.execute(migration.sql)
            except BUSY:
                raise
            except asyncpg.PostgresError as error:
                # Without DETAIL, which quotes rows.
                text = f"{kind_of(error)}: {error.as_dict().get('message', '')}"
                raise SchemaError(
                    f"migrating: {migration} failed and was rolled back: {text}"
                ) from error
            await connection.execute(
                "INSERT INTO schema_migrations (version, name, phase, checksum, applied_by)"
                " VALUES ($1, $2, $3, $4, $5)",
                migration.version,
                migration.name,
                migration.phase,
                migration.checksum,
                version,
            )
            return str(migration)
    return None


def _compare(migrations: Sequence[Migration], applied: dict[int, asyncpg.Record]) -> None:
    """Refuse to go on when history was edited. Migrations of a later version are welcome: this
    may be the older of two that run side by side."""
    for migration in migrations:
        row = applied.get(migration.version)
        if row is not None and row["checksum"] != migration.checksum:
            raise SchemaError(
                f"migrating: {migration} was applied with another text (as {row['name']!r});"
                " restore the file as it was and put the change into a migration of its own"
            )


def _refuse_to_overtake(
    waiting: Migration, migrations: Sequence[Migration], applied: dict[int, asyncpg.Record]
) -> None:
    later = [
        str(m)
        for m in migrations
        if m.version > waiting.version and m.phase == schema.EXPAND and m.version not in applied
    ]
    if later:
        raise SchemaError(
            f"migrating: {later[0]} comes after {waiting}, which has not run; once no older version"
            " of the service is running, run: migrate --phase contract"
        )
    log.info("contract migration left for later", extra={"migration": str(waiting)})


async def _patiently(settings: Settings) -> asyncpg.Connection:
    """Connect to the primary, waiting for it to come up."""
    begun = reported = time.monotonic()
    pause = 0.1
    while True:
        try:
            return await connect(
                settings, settings.database_host, settings.database_port, primary=True
            )
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError):
            # Right after its creation a cluster answers before it has our role and database.
            reason = "role or database is missing"
        except (*CONNECT_ERRORS, WrongServer) as error:
            reason = kind_of(error)
        now = time.monotonic()
        if now - begun > settings.migrate_wait_seconds:
            raise SchemaError(
                f"migrating: no primary at {settings.database_host}:{settings.database_port}"
                f" after {now - begun:.0f} s ({reason}); is the database up, are role and password"
                " right?"
            )
        if now - reported > REPORT_SECONDS:
            log.info(
                "waiting for the database",
                extra={"reason": reason, "waited": round(now - begun)},
            )
            reported = now
        await asyncio.sleep(pause)
        pause = min(pause * 2, 1.0)
