"""A request repeated with its Idempotency-Key is carried out once."""

from __future__ import annotations

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from cluster import Server
from service import Service
from slipway_api import idempotency
from slipway_api.database import Database
from slipway_api.settings import Settings

BODY = {"name": "windlass", "quantity": 2}


def post(client: httpx.Client, key: str, body: object = BODY, **headers: str) -> httpx.Response:
    return client.post("/v1/items", json=body, headers={"Idempotency-Key": key, **headers})


def count(server: Server, name: str) -> int:
    async def ask() -> int:
        connection = await server.connect()
        try:
            return await connection.fetchval("SELECT count(*) FROM items WHERE name = $1", name)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_repeated_request_gets_the_first_answer(client: httpx.Client, postgres: Server) -> None:
    key, name = str(uuid.uuid4()), f"once {uuid.uuid4()}"
    first = post(client, key, {"name": name, "quantity": 2})
    again = post(client, key, {"name": name, "quantity": 2})
    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert again.headers["location"] == first.headers["location"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert count(postgres, name) == 1


def test_without_a_key_the_same_request_makes_two(client: httpx.Client, postgres: Server) -> None:
    """The control of the test above: what it protects from does happen."""
    name = f"twice {uuid.uuid4()}"
    for _ in range(2):
        assert client.post("/v1/items", json={"name": name, "quantity": 2}).status_code == 201
    assert count(postgres, name) == 2


def test_the_answer_stays_although_the_item_changed(client: httpx.Client) -> None:
    key = str(uuid.uuid4())
    first = post(client, key)
    client.put(first.headers["location"], json={"name": "other", "quantity": 7})
    assert post(client, key).content == first.content
    client.delete(first.headers["location"])
    assert post(client, key).content == first.content


def test_spelling_does_not_make_another_request(client: httpx.Client) -> None:
    key = str(uuid.uuid4())
    headers = {"Idempotency-Key": key, "content-type": "application/json"}
    answers = [
        client.post("/v1/items", content=text, headers=headers)
        for text in (
            '{"name":"windlass","quantity":2}',
            '{ "quantity" : 2,\n "name" : "windl\\u0061ss" }',
            '{"name":"windlass","quantity":2.0}',
        )
    ]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1


def test_a_quoted_key_is_the_same_key(client: httpx.Client) -> None:
    key = str(uuid.uuid4())
    assert post(client, f'"{key}"').content == post(client, key).content


@pytest.mark.parametrize("other", [{**BODY, "quantity": 3}, {**BODY, "name": "capstan"}])
def test_another_body_is_refused_and_changes_nothing(
    client: httpx.Client, other: dict[str, object]
) -> None:
    key = str(uuid.uuid4())
    first = post(client, key)
    refused = post(client, key, other)
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"].endswith("/idempotency-key-reused")
    assert post(client, key).content == first.content


def test_requests_at_the_same_time_make_one_item(service: Service, postgres: Server) -> None:
    key, name = str(uuid.uuid4()), f"race {uuid.uuid4()}"
    with (
        httpx.Client(base_url=service.url, timeout=20) as client,
        ThreadPoolExecutor(24) as threads,
    ):
        jobs = [threads.submit(post, client, key, {"name": name, "quantity": 1}) for _ in range(48)]
        answers = [job.result() for job in jobs]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    replayed = ["idempotency-replayed" in answer.headers for answer in answers]
    assert replayed.count(False) == 1, "exactly one made it"
    assert count(postgres, name) == 1


def test_different_bodies_at_the_same_time_make_one_item(service: Service) -> None:
    key = str(uuid.uuid4())
    with (
        httpx.Client(base_url=service.url, timeout=20) as client,
        ThreadPoolExecutor(16) as threads,
    ):
        jobs = [
            threads.submit(post, client, key, {"name": "race", "quantity": n}) for n in range(16)
        ]
        answers = [job.result() for job in jobs]
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 15


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256, "é", "a\tb"])
def test_an_unusable_key_is_refused(client: httpx.Client, key: str) -> None:
    answer = client.post(
        "/v1/items", json=BODY, headers=[(b"idempotency-key", key.encode("latin-1"))]
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["header"] == "Idempotency-Key"


def test_two_keys_are_refused(client: httpx.Client) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert client.post("/v1/items", json=BODY, headers=headers).status_code == 400


def test_an_invalid_request_does_not_use_its_key_up(client: httpx.Client) -> None:
    key = str(uuid.uuid4())
    assert post(client, key, {"name": "x"}).status_code == 422
    assert post(client, key).status_code == 201


@pytest.mark.anyio
async def test_old_keys_are_forgotten_and_young_ones_kept(postgres: Server) -> None:
    connection = await postgres.connect()
    prefix = str(uuid.uuid4())
    await connection.execute(
        "INSERT INTO idempotency_keys (key, fingerprint, item_id, document, created_at)"
        " SELECT $1::text || i, '', gen_random_uuid(), '',"
        " now() - CASE WHEN i <= 2500 THEN interval '25 hours' ELSE interval '23 hours' END"
        " FROM generate_series(1, 2510) i",
        prefix,
    )
    settings = Settings(
        database_host="127.0.0.1", database_port=postgres.port, database_sslmode="disable"
    )
    database = Database(settings)
    database.start()
    assert await idempotency.purge(database, 24) >= 2500
    await database.stop()
    left = await connection.fetchval(
        "SELECT count(*) FROM idempotency_keys WHERE key LIKE $1::text || '%'", prefix
    )
    await connection.close()
    assert left == 10
