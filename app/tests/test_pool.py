"""The connection pool against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from cluster import Pooler, Server
from service import Service, migrate
from slipway_api import pool as pool_module
from slipway_api.database import connect
from slipway_api.pool import Overloaded, Pool, Unavailable, WrongServer
from slipway_api.settings import Settings

pytestmark = pytest.mark.anyio


def settings_of(server: Server, **more: Any) -> Settings:
    return Settings(
        database_host="127.0.0.1", database_port=server.port, database_sslmode="disable", **more
    )


class Maker:
    """Makes pools, and stops them however the test ends."""

    def __init__(self) -> None:
        self.made: list[Pool] = []
        self.connections: list[asyncpg.Connection] = []

    def __call__(self, server: Server, **options: Any) -> Pool:
        settings = settings_of(server)

        async def one() -> asyncpg.Connection:
            connection = await connect(settings, "127.0.0.1", server.port, primary=True)
            self.connections.append(connection)
            return connection

        defaults = {"minimum": 1, "maximum": 3, "queue": 10, "lifetime": 600.0, "patience": 5.0}
        pool = Pool("test", one, **{**defaults, **options})
        pool.start()
        self.made.append(pool)
        return pool


@pytest.fixture
async def make() -> AsyncIterator[Maker]:
    maker = Maker()
    yield maker
    for pool in maker.made:
        await pool.stop()
    # A failing test keeps what it has borrowed, and uvloop waits for open connections.
    for connection in maker.connections:
        connection.terminate()


def soon(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


async def until(condition: Any, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_it_opens_the_minimum_and_never_more_than_the_maximum(
    postgres: Server, make: Maker
) -> None:
    pool = make(postgres, minimum=2, maximum=3)
    await until(lambda: pool.idle == 2)
    taken = [await pool.wait(soon(5)) for _ in range(1)] + [pool.take(), pool.take()]
    assert None not in taken
    assert pool.size == 3
    with pytest.raises(Unavailable):
        await pool.wait(soon(0.3))
    assert pool.size == 3
    for connection in taken:
        assert connection is not None
        pool.give(connection)
    assert (pool.size, pool.idle, pool.waiting) == (3, 3, 0)


async def test_a_connection_given_back_goes_to_who_waits_longest(
    postgres: Server, make: Maker
) -> None:
    pool = make(postgres, minimum=0, maximum=1)
    only = await pool.wait(soon(5))
    order: list[int] = []

    async def wait(number: int) -> None:
        connection = await pool.wait(soon(5))
        order.append(number)
        await asyncio.sleep(0)
        pool.give(connection)

    tasks = [asyncio.create_task(wait(n)) for n in range(5)]
    await until(lambda: pool.waiting == 5)
    pool.give(only)
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3, 4]


async def test_who_gives_up_waiting_costs_no_connection(postgres: Server, make: Maker) -> None:
    pool = make(postgres, minimum=0, maximum=1)
    only = await pool.wait(soon(5))
    waiting = asyncio.create_task(pool.wait(soon(5)))
    await until(lambda: pool.waiting == 1)
    pool.give(only)  # handed over, and cancelled before it runs
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pool.take() is only
    pool.give(only)


async def test_a_full_queue_refuses_at_once(postgres: Server, make: Maker) -> None:
    pool = make(postgres, minimum=0, maximum=1, queue=2)
    only = await pool.wait(soon(5))
    waiting = [asyncio.create_task(pool.wait(soon(5))) for _ in range(2)]
    await until(lambda: pool.waiting == 2)
    with pytest.raises(Overloaded):
        await pool.wait(soon(5))
    pool.give(only)
    pool.give(await waiting[0])
    pool.give(await waiting[1])


async def test_dropping_replaces_every_connection_once(postgres: Server, make: Maker) -> None:
    pool = make(postgres, minimum=2)
    await until(lambda: pool.idle == 2)
    borrowed = pool.take()
    assert borrowed is not None
    generation = pool.generation
    pool.drop("test", generation)
    assert pool.failing_since is not None
    await until(lambda: pool.idle == 2)
    assert pool.failing_since is None
    fresh = {pool.take(), pool.take()}
    assert borrowed not in fresh
    pool.drop("the same failure, seen by another request", generation)
    assert pool.drops == 1
    assert all(connection is not None and not connection.is_closed() for connection in fresh)
    pool.give(borrowed)
    assert borrowed.is_closed(), "a connection of before the drop must not come back"
    for connection in fresh:
        pool.give(connection)  # type: ignore[arg-type]


async def test_old_connections_are_replaced(postgres: Server, make: Maker) -> None:
    pool = make(postgres, minimum=1, lifetime=0.1)
    first = await pool.wait(soon(5))
    await asyncio.sleep(0.15)
    pool.give(first)
    assert pool.take() is None, "it was due"
    await until(first.is_closed)
    second = await pool.wait(soon(5))
    assert second is not first
    pool.give(second)


async def test_a_connection_that_the_server_closed_is_replaced_unasked(
    postgres: Server, make: Maker
) -> None:
    pool = make(postgres, minimum=1)
    await until(lambda: pool.idle == 1)
    first = pool.take()
    assert first is not None
    pid = first.get_server_pid()
    pool.give(first)
    other = await postgres.connect()
    await other.execute(f"SELECT pg_terminate_backend({pid})")
    await other.close()
    await until(first.is_closed)
    await until(lambda: pool.idle == 1)
    second = pool.take()
    assert second is not None
    assert second is not first
    pool.give(second)


async def test_a_connection_dropped_while_it_is_handed_over_is_not_used(
    postgres: Server, make: Maker
) -> None:
    pool = make(postgres, minimum=1, maximum=1)
    await until(lambda: pool.idle == 1)
    first = pool.take()
    assert first is not None
    waiting = asyncio.create_task(pool.wait(soon(60)))
    await until(lambda: pool.waiting == 1)
    pool.give(first)
    pool.drop("in the same turn of the loop", pool.generation)
    second = await waiting
    assert second is not first
    assert not second.is_closed()
    assert first.is_closed()
    pool.give(second)


async def test_an_error_that_nobody_foresaw_does_not_end_the_connecting(
    postgres: Server,
) -> None:
    faults: list[Exception] = [asyncpg.InternalClientError("cut"), UnicodeError("password")]

    async def sometimes() -> asyncpg.Connection:
        if faults:
            raise faults.pop()
        return await postgres.connect()

    pool = Pool("test", sometimes, minimum=1, maximum=1, queue=9, lifetime=60, patience=60)
    pool.start()
    try:
        pool.give(await pool.wait(soon(60)))
        assert pool.failures == 2
    finally:
        await pool.stop()


async def test_the_backoff_grows_to_a_bound_and_one_connects_at_a_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool_module, "LONGEST_PAUSE", 0.2)
    attempts: list[float] = []
    running = 0

    async def fail() -> asyncpg.Connection:
        nonlocal running
        running += 1
        assert running == 1
        attempts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.01)
        running -= 1
        raise OSError("refused")

    pool = Pool("test", fail, minimum=3, maximum=9, queue=99, lifetime=1, patience=0.2)
    pool.start()
    waiting = [asyncio.create_task(pool.wait(soon(0.1))) for _ in range(20)]
    for task in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(task, Unavailable)
    try:
        await until(lambda: len(attempts) > 8, 60)
        pauses = [r.pause for r in caplog.records if r.getMessage() == "connecting failed"]  # type: ignore[attr-defined]
        assert pauses[:5] == [0.05, 0.1, 0.2, 0.2, 0.2]
        # Half to all of a pause, and however long the machine takes to notice its end.
        for pause, (a, b) in zip(pauses, pairwise(attempts), strict=False):
            assert b - a >= pause / 2
        async with asyncio.timeout(60):  # patience was over long ago
            with pytest.raises(Unavailable):
                await pool.wait(soon(3600))
    finally:
        await pool.stop()


async def test_a_standby_is_no_primary(postgres: Server) -> None:
    standby = postgres.standby()
    try:
        settings = settings_of(standby)
        with pytest.raises(WrongServer, match="in recovery"):
            await connect(settings, "127.0.0.1", standby.port, primary=True)
        connection = await connect(settings, "127.0.0.1", standby.port, primary=False)
        await connection.close()
    finally:
        standby.remove()


@pytest.mark.parametrize("cache", [0, 100])
async def test_statements_through_a_pooler_in_transaction_mode(cache: int) -> None:
    """Without a statement cache everything works; with one only from PgBouncer 1.21 on, and with
    older ones it fails, which is why 0 is the default."""
    works = cache == 0 or Pooler.version() >= (1, 21)
    server = Server.create()
    pooler = Pooler(server.port, {"default_pool_size": "2"})
    pooler.start()
    try:
        assert migrate(pooler.port).returncode == 0
        settings = Settings(
            database_host="127.0.0.1",
            database_port=pooler.port,
            database_sslmode="disable",
            statement_cache=cache,
            pool_min=8,
            pool_max=8,
        )
        ours = await connect(settings, "127.0.0.1", pooler.port, primary=True)
        other = await connect(settings, "127.0.0.1", pooler.port, primary=True)
        assert await ours.fetchval("SELECT $1::int + 1", 1) == 2
        # A transaction of somebody else takes the server connection that ours was served by.
        await other.execute("BEGIN")
        try:
            again = await ours.fetchval("SELECT $1::int + 1", 1)
        except asyncpg.InvalidSQLStatementNameError:
            again = None
        assert again == (2 if works else None)
        ours.terminate()
        other.terminate()
    finally:
        pooler.remove()
        server.remove()


def test_the_service_works_through_a_pooler(postgres: Server) -> None:
    import httpx

    pooler = Pooler(postgres.port)
    pooler.start()
    try:
        with Service(pooler.port) as service:
            service.wait_ready()
            with httpx.Client(base_url=service.url) as client:
                for number in range(20):
                    headers = {"Idempotency-Key": f"pooled {number}".replace(" ", "-")}
                    body = {"name": "x", "quantity": number}
                    made = client.post("/v1/items", json=body, headers=headers)
                    assert made.status_code == 201
                    read = client.get(made.headers["location"])
                    assert read.json()["quantity"] == number
                    assert read.json()["created_at"].endswith("+00:00"), "the session is in UTC"
    finally:
        pooler.remove()
