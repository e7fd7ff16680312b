"""The short way for reads must not be another service: same answers as the long way."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from typing import Any

import asyncpg
import hypothesis
import hypothesis.strategies as st
import pytest
from pydantic import ValidationError

from cluster import Server
from slipway_api import app, lane, pagination
from slipway_api.database import Database
from slipway_api.items import ItemInput, Items
from slipway_api.logs import LineWriter
from slipway_api.metrics import Metrics, Requests
from slipway_api.middleware import Lifecycle
from slipway_api.settings import Settings

pytestmark = pytest.mark.anyio


class Both:
    """The service with and without the lane."""

    def __init__(self, settings: Settings, lines: LineWriter) -> None:
        self.database = Database(settings)
        self.items = Items(self.database)
        lifecycle = Lifecycle()
        metrics = Metrics("1", Requests(), self.database, lines, lifecycle)
        self.long = app.framework(settings, self.database, self.items, metrics, lifecycle)
        self.passed = 0

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            self.passed += 1
            await self.long(scope, receive, send)

        self.short = lane.Lane(counted, self.items, settings.body_limit_bytes)


async def ask(
    application: Any,
    target: str,
    headers: dict[str, str],
    method: str = "GET",
    body: bytes = b"",
) -> tuple[Any, ...]:
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        "server": ("test", 80),
        "scheme": "http",
    }
    sent: list[dict[str, Any]] = []

    # In two parts, as a network may deliver it.
    parts = iter([(body[:7], True), (body[7:], False)])

    async def receive() -> dict[str, Any]:
        part, more = next(parts)
        return {"type": "http.request", "body": part, "more_body": more}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    route = getattr(scope.get("route"), "path", None)
    return sent[0]["status"], sorted(sent[0]["headers"]), body, route


@pytest.fixture
async def both(postgres: Server) -> Any:
    lines = LineWriter(2)
    settings = Settings(
        database_host="127.0.0.1", database_port=postgres.port, database_sslmode="disable"
    )
    pair = Both(settings, lines)
    pair.database.start()
    yield pair
    await pair.database.stop()
    lines.close()


@pytest.fixture
async def stored(postgres: Server) -> list[uuid.UUID]:
    connection: asyncpg.Connection = await postgres.connect()
    ids = [uuid.UUID(int=(0xFFFF << 112) + i) for i in range(25)]
    await connection.executemany(
        "INSERT INTO items (id, name, quantity) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING",
        [(i, f'lane "{i}"') for i in ids],
    )
    await connection.close()
    return ids


async def test_both_ways_answer_alike(both: Both, stored: list[uuid.UUID]) -> None:
    one = str(stored[0])
    before = pagination.encode(uuid.UUID(int=(0xFFFF << 112) - 1))
    taken = [
        (f"/v1/items/{one}", {}),
        (f"/v1/items/{one}", {"read-consistency": "strong"}),
        (f"/v1/items/{one}", {"read-consistency": "eventual"}),
        (f"/v1/items/{uuid.UUID(int=1)}", {}),
        ("/v1/items", {}),
        ("/v1/items?limit=1", {}),
        ("/v1/items?limit=100", {}),
        (f"/v1/items?cursor={before}", {}),
        (f"/v1/items?limit=5&cursor={before}", {}),
    ]
    left = [
        (f"/v1/items/{one.upper()}", {}),
        (f"/v1/items/{one}?x=1", {}),
        (f"/v1/items/{one}", {"read-consistency": "other"}),
        (f"/v1/items/{one}/", {}),
        ("/v1/items/", {}),
        ("/v1/items?limit=0", {}),
        ("/v1/items?limit=101", {}),
        ("/v1/items?limit=007", {}),
        ("/v1/items?limit=5&limit=6", {}),
        ("/v1/items?cursor=", {}),
        (f"/v1/items?limit=5cursor={before}", {}),
        (f"/v1/items?&cursor={before}", {}),
        ("/v1/items?cursor=" + "A" * 28, {}),
        (f"/v1/items?cursor={before}&limit=5", {}),
        ("/v1/items?unknown=1", {}),
        ("/v1/other", {}),
    ]
    for target, headers in taken + left:
        begun = both.passed
        short = await ask(both.short, target, headers)
        assert (both.passed == begun) == ((target, headers) in taken), f"wrong way: {target}"
        assert short == await ask(both.long, target, headers), target


async def test_both_ways_fail_alike(both: Both, stored: list[uuid.UUID]) -> None:
    await both.database.stop()
    for target in (f"/v1/items/{stored[0]}", "/v1/items"):
        both.database.primary.failing_since = asyncio.get_running_loop().time() - 1000
        short = await ask(both.short, target, {})
        assert short[0] == 503
        assert short == await ask(both.long, target, {})


ITEMS = "/v1/items"
JSON = {"content-type": "application/json"}
VARYING = re.compile(rb"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[0-9:.]+")


async def create(application: Any, body: bytes, headers: dict[str, str]) -> tuple[Any, ...]:
    """Send a creation and return the answer without what differs each time."""
    given = {"content-length": str(len(body)), **headers}
    status, answered, content, route = await ask(application, ITEMS, given, "POST", body)
    kept = [(k, VARYING.sub(b"*", v)) for k, v in answered if k != b"content-length"]
    return status, kept, VARYING.sub(b"*", content), route


VALID = b'{"name": "x", "quantity": 1}'
BODIES = [
    VALID,
    b' {"quantity":1,\n"name":"\\u00e9"} ',
    b'{"name": "x", "quantity": 1.0}',
    b'{"name": "x", "quantity": 1e2}',
    b'{"name": "x", "quantity": -0.0}',
    b'{"name": "x", "quantity": 1, "quantity": 2}',
    b'{"name": "x", "quantity": 9007199254740991}',
    b'{"name": "x", "quantity": 9007199254740992}',
    b'{"name": "x", "quantity": 9007199254740993.0}',
    b'{"name": "x", "quantity": 1e400}',
    b'{"name": "x", "quantity": NaN}',
    b'{"name": "x", "quantity": Infinity}',
    b'{"name": "x", "quantity": "1"}',
    b'{"name": "x", "quantity": true}',
    b'{"name": "x", "quantity": 01}',
    b'{"name": "x", "quantity": 1,}',
    b'{"name": "x", "quantity": 1} x',
    b'{"name": "a\tb", "quantity": 1}',
    b'{"name": "a\\u0000b", "quantity": 1}',
    b'{"name": "\\ud800", "quantity": 1}',
    b'{"name": "\\ud83d\\udea2", "quantity": 1}',
    b'{"name": "\xff", "quantity": 1}',
    b'\xef\xbb\xbf{"name": "x", "quantity": 1}',
    '{"name": "x", "quantity": 1}'.encode("utf-16"),
    b'{"name": "", "quantity": 1}',
    b'{"name": "x", "quantity": 1, "z": 1}',
    b"{'name': 'x', 'quantity': 1}",
    b"[]",
    b"null",
    b"[" * 5000,
]


@pytest.mark.parametrize("body", BODIES)
async def test_both_ways_create_alike(both: Both, body: bytes) -> None:
    short = await create(both.short, body, JSON)
    assert short == await create(both.long, body, JSON)
    # Only what is stored may be answered here. Other encodings are stored, by the long way.
    plain = body.startswith((b"{", b" ")) and b"\0" not in body
    assert both.passed == (0 if short[0] == 201 and plain else 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"idempotency-key": "a b"},
        {"idempotency-key": ""},
        {"idempotency-key": "caf\u00e9"},
        {"content-type": "application/json; charset=utf-8"},
        {"content-type": "text/plain"},
        {"content-encoding": "identity"},
    ],
)
async def test_both_ways_read_the_same_headers(both: Both, headers: dict[str, str]) -> None:
    given = {**JSON, **headers}
    assert await create(both.short, VALID, given) == await create(both.long, VALID, given)


async def test_a_creation_is_replayed_across_the_ways(both: Both) -> None:
    key = {**JSON, "content-length": str(len(VALID)), "idempotency-key": str(uuid.uuid4())}
    first = await ask(both.short, ITEMS, key, "POST", VALID)
    again = await ask(both.long, ITEMS, key, "POST", VALID)
    assert (first[0], again[0]) == (201, 201)
    assert first[2] == again[2]
    assert both.passed == 0


@hypothesis.settings(
    max_examples=300,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(
    body=st.one_of(
        st.binary(max_size=60),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ).map(lambda value: json.dumps(value).encode()),
        st.fixed_dictionaries(
            {"name": st.text() | st.integers(), "quantity": st.floats() | st.integers()}
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_both_ways_judge_any_body_alike(body: bytes) -> None:
    """What the short way accepts, the long way must accept, as the same item."""
    try:
        short = ItemInput.model_validate_json(body)
    except ValidationError:
        return  # goes the long way
    assert ItemInput.model_validate(json.loads(body)) == short
