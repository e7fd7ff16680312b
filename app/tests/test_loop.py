"""Nothing blocks the event loop.

An audit hook sees what Python does that may block (opening files, resolving names, connecting,
sleeping, starting processes); none of it may happen on the loop's thread while requests are
answered. And the loop must keep its beat under load.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from cluster import Server
from slipway_api import app
from slipway_api.logs import LineWriter
from slipway_api.middleware import Lifecycle
from slipway_api.settings import Settings

pytestmark = pytest.mark.anyio

BLOCKING = {
    "open",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "time.sleep",
    "subprocess.Popen",
    "os.system",
    "os.listdir",
    "os.scandir",
    "shutil.copyfile",
    "sqlite3.connect",
    "urllib.Request",
}
_caught: list[str] = []
_watched: int | None = None


def _hook(event: str, args: tuple[Any, ...]) -> None:
    # A hook cannot be removed, so it is told when to look.
    if event in BLOCKING and threading.get_ident() == _watched:
        _caught.append(f"{event} {args[:1]}")


sys.addaudithook(_hook)


async def watch(work: Callable[[], Awaitable[object]]) -> list[str]:
    """Do the work and return what blocked meanwhile."""
    global _watched
    _caught.clear()
    _watched = threading.get_ident()
    sleep = time.sleep

    def sleeping(seconds: float) -> None:  # this version's time.sleep raises no audit event
        _hook("time.sleep", (seconds,))
        sleep(seconds)

    time.sleep = sleeping
    try:
        await work()
    finally:
        _watched = None
        time.sleep = sleep
    return list(_caught)


class Running:
    """The application in this process, its lifespan entered."""

    def __init__(self, postgres: Server, **settings: Any) -> None:
        self._lines = LineWriter(2)
        configured = Settings(
            database_host="127.0.0.1",
            database_port=postgres.port,
            database_sslmode="disable",
            log_level="error",
            **settings,
        )
        self.application = app.create(configured, self._lines, Lifecycle())
        self._lines.write = lambda line: None  # type: ignore[method-assign]
        self._to: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._from: asyncio.Queue[dict[str, str]] = asyncio.Queue()

    async def __aenter__(self) -> httpx.AsyncClient:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._task = asyncio.create_task(
            self.application(scope, self._to.get, self._from.put)  # type: ignore[arg-type]
        )
        await self._to.put({"type": "lifespan.startup"})
        assert (await self._from.get())["type"] == "lifespan.startup.complete"
        transport = httpx.ASGITransport(app=self.application)  # type: ignore[arg-type]
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")
        while (await self.client.get("/healthz/ready")).status_code != 200:
            await asyncio.sleep(0.05)
        return self.client

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()
        await self._to.put({"type": "lifespan.shutdown"})
        assert (await self._from.get())["type"] == "lifespan.shutdown.complete"
        await self._task
        self._lines.close()


async def everything(client: httpx.AsyncClient) -> None:
    """Call every operation once."""
    made = await client.post(
        "/v1/items", json={"name": "x", "quantity": 1}, headers={"Idempotency-Key": "loop"}
    )
    assert made.status_code == 201
    path = made.headers["location"]
    for method, target in (
        ("GET", path),
        ("GET", path.upper().replace("/V1/ITEMS", "/v1/items")),
        ("GET", "/v1/items"),
        ("GET", "/v1/items?limit=x"),
        ("GET", "/healthz/ready"),
        ("GET", "/healthz/live"),
        ("GET", "/metrics"),
        ("GET", "/docs"),
        ("GET", "/docs/swagger-ui-bundle.js"),
        ("GET", "/openapi.json"),
        ("GET", "/none"),
    ):
        assert (await client.request(method, target)).status_code < 500
    await client.put(path, json={"name": "y", "quantity": 2})
    await client.post("/v1/items", content=b"x" * 100_000)


async def test_no_operation_blocks_the_loop(postgres: Server) -> None:
    async with Running(postgres) as client:
        await everything(client)  # what is read on first use stays in memory

        async def work() -> None:
            await everything(client)
            await asyncio.gather(*(client.get("/v1/items") for _ in range(50)))

        caught = await watch(work)
    # /metrics reads /proc, which answers from memory.
    files = [event for event in caught if "'/proc/" not in event]
    assert files == []


async def test_connecting_does_not_block_the_loop(postgres: Server, tmp_path: Any) -> None:
    """Connections are made anew with the password file read anew, off the loop."""
    file = tmp_path / "password"
    file.write_text("secret")
    async with Running(postgres, database_password_file=str(file), connection_seconds=1) as client:

        async def work() -> None:
            for _ in range(8):
                await client.get("/v1/items")
                await asyncio.sleep(0.3)

        assert await watch(work) == []


async def test_the_watch_sees_blocking_calls() -> None:
    """The control."""

    async def sleeps() -> None:
        time.sleep(0.01)

    async def reads() -> None:
        with open(__file__):
            pass

    assert len(await watch(sleeps)) == 1
    assert len(await watch(reads)) == 1

    async def elsewhere() -> None:
        await asyncio.to_thread(time.sleep, 0.01)

    assert await watch(elsewhere) == []


async def test_the_loop_keeps_its_beat_under_load(postgres: Server) -> None:
    """The longest turn of the loop is compared with its own processor time: on a busy machine the
    wall clock also shows other people's work."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            begun = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - begun)

    async with Running(postgres) as client:
        await everything(client)
        beating = asyncio.create_task(beat())
        for _ in range(20):
            await asyncio.gather(*(client.get("/v1/items?limit=100") for _ in range(10)))
        beating.cancel()
    # A turn may serve all ten requests and the client that sends them from the same thread.
    assert longest < 0.1
