"""Items over HTTP, against a real PostgreSQL."""

from __future__ import annotations

import json
import re
import uuid

import httpx
import pytest

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
JSON = {"content-type": "application/json"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


def create(client: httpx.Client, name: str, quantity: int = 1) -> dict[str, object]:
    answer = client.post("/v1/items", json={"name": name, "quantity": quantity})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_create_answers_with_the_item_and_where_it_is(client: httpx.Client) -> None:
    answer = client.post("/v1/items", json={"name": "bollard", "quantity": 0})
    assert answer.status_code == 201
    body = answer.json()
    assert list(body) == ["id", "name", "quantity", "created_at", "updated_at"]
    assert UUID7.fullmatch(body["id"])
    assert (body["name"], body["quantity"]) == ("bollard", 0)
    assert RFC3339.fullmatch(body["created_at"])
    assert body["updated_at"] == body["created_at"]
    assert answer.headers["location"] == f"/v1/items/{body['id']}"
    assert "idempotency-replayed" not in answer.headers

    again = client.get(answer.headers["location"])
    assert (again.status_code, again.json()) == (200, body)
    assert again.headers["read-consistency"] == "strong"


def test_replace_changes_all_but_identity_and_birth(
    client: httpx.Client, item: dict[str, object]
) -> None:
    answer = client.put(f"/v1/items/{item['id']}", json={"name": "fender", "quantity": 9})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["id"], body["created_at"]) == (item["id"], item["created_at"])
    assert (body["name"], body["quantity"]) == ("fender", 9)
    assert body["updated_at"] > str(item["updated_at"])
    assert client.get(f"/v1/items/{item['id']}").json() == body


def test_delete_removes_and_says_so_once(client: httpx.Client, item: dict[str, object]) -> None:
    path = f"/v1/items/{item['id']}"
    answer = client.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for method, extra in (
        ("GET", {}),
        ("DELETE", {}),
        ("PUT", {"json": {"name": "x", "quantity": 1}}),
    ):
        gone = client.request(method, path, **extra)
        assert gone.status_code == 404, method
        assert gone.headers["content-type"] == "application/problem+json"
        assert gone.json()["type"].endswith("/not-found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"quantity": 1}, "#/name"),
        ({"name": "x"}, "#/quantity"),
        ({"name": 1, "quantity": 1}, "#/name"),
        ({"name": None, "quantity": 1}, "#/name"),
        ({"name": "", "quantity": 1}, "#/name"),
        ({"name": "x" * 201, "quantity": 1}, "#/name"),
        ({"name": "a\0b", "quantity": 1}, "#/name"),
        ({"name": "\ud800", "quantity": 1}, "#/name"),
        ({"name": "x", "quantity": "1"}, "#/quantity"),
        ({"name": "x", "quantity": True}, "#/quantity"),
        ({"name": "x", "quantity": 1.5}, "#/quantity"),
        ({"name": "x", "quantity": -1}, "#/quantity"),
        ({"name": "x", "quantity": 2**53}, "#/quantity"),
        ({"name": "x", "quantity": 1e300}, "#/quantity"),
        ({"name": "x", "quantity": [1]}, "#/quantity"),
        ({"name": "x", "quantity": 1, "colour": "red"}, "#"),
        ([], "#"),
        ("x", "#"),
        (None, "#"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_wrong_types_are_refused_with_their_place(
    client: httpx.Client, item: dict[str, object], method: str, body: object, pointer: str
) -> None:
    path = "/v1/items" if method == "POST" else f"/v1/items/{item['id']}"
    content = json.dumps(body)
    answer = client.request(method, path, content=content, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in [error.get("pointer") for error in answer.json()["errors"]]
    assert client.get(f"/v1/items/{item['id']}").json() == item, "the item was changed"


@pytest.mark.parametrize(
    "name", ["\U0001f6a2", "é" * 200, "a\nb\t", "'; DROP TABLE items; --", '"\\']
)
def test_names_come_back_as_they_were(client: httpx.Client, name: str) -> None:
    assert client.get(f"/v1/items/{create(client, name)['id']}").json()["name"] == name


@pytest.mark.parametrize(("given", "stored"), [(2**53 - 1, 2**53 - 1), (3.0, 3)])
def test_whole_numbers_are_accepted_in_any_spelling(
    client: httpx.Client, given: float, stored: int
) -> None:
    assert create(client, "x", given)["quantity"] == stored  # type: ignore[arg-type]


def test_a_list_is_walked_without_gap_or_repetition(client: httpx.Client) -> None:
    made = [str(create(client, f"walk {i}")["id"]) for i in range(7)]
    seen: list[str] = []
    query = "limit=3"
    while True:
        page = client.get(f"/v1/items?{query}").json()
        assert len(page["items"]) <= 3
        seen += [entry["id"] for entry in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 3
        query = f"limit=3&cursor={page['next_cursor']}"
    assert seen == sorted(set(seen)), "a list is in the order of its ids"
    assert set(made) <= set(seen)


def test_a_page_that_ends_with_the_last_item_has_no_cursor(client: httpx.Client) -> None:
    first = client.get("/v1/items?limit=100").json()
    while first["next_cursor"]:
        first = client.get(f"/v1/items?limit=100&cursor={first['next_cursor']}").json()
    count = len(first["items"])
    if count < 2:
        create(client, "one"), create(client, "two")
        return test_a_page_that_ends_with_the_last_item_has_no_cursor(client)
    cursor = client.get("/v1/items?limit=1").json()["next_cursor"]
    ids = []
    while cursor:
        page = client.get(f"/v1/items?limit=1&cursor={cursor}").json()
        ids.append(page["items"][0]["id"])
        cursor = page["next_cursor"]
    assert ids[-1] == first["items"][-1]["id"]
    return None


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "A" * 28,
        "é" * 28,
        "A" * 29,
        "*" * 28,
        "%00" * 28,
        "",
        "../../etc/passwd",
    ],
)
def test_a_bad_cursor_is_named(client: httpx.Client, cursor: str) -> None:
    answer = client.get("/v1/items", params={"cursor": cursor})
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["type"].endswith("/bad-cursor")
    assert body["errors"][0]["parameter"] == "cursor"


def test_every_single_edit_of_a_cursor_is_noticed(client: httpx.Client) -> None:
    for i in range(3):
        create(client, f"cursor {i}")
    cursor = client.get("/v1/items?limit=1").json()["next_cursor"]
    for place in range(len(cursor)):
        other = "A" if cursor[place] != "A" else "B"
        edited = cursor[:place] + other + cursor[place + 1 :]
        assert client.get(f"/v1/items?cursor={edited}").status_code == 400, edited


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", "", "9" * 400])
def test_a_bad_limit_is_refused(client: httpx.Client, limit: str) -> None:
    answer = client.get("/v1/items", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "limit"


def test_an_unknown_consistency_is_refused(client: httpx.Client, item: dict[str, object]) -> None:
    for path in ("/v1/items", f"/v1/items/{item['id']}"):
        answer = client.get(path, headers={"Read-Consistency": "whatever"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["header"] == "read-consistency"


def test_a_malformed_id_is_refused_without_repeating_it(client: httpx.Client) -> None:
    answer = client.get("/v1/items/jane.doe@example.org")
    assert answer.status_code == 422
    assert "jane" not in answer.text
    assert "`" not in answer.text


def test_ids_sort_by_creation(client: httpx.Client) -> None:
    ids = [str(create(client, "order")["id"]) for _ in range(20)]
    # Within one millisecond the rest is random; a request takes longer than that only mostly.
    times = [uuid.UUID(text).int >> 80 for text in ids]
    assert times == sorted(times)
