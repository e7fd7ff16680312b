"""Connections to one database endpoint.

A pool of our own, because what matters here is not what asyncpg's pool is made for:

- Every connection is checked when it is made, and all of them are dropped together at the first
  sign that their server is no longer what it was (a demoted primary, a shutdown).
- Connecting is the work of one task per pool, with a bounded, jittered backoff. Requests wait for
  its result; they never connect themselves, so an outage ends without a stampede.
- Taking an idle connection and giving it back is two list operations. asyncpg's pool takes 25 µs
  for the same, a third of what a whole one-row read costs.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

log = logging.getLogger(__name__)

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0

CONNECT_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What asyncpg raises when the server's farewell arrives between two of its messages.
    asyncpg.InternalClientError,
)


class WrongServer(Exception):
    """The endpoint answered, but it is not a server this pool may use."""


class Unavailable(Exception):
    """No connection could be had. ``cause`` names the last error's kind, never its text."""

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message)
        self.cause = cause


class Overloaded(Unavailable):
    """Too many requests wait for a connection already."""


class Pool:
    """At most ``maximum`` connections, at least ``minimum`` of them kept open.

    ``connect`` makes one connection and raises if the server behind it is not acceptable.
    ``lifetime`` is the age in seconds at which a connection is replaced; each gets up to a tenth
    less, so that they are not all replaced at once. After ``patience`` seconds without the
    endpoint, requests are refused at once instead of waiting for their deadline.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Awaitable[asyncpg.Connection]],
        *,
        minimum: int,
        maximum: int,
        queue: int,
        lifetime: float,
        patience: float,
    ) -> None:
        self.name = name
        self._connect = connect
        self._minimum = minimum
        self._maximum = maximum
        self._queue = queue
        self._lifetime = lifetime
        self._patience = patience
        # Connection -> loop time at which it is due for replacement. What is not in here is not
        # ours any more: it is closed when it comes back.
        self._live: dict[asyncpg.Connection, float] = {}
        self._idle: list[asyncpg.Connection] = []
        self._waiters: deque[asyncio.Future[asyncpg.Connection]] = deque()
        self._wake = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failing_since: float | None = None
        """Loop time since when the endpoint has been unusable; None while it is fine."""
        self.last_failure = ""
        self.generation = 0
        self.drops = 0
        self.failures = 0

    # -- what requests call -----------------------------------------------------------------

    def take(self) -> asyncpg.Connection | None:
        """Return an idle connection at once, or None. The caller must ``give`` it back."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._forget(connection)
        return None

    async def wait(self, deadline: float) -> asyncpg.Connection:
        """Return a connection as soon as there is one, by loop time ``deadline`` at the latest.
        For use after ``take`` had none.

        Raises Overloaded when too many wait already, Unavailable at the deadline, or at once
        when the endpoint has been away for longer than the pool's patience.
        """
        while True:
            connection = await self._handed_over(deadline)
            # It may have been dropped with all others in the turn in which it was handed over.
            if connection in self._live and not connection.is_closed():
                return connection
            self.discard(connection)

    async def _handed_over(self, deadline: float) -> asyncpg.Connection:
        loop = self._running()
        if self.failing_since is not None and loop.time() - self.failing_since > self._patience:
            raise Unavailable(f"the {self.name} database is away", self.last_failure)
        if len(self._waiters) >= self._queue:
            raise Overloaded(f"too many requests wait for the {self.name} database")
        waiter: asyncio.Future[asyncpg.Connection] = loop.create_future()
        self._waiters.append(waiter)
        self._wake.set()
        timer = loop.call_at(deadline, self._expire, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            # The connection may have been handed over in the same turn of the loop.
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.give(waiter.result())
            raise
        finally:
            timer.cancel()

    def give(self, connection: asyncpg.Connection) -> None:
        """Take a connection back, for the next one who waits or for later."""
        due = self._live.get(connection)
        if due is None or connection.is_closed():
            self.discard(connection)
            return
        if self._running().time() > due:
            self._retire(connection)
            return
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def discard(self, connection: asyncpg.Connection) -> None:
        """Close a connection of unknown state without a word to the server."""
        self._live.pop(connection, None)
        connection.terminate()
        self._wake.set()

    def drop(self, reason: str, generation: int) -> None:
        """Stop using every connection there is: idle ones close here, borrowed ones when they
        come back. The keeper connects anew and checks what it finds.

        ``generation`` is what the pool's was when the failed connection was taken. When ten
        requests fail on one dead server, the first drops the pool; the other nine must not drop
        the fresh connections that replaced it."""
        if generation != self.generation:
            return
        self.generation += 1
        self.drops += 1
        self._failed(reason)
        log.warning(
            "dropping all connections",
            extra={"pool": self.name, "reason": reason, "connections": len(self._live)},
        )
        idle, self._idle = self._idle, []
        self._live.clear()
        for connection in idle:
            connection.terminate()
        self._wake.set()

    # -- what the process calls -------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect, in the background: a service that waited for its database could
        neither answer its liveness probe nor say what it waits for."""
        self._keeper = self._running().create_task(self._keep(), name=f"keep {self.name} pool")

    async def stop(self) -> None:
        """Close every connection, also those in use, and refuse whoever still waits."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(Unavailable(f"the {self.name} pool is closing"))
        idle, self._idle = self._idle, []
        for connection in idle:
            self._retire(connection)
        for connection in list(self._live):
            self.discard(connection)
        if self._retiring:
            await asyncio.gather(*self._retiring, return_exceptions=True)

    @property
    def size(self) -> int:
        return len(self._live)

    @property
    def idle(self) -> int:
        # One that the server has just closed is in the list until the loop's next turn.
        return sum(not connection.is_closed() for connection in self._idle)

    @property
    def waiting(self) -> int:
        return sum(not waiter.done() for waiter in self._waiters)

    def failing_for(self) -> float:
        """Seconds for which the endpoint has been unusable; 0 while it is fine."""
        if self.failing_since is None:
            return 0.0
        return self._running().time() - self.failing_since

    # -- how it works -----------------------------------------------------------------------

    async def _keep(self) -> None:
        """Connect whenever a connection is wanted, for as long as the pool lives."""
        pause = FIRST_PAUSE
        while True:
            if not self._wanting():
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                connection = await self._connect()
            except Exception as error:  # whatever it is: nobody else connects
                self.failures += 1
                self._failed(kind_of(error))
                log.warning(
                    "connecting failed",
                    extra={"pool": self.name, "reason": self.last_failure, "pause": pause},
                )
                # Half to all of the pause: instances that failed together spread out.
                await asyncio.sleep(pause * (0.5 + random.random() / 2))
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            self._admit(connection)

    def _wanting(self) -> bool:
        while self._waiters and self._waiters[0].done():
            self._waiters.popleft()
        if len(self._live) < self._minimum:
            return True
        if self.failing_since is not None and not self._live:
            return True  # nobody may be waiting, but whoever asks wants to know when it is back
        return bool(self._waiters) and len(self._live) < self._maximum

    def _admit(self, connection: asyncpg.Connection) -> None:
        if self.failing_since is not None:
            log.info(
                "connected again", extra={"pool": self.name, "after": round(self.failing_for(), 3)}
            )
            self.failing_since = None
        lifetime = self._lifetime * (1 - random.random() / 10)
        self._live[connection] = self._running().time() + lifetime
        connection.add_termination_listener(self._on_termination)
        self.give(connection)

    def _on_termination(self, closed: asyncpg.Connection | PoolConnectionProxy) -> None:
        """The server, or we, closed a connection: make up for it without waiting for a request
        to stumble over it."""
        # The proxies are those of asyncpg's own pool, which nobody here uses.
        connection = cast("asyncpg.Connection", closed)
        self._forget(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _forget(self, connection: asyncpg.Connection) -> None:
        self._live.pop(connection, None)
        self._wake.set()

    def _retire(self, connection: asyncpg.Connection) -> None:
        self._live.pop(connection, None)
        task = self._running().create_task(_close(connection))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        self._wake.set()

    def _failed(self, reason: str) -> None:
        self.last_failure = reason
        if self.failing_since is None:
            self.failing_since = self._running().time()

    def _expire(self, waiter: asyncio.Future[asyncpg.Connection]) -> None:
        if not waiter.done():
            waiter.set_exception(
                Unavailable(f"no connection to the {self.name} database", self.last_failure)
            )

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=1.0)
    except CONNECT_ERRORS:
        connection.terminate()


def kind_of(error: BaseException) -> str:
    """Name an error without its text, which may quote data: its class and, if any, SQLSTATE."""
    state = getattr(error, "sqlstate", None)
    name = type(error).__name__
    if isinstance(error, WrongServer):
        return f"{name}: {error}"
    return f"{name} {state}" if state else name
