"""Where a statement runs, and when it may run again.

Two pools: the primary for writes and consistent reads, a replica for reads whose client allows
old data. Each operation is one SQL statement, so that it is one transaction and one exchange
with the server, whatever pooler lies between.

How a demoted primary is noticed, all without an extra exchange per request:

- A connection is checked when it is made.
- Every read reports ``pg_is_in_recovery()`` in its first column and is thrown away if that is
  true, so a stale row is never served as a consistent one.
- A write on a read-only server fails by itself with SQLSTATE 25006.

Any of these drops the whole pool. What may be repeated: reads always; a write when the server
itself said that it did not commit, or when the write carries an idempotency key. Otherwise, a lost
connection means that nobody knows, and the caller is told exactly that.

Deadlines close the socket instead of cancelling the statement. PostgreSQL answers the cancellation
of a commit that waits for its synchronous replica by *reporting success*, and such a row can be
lost in a failover. A closed socket leaves it waiting, and us not acknowledging.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import asyncpg

from .pool import Overloaded, Pool, Unavailable, WrongServer, kind_of
from .settings import Settings

if TYPE_CHECKING:
    from .tracing import Statement, Tracing

log = logging.getLogger(__name__)

# The server says that it refuses or rolled back: nothing of the statement was stored.
READ_ONLY = "25006"
GOING_AWAY = {READ_ONLY, "57P01", "57P03"}
ROLLED_BACK = {"40001", "40P01"}
DISK_FULL = "53100"

LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CrashShutdownError,
    asyncpg.InternalClientError,
)

CHECK = (
    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',"
    " current_setting('TimeZone')"
)


_UNTRACED = nullcontext()


class OutcomeUnknown(Exception):
    """The connection was lost during a write; it may or may not have been stored."""


class Full(Exception):
    """The database has no room on its volume; nothing of the statement was stored."""


class _Again(Exception):
    """The attempt failed in a way that another one may heal.

    ``lost``: the answer never came, so the statement may have been carried out.
    """

    def __init__(self, reason: str, *, lost: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lost = lost


class Database:
    """The service's way to PostgreSQL."""

    def __init__(self, settings: Settings, traces: Tracing | None = None) -> None:
        self._settings = settings
        self._traces = traces
        self._loop: asyncio.AbstractEventLoop | None = None
        self.primary = self._pool("primary", settings.database_host, settings.database_port, True)
        self.replica: Pool | None = None
        if settings.database_replica_host:
            self.replica = self._pool(
                "replica", settings.database_replica_host, settings.database_replica_port, False
            )
        self.retries = 0
        self.unknown_outcomes = 0

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        for pool in self.pools():
            pool.start()

    async def stop(self) -> None:
        for pool in self.pools():
            await pool.stop()

    def pools(self) -> list[Pool]:
        return [self.primary, *([self.replica] if self.replica else [])]

    # -- operations -------------------------------------------------------------------------

    async def read(self, statement: str, *args: Any) -> asyncpg.Record:
        """Run a read on the primary.

        Its one row must have ``pg_is_in_recovery()`` as first column. Raises Unavailable when no
        primary answered in time.
        """
        row: asyncpg.Record = await self._persist(statement, args, repeatable=True, reading=True)
        return row

    async def read_eventual(self, statement: str, *args: Any) -> tuple[asyncpg.Record, bool]:
        """Run a read on a replica, or on the primary when no replica answers.

        Returns the row and whether it came from the replica endpoint.
        """
        pool = self.replica
        if pool is not None and (connection := pool.take()) is not None:
            try:
                with self._traced(pool, statement):
                    return await self._attempt(pool, connection, statement, args), True
            except _Again:
                pass
        elif pool is not None and pool.failing_since is None:
            # Busy, not broken: the next free connection is worth a short wait.
            try:
                with self._traced(pool, statement) as span:
                    connection = await self._wait(pool, self._now() + 0.25, span)
                    return await self._attempt(pool, connection, statement, args), True
            except (Unavailable, _Again):
                pass
        return await self.read(statement, *args), False

    async def write(
        self, statement: str, *args: Any, repeatable: bool = False
    ) -> asyncpg.Record | None:
        """Run a write on the primary and return its first row.

        ``repeatable`` says that running the statement twice is harmless. Raises Unavailable when
        nothing was stored, Full when there is no room to store it, and OutcomeUnknown when it is
        not known whether it was.
        """
        row: asyncpg.Record | None = await self._persist(
            statement, args, repeatable=repeatable, reading=False
        )
        return row

    async def probe(self, seconds: float) -> None:
        """Ask the primary whether it is one. Raises Unavailable unless it says so in time."""
        connection = self.primary.take()
        if connection is None:
            if self.primary.size and self.primary.failing_since is None:
                return  # every connection is at work, which is the best proof there is
            connection = await self.primary.wait(self._now() + seconds)
        try:
            await self._attempt(
                self.primary, connection, "SELECT pg_is_in_recovery()", (), True, seconds
            )
        except _Again as failure:
            raise Unavailable("the primary database does not answer", failure.reason) from None

    # -- attempts ---------------------------------------------------------------------------

    async def _persist(
        self,
        statement: str,
        args: tuple[Any, ...],
        *,
        repeatable: bool,
        reading: bool,
    ) -> Any:
        deadline = self._now() + self._settings.retry_seconds
        pool = self.primary
        # Why a write may have been stored, whatever becomes of the attempts after that one.
        lost = ""
        with self._traced(pool, statement) as span:
            while True:
                try:
                    connection = pool.take() or await self._wait(pool, deadline, span)
                    return await self._attempt(pool, connection, statement, args, reading)
                except _Again as failure:
                    if failure.lost and not reading:
                        lost = failure.reason
                    if lost and (not repeatable or self._now() >= deadline):
                        raise self._unknown(lost) from None
                    if self._now() >= deadline:
                        raise Unavailable(
                            "the primary database kept failing", failure.reason
                        ) from None
                    self.retries += 1
                    if span is not None:
                        span.retried = True
                except (Unavailable, Full):
                    if lost:
                        raise self._unknown(lost) from None
                    raise

    def _traced(self, pool: Pool, statement: str) -> AbstractContextManager[Statement | None]:
        """Return the span of a statement on ``pool``, or what stands for none."""
        if self._traces is None:
            return _UNTRACED
        return self._traces.statement(statement, pool.name) or _UNTRACED

    async def _wait(
        self, pool: Pool, deadline: float, span: Statement | None
    ) -> asyncpg.Connection:
        if span is None:
            return await pool.wait(deadline)
        begun = time.perf_counter()
        try:
            return await pool.wait(deadline)
        finally:
            span.waited += time.perf_counter() - begun

    def _unknown(self, reason: str) -> OutcomeUnknown:
        self.unknown_outcomes += 1
        return OutcomeUnknown(reason)

    async def _attempt(
        self,
        pool: Pool,
        connection: asyncpg.Connection,
        statement: str,
        args: tuple[Any, ...],
        reading: bool = False,
        seconds: float | None = None,
    ) -> Any:
        """Run one statement once. ``reading`` insists on an answer from a primary."""
        generation = pool.generation
        timer = self._loop.call_later(  # type: ignore[union-attr]
            seconds or self._settings.query_seconds, connection.terminate
        )
        try:
            # Any: a read has a row always, which a type cannot know; a write may have none.
            row: Any = await connection.fetchrow(statement, *args)
        except (*LOST, asyncpg.InterfaceError, asyncpg.PostgresError) as error:
            # A FATAL of the server arrives as the cause of the lost connection.
            cause = error.__cause__ if connection.is_closed() and error.__cause__ else error
            state = getattr(cause, "sqlstate", None) or ""
            if state in GOING_AWAY:
                pool.discard(connection)
                pool.drop(kind_of(cause), generation)
                raise _Again(kind_of(cause)) from None
            if connection.is_closed() or isinstance(error, LOST):
                pool.discard(connection)
                pool.drop(kind_of(cause), generation)
                raise _Again(kind_of(cause), lost=True) from None
            pool.give(connection)
            if state in ROLLED_BACK:
                raise _Again(kind_of(error)) from None
            if state == DISK_FULL:
                raise Full(kind_of(error)) from None
            raise
        except BaseException:
            pool.discard(connection)
            raise
        finally:
            timer.cancel()
        if reading and row[0]:
            pool.discard(connection)
            pool.drop("server is in recovery", generation)
            raise _Again("server is in recovery")
        pool.give(connection)
        return row

    def _now(self) -> float:
        return self._loop.time()  # type: ignore[union-attr]

    # -- connections ------------------------------------------------------------------------

    def _pool(self, name: str, host: str, port: int, primary: bool) -> Pool:
        settings = self._settings

        async def make() -> asyncpg.Connection:
            return await connect(settings, host, port, primary=primary)

        return Pool(
            name,
            make,
            minimum=settings.pool_min,
            maximum=settings.pool_max,
            queue=settings.pool_queue,
            lifetime=settings.connection_seconds,
            patience=settings.ready_grace_seconds,
        )


async def connect(settings: Settings, host: str, port: int, *, primary: bool) -> asyncpg.Connection:
    """Connect and check the server.

    Raises WrongServer when a primary was asked for and the server is not one, or when its session
    does not use UTC (documents carry the session's offset, and they are compared as text).
    """
    async with asyncio.timeout(settings.connect_seconds):
        connection = await asyncpg.connect(
            host=host,
            port=port,
            user=settings.database_user,
            password=await settings.password(),
            database=settings.database_name,
            ssl=settings.database_sslmode,
            statement_cache_size=settings.statement_cache,
            server_settings={"application_name": "slipway-api", "timezone": "UTC"},
        )
        try:
            # Any: this one has a row always.
            row: Any = await connection.fetchrow(CHECK)
            recovery, read_only, zone = row
            if primary and (recovery or read_only):
                raise WrongServer("server is in recovery" if recovery else "server is read-only")
            if zone != "UTC":
                raise WrongServer("session does not use UTC")
        except BaseException:
            connection.terminate()
            raise
    return connection


__all__ = ["Database", "Full", "OutcomeUnknown", "Overloaded", "Unavailable", "connect"]
