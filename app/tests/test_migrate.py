"""Migrations run once, however many try, and keep old and new versions working side by side."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from cluster import DATABASE, Pooler, Server, run
from service import Service, command, environment
from service import migrate as migrate_process
from slipway_api import migrate, schema
from slipway_api.__main__ import until_stopped
from slipway_api.schema import Migration, SchemaError
from slipway_api.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def empty() -> Iterator[Server]:
    server = Server.create()
    try:
        yield server
    finally:
        server.remove()


def settings_of(port: int, **more: Any) -> Settings:
    return Settings(
        database_host="127.0.0.1", database_port=port, database_sslmode="disable", **more
    )


async def rows(server: Server, statement: str) -> list[asyncpg.Record]:
    connection = await server.connect()
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


def test_the_migrations_of_this_version_are_in_order() -> None:
    found = schema.load()
    assert [m.version for m in found] == list(range(1, len(found) + 1))
    assert found[0].phase == "expand"


def test_what_migrates_is_listed_whole() -> None:
    """What is not listed can change without a new migration Job."""
    app = Path(__file__).parent.parent
    listed = {
        line for line in (app / "migrating.txt").read_text().splitlines() if line and line[0] != "#"
    }
    script = (
        "import sys, slipway_api.__main__;"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('slipway_api')))"
    )
    package = Path(migrate.__file__).parent
    imported = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(package.parent)},
    ).stdout.split()
    assert len(imported) > 3
    assert {f"src/slipway_api/{Path(file).relative_to(package)}" for file in imported} <= listed
    assert {"Dockerfile", "requirements.txt", "src/slipway_api/migrations"} <= listed
    assert [name for name in listed if not (app / name).exists()] == []


@pytest.mark.parametrize("pooled", [False, True])
def test_many_processes_at_once_migrate_exactly_once(empty: Server, pooled: bool) -> None:
    pooler = Pooler(empty.port) if pooled else None
    if pooler:
        pooler.start()
    try:
        port = pooler.port if pooler else empty.port
        processes = [
            subprocess.Popen(
                command("migrate"),
                env=environment(port, version=f"v{number}"),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for number in range(6)
        ]
        outputs = [process.communicate(timeout=90)[0] for process in processes]
        assert [process.returncode for process in processes] == [0] * 6, outputs
        applied = "".join(outputs).count('"migration applied"')
        assert applied == len([m for m in schema.load() if m.phase == "expand"])
        recorded = asyncio.run(rows(empty, "SELECT * FROM schema_migrations ORDER BY version"))
        assert [(row["version"], row["phase"]) for row in recorded] == [
            (m.version, m.phase) for m in schema.load() if m.phase == "expand"
        ]
        assert all(row["applied_by"].startswith("v") for row in recorded)
        locks = asyncio.run(rows(empty, "SELECT * FROM pg_locks WHERE locktype = 'advisory'"))
        assert locks == [], "a lock outlived its transaction"
    finally:
        if pooler:
            pooler.remove()


async def test_a_failing_migration_leaves_nothing_behind(empty: Server) -> None:
    bad = Migration(
        2, "bad", "expand", "CREATE TABLE half (a int); INSERT INTO half VALUES ('jane')"
    )
    migrations = [*schema.load()[:1], bad]
    with pytest.raises(SchemaError, match="0002_bad failed and was rolled back"):
        await migrate.run(settings_of(empty.port), "expand", migrations)
    assert await rows(empty, "SELECT 1 FROM pg_tables WHERE tablename = 'half'") == []
    versions = await rows(empty, "SELECT version FROM schema_migrations")
    assert [row[0] for row in versions] == [1], "what came before stays"


async def test_an_edited_migration_is_refused(empty: Server) -> None:
    await migrate.run(settings_of(empty.port), "expand")
    first = schema.load()[0]
    edited = Migration(1, first.name, first.phase, first.sql + "\n-- edited\n")
    later = Migration(2, "later", "expand", "CREATE TABLE later ()")
    with pytest.raises(SchemaError, match="0001_items was applied with another text"):
        await migrate.run(settings_of(empty.port), "expand", [edited, later])
    assert await rows(empty, "SELECT 1 FROM pg_tables WHERE tablename = 'later'") == []


COLOUR = Migration(
    2,
    "colour",
    "expand",
    "-- phase: expand\nALTER TABLE items ADD COLUMN colour text NOT NULL DEFAULT 'grey'",
)
NO_UPDATED = Migration(
    3, "drop_colour", "contract", "-- phase: contract\nALTER TABLE items DROP COLUMN colour"
)


async def test_contracting_waits_until_it_is_asked_for(empty: Server) -> None:
    chain = [*schema.load()[:1], COLOUR, NO_UPDATED]
    settings = settings_of(empty.port)
    assert await migrate.run(settings, "expand", chain) == ["0001_items", "0002_colour"]
    assert await migrate.run(settings, "expand", chain) == []
    colours = "SELECT 1 FROM information_schema.columns WHERE column_name = 'colour'"
    assert len(await rows(empty, colours)) == 1
    assert await migrate.run(settings, "contract", chain) == ["0003_drop_colour"]
    assert await rows(empty, colours) == []
    phases = await rows(empty, "SELECT phase FROM schema_migrations ORDER BY version")
    assert [row[0] for row in phases] == ["expand", "expand", "contract"]


async def test_what_a_rollback_is_told(empty: Server) -> None:
    """Before it goes back, a rollback has psql ask the database which migrations it has. Its own
    test reads the file that this compares with a real server's answer."""
    asking = Path(__file__).parents[2] / "internal" / "schema"
    query = re.search(r"const Query = `([^`]+)`", (asking / "schema.go").read_text())
    assert query is not None
    chain = [*schema.load()[:1], COLOUR, NO_UPDATED]
    settings = settings_of(empty.port)
    await migrate.run(settings, "expand", chain)
    await migrate.run(settings, "contract", chain)
    answer = run(
        [
            str(empty.bin / "psql"),
            *empty.address(),
            "-d",
            DATABASE,
            "-At",
            "-F|",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            query[1],
        ]
    ).stdout
    assert answer == (asking / "testdata" / "contracted.txt").read_text()


async def test_expanding_does_not_overtake_a_contraction(empty: Server) -> None:
    after = Migration(4, "after", "expand", "CREATE TABLE after_it ()")
    chain = [*schema.load()[:1], COLOUR, NO_UPDATED, after]
    with pytest.raises(SchemaError, match="0004_after comes after 0003_drop_colour"):
        await migrate.run(settings_of(empty.port), "expand", chain)
    assert await rows(empty, "SELECT 1 FROM pg_tables WHERE tablename = 'after_it'") == []


async def test_this_version_works_while_and_after_the_next_one_expands(empty: Server) -> None:
    """Requests run through the whole migration; none fails, and answers keep their shape."""
    settings = settings_of(empty.port)
    await migrate.run(settings, "expand")
    chain = [
        *schema.load(),
        Migration(len(schema.load()) + 1, "colour", "expand", COLOUR.sql),
        Migration(
            len(schema.load()) + 2,
            "more",
            "expand",
            "CREATE INDEX items_name ON items (name); ALTER TABLE idempotency_keys"
            " ADD COLUMN tenant text; CREATE TABLE tenants (name text PRIMARY KEY)",
        ),
    ]
    with Service(empty.port, statement_cache=100) as service:
        service.wait_ready()
        failed: list[str] = []
        count = 0
        halt = threading.Event()

        def work() -> None:
            nonlocal count
            with httpx.Client(base_url=service.url, timeout=30) as client:
                while not halt.is_set():
                    count += 1
                    made = client.post(
                        "/v1/items",
                        json={"name": "x", "quantity": 1},
                        headers={"Idempotency-Key": f"k{count}"},
                    )
                    read = client.get(made.headers.get("location", "/v1/items"))
                    listed = client.get("/v1/items?limit=1")
                    failed.extend(a.text for a in (made, read, listed) if not a.is_success)
                    if "colour" in read.text + listed.text:
                        failed.append("a column of the next version shows")

        async def five_more() -> None:
            enough = count + 5
            async with asyncio.timeout(60):
                while count <= enough:
                    await asyncio.sleep(0.02)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            await five_more()
            applied = await migrate.run(settings, "expand", chain)
            await five_more()
        finally:
            halt.set()
            thread.join(60)
        assert applied == [str(m) for m in chain[-2:]]
        assert failed == []
        # A new instance of the old version starts on the new schema, too: a rollback.
        with Service(empty.port) as rolled_back:
            rolled_back.wait_ready()
    done = migrate_process(empty.port)
    assert done.returncode == 0, "the old version's migrate must accept the new schema"


async def test_a_table_in_use_does_not_make_everyone_wait(
    empty: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a long transaction holds the table, the migration keeps giving up its place in the
    queue, so that others get through; afterwards it succeeds."""
    settings = settings_of(empty.port)
    await migrate.run(settings, "expand")
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "200ms")
    holder = await empty.connect()
    hold = holder.transaction()
    await hold.start()
    await holder.fetch("SELECT * FROM items")
    chain = [*schema.load(), Migration(len(schema.load()) + 1, "colour", "expand", COLOUR.sql)]
    task = asyncio.create_task(migrate.run(settings, "expand", chain))
    slowest = 0.0
    reader = await empty.connect()
    for _ in range(20):
        begun = time.monotonic()
        await reader.fetch("SELECT count(*) FROM items")
        slowest = max(slowest, time.monotonic() - begun)
        await asyncio.sleep(0.05)
    assert not task.done()
    assert slowest < 2
    await hold.rollback()
    assert await task == [str(chain[-1])]
    await holder.close()
    await reader.close()


async def test_a_table_in_use_for_good_is_told(
    empty: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(empty.port)
    await migrate.run(settings, "expand")
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "10ms")
    monkeypatch.setattr(migrate, "LOCK_ATTEMPTS", 2)
    holder = await empty.connect()
    await holder.execute("BEGIN; LOCK TABLE items")
    chain = [*schema.load(), Migration(len(schema.load()) + 1, "colour", "expand", COLOUR.sql)]
    with pytest.raises(SchemaError, match="pg_stat_activity"):
        await migrate.run(settings, "expand", chain)
    await holder.close()


async def test_a_migration_that_is_ended_for_a_deadlock_tries_again(
    empty: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(empty.port)
    await migrate.run(settings, "expand")
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "60s")
    holder, gate = await empty.connect(), await empty.connect()
    # Of the two, the other one notices, and who notices is ended. It looks once, a second after it
    # began to wait, so it has to be the second to do so.
    await holder.execute("SET deadlock_timeout = '1h'; BEGIN; LOCK TABLE idempotency_keys")
    await gate.execute("SELECT pg_advisory_lock(77)")
    text = (
        "LOCK TABLE items; SELECT pg_advisory_xact_lock(77);"
        " LOCK TABLE idempotency_keys; CREATE TABLE both_tables ()"
    )
    chain = [*schema.load(), Migration(len(schema.load()) + 1, "both", "expand", text)]

    async def waits(number: int) -> None:
        while len(await rows(empty, "SELECT 1 FROM pg_locks WHERE NOT granted")) < number:
            await asyncio.sleep(0.05)

    try:
        async with asyncio.timeout(60):
            task = asyncio.create_task(migrate.run(settings, "expand", chain))
            await waits(1)
            locking = asyncio.create_task(holder.execute("LOCK TABLE items"))
            await waits(2)
            await gate.close()
            await locking
            await holder.execute("COMMIT")
            assert await task == [str(chain[-1])]
            # The server counts a moment later.
            while (await rows(empty, "SELECT sum(deadlocks) FROM pg_stat_database"))[0][0] != 1:
                await asyncio.sleep(0.05)
    finally:
        for connection in (holder, gate):
            connection.terminate()


def test_an_absent_database_is_waited_for_and_then_named(empty: Server) -> None:
    empty.stop()
    done = migrate_process(empty.port, migrate_wait_seconds=0.5)
    assert done.returncode == 1
    assert f"no primary at 127.0.0.1:{empty.port}" in done.stdout
    later = threading.Timer(1.5, empty.start)
    later.start()
    try:
        assert migrate_process(empty.port, migrate_wait_seconds=30).returncode == 0
    finally:
        later.join(60)


def test_a_signal_ends_the_wait(empty: Server) -> None:
    empty.stop()
    # Something that lets it connect and then says nothing: once it is there, it waits.
    with socket.create_server(("127.0.0.1", empty.port)) as silent:
        silent.settimeout(60)
        process = subprocess.Popen(
            command("migrate"), env=environment(empty.port), stdout=subprocess.DEVNULL
        )
        with silent.accept()[0]:
            process.terminate()
            assert process.wait(60) == 143


async def test_a_signal_that_gets_lost_is_repeated() -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        for lost in (True, False):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not lost:
                    raise

    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(60):
            await until_stopped(work())


def test_a_standby_is_not_migrated(empty: Server) -> None:
    standby = empty.standby()
    try:
        done = migrate_process(standby.port, migrate_wait_seconds=0.5)
        assert done.returncode == 1
        assert "server is in recovery" in done.stdout
    finally:
        standby.remove()


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["0001_a.sql", "0003_b.sql"], "without gap"),
        (["0001_a.sql", "0001_b.sql"], "without gap"),
        (["1_a.sql"], "1_a.sql: must be named"),
        (["0001_A.sql"], "0001_A.sql: must be named"),
    ],
)
def test_misnamed_files_are_refused(tmp_path: Path, names: list[str], fault: str) -> None:
    for name in names:
        (tmp_path / name).write_text("-- phase: expand\n")
    with pytest.raises(SchemaError, match=fault):
        schema.load(tmp_path)


def test_a_file_without_phase_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a ();")
    with pytest.raises(SchemaError, match=r"0001_a\.sql: must start with"):
        schema.load(tmp_path)
