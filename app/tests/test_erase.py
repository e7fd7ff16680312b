"""What is about a subject goes from the database, all of it and nothing else."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from cluster import Pooler, Server
from service import Service, environment, migrate
from slipway_api import erase
from slipway_api.settings import Settings
from slipway_api.subject import Subject, SubjectError

SPELLINGS = Path(__file__).resolve().parents[2] / "images/collector/archive/testdata/spellings.json"


@pytest.mark.parametrize("case", json.loads(SPELLINGS.read_text()), ids=lambda c: c["text"])
def test_spellings(case: dict[str, Any]) -> None:
    """The log collector's search is held to the same."""
    assert Subject(case["subject"]).within(case["text"]) is case["holds"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "fewer than 4"),
        (" abc \n", "fewer than 4"),
        ("----", "letter or digit"),
        ("two\nlines", "one line"),
        ("x" * 257, "more than 256"),
    ],
)
def test_a_subject_is_checked(text: str, says: str) -> None:
    with pytest.raises(SubjectError, match=says):
        Subject(text)


def test_a_subject_does_not_show() -> None:
    assert "user" not in repr(Subject("user-17"))


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server.create({"log_statement": "all"})
    try:
        assert migrate(server.port).returncode == 0
        yield server
    finally:
        server.remove()


def run(port: int, subject: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "slipway_api.erase", *arguments],
        input=subject,
        env=environment(port),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


def counts(port: int, subject: str, *arguments: str) -> dict[str, dict[str, int]]:
    done = run(port, subject, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert subject not in done.stdout + done.stderr
    return json.loads(done.stdout)


def holding(found: int, keys: int, erased: bool) -> dict[str, dict[str, int]]:
    return {
        "items": {"found": found, "erased": found if erased else 0},
        "idempotency_keys": {"found": keys, "erased": keys if erased else 0},
    }


async def names(server: Server) -> list[str]:
    connection = await server.connect()
    try:
        rows = await connection.fetch("SELECT name FROM items ORDER BY name")
        keys = await connection.fetch("SELECT key FROM idempotency_keys ORDER BY key")
        return [row[0] for row in (*rows, *keys)]
    finally:
        await connection.close()


def stored(server: Server) -> None:
    """Store three items and two keys of user-17, and what is only like them."""
    import httpx

    with (
        Service(server.port) as service,
        httpx.Client(base_url=service.url, timeout=20) as client,
    ):
        service.wait_ready()
        for name, key in (
            ("for user-17", "k1"),
            ('"USER%2D17"', None),
            ("user-17, again", "of-user-17"),
            ("for user-170", "k2"),
            ("for user-18", "k3"),
        ):
            headers = {"Idempotency-Key": key} if key else {}
            answer = client.post("/v1/items", json={"name": name, "quantity": 1}, headers=headers)
            assert answer.status_code == 201, answer.text


OTHERS = ["for user-170", "for user-18", "k2", "k3"]


@pytest.mark.parametrize("pooled", [False, True])
def test_the_subjects_rows_go_and_no_others(server: Server, pooled: bool) -> None:
    stored(server)
    pooler = Pooler(server.port) if pooled else None
    if pooler:
        pooler.start()
    try:
        port = pooler.port if pooler else server.port
        # Without erasing, the search finds them, again and again.
        for _ in range(2):
            assert counts(port, "User-17", "--search") == holding(3, 2, False)
        assert counts(port, "User-17\n") == holding(3, 2, True)
        assert counts(port, "User-17", "--search") == holding(0, 0, False)
        assert asyncio.run(names(server)) == OTHERS
    finally:
        if pooler:
            pooler.remove()
    assert "DELETE FROM items" in server.log(), "the log would not have shown it"
    after = server.log().split("SELECT id AS k", 1)[1]
    assert "ser-17" not in after, "the database was told the subject"


def test_an_unknown_subject_changes_nothing(server: Server) -> None:
    stored(server)
    before = asyncio.run(names(server))
    assert counts(server.port, "nobody-4711") == holding(0, 0, True)
    assert asyncio.run(names(server)) == before


def test_a_failure_erases_nothing(server: Server) -> None:
    """Items go first; the keys, which fail, take them back."""
    stored(server)
    before = asyncio.run(names(server))

    async def forbid(statement: str) -> None:
        connection = await server.connect()
        await connection.execute(statement)
        await connection.close()

    asyncio.run(
        forbid(
            "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'about user-17'; END $$;"
            "CREATE TRIGGER no BEFORE DELETE ON idempotency_keys EXECUTE FUNCTION no()"
        )
    )
    done = run(server.port, "user-17")
    assert done.returncode == 1
    assert "nothing was erased" in done.stderr
    assert "user-17" not in done.stdout + done.stderr
    assert asyncio.run(names(server)) == before
    asyncio.run(forbid("DROP TRIGGER no ON idempotency_keys"))
    assert counts(server.port, "user-17") == holding(3, 2, True)
    assert asyncio.run(names(server)) == OTHERS


def test_a_row_that_changed_meanwhile_stays(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(server)
    settings = Settings(
        database_host="127.0.0.1", database_port=server.port, database_sslmode="disable"
    )
    original = erase._erase

    async def changed(connection: asyncpg.Connection, table: str, *rest: Any) -> int:
        if table == "items":
            other = await server.connect()
            await other.execute("UPDATE items SET name = 'free' WHERE name LIKE 'for user-17'")
            await other.close()
        return await original(connection, table, *rest)

    monkeypatch.setattr(erase, "_erase", changed)
    done = asyncio.run(erase.run(settings, Subject("user-17"), search=False))
    assert done["items"] == {"found": 3, "erased": 2}
    assert "free" in asyncio.run(names(server))


def test_what_is_no_subject_is_refused(server: Server) -> None:
    for subject, arguments in (("abc", ()), ("", ("user-17",)), ("", ())):
        done = run(server.port, subject, *arguments)
        assert done.returncode == 2, done.stderr
        assert "user-17" not in done.stdout + done.stderr


def test_an_absent_database_is_told() -> None:
    done = run(1, "user-17")
    assert done.returncode == 1
    assert "nothing was erased" in done.stderr
