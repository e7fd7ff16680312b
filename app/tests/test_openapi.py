"""The service does what /openapi.json says: fuzzed with requests derived from it, and every answer
validated against it. What was fuzzed is the same every time: the examples are derived from a fixed
seed."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.core.failures import FailureGroup

from service import Service
from slipway_api import pagination

EXAMPLES = 40


def fuzzing(examples: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )


def document(service: Service) -> dict[str, Any]:
    return httpx.get(f"{service.url}/openapi.json").json()


def fuzz(described: dict[str, Any], url: str, examples: int) -> int:
    """Send requests to every operation and validate the answers; return how many were sent."""
    schema = schemathesis.openapi.from_dict(described)
    schema.config.update(base_url=url)
    sent = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @fuzzing(examples)
        @hypothesis.given(
            case=schemathesis_strategy(operation, positive=True),
            wrong=schemathesis_strategy(operation, positive=False),
        )
        def exercise(case: Any, wrong: Any) -> None:
            nonlocal sent
            # What no schema can say: a key drawn twice with different bodies is rightly refused,
            # and so is a cursor that was made up.
            if "Idempotency-Key" in (case.headers or {}):
                case.headers["Idempotency-Key"] = str(uuid.uuid4())
            if "cursor" in (case.query or {}):
                case.query["cursor"] = pagination.encode(uuid.uuid4())
            for one in (case, wrong):
                if one is not None:
                    sent += 1
                    one.call_and_validate(base_url=url, timeout=20)

        exercise()
    return sent


def schemathesis_strategy(operation: Any, *, positive: bool) -> Any:
    mode = (
        schemathesis.GenerationMode.POSITIVE if positive else schemathesis.GenerationMode.NEGATIVE
    )
    if not positive and not (operation.body or list(operation.iter_parameters())):
        return hypothesis.strategies.none()  # nothing about it could be wrong
    return operation.as_strategy(generation_mode=mode)


def test_the_service_conforms_to_its_document(service: Service) -> None:
    assert fuzz(document(service), service.url, EXAMPLES) > EXAMPLES * 5


def promises_text(schemas: dict[str, Any], paths: dict[str, Any]) -> None:
    schemas["Item"]["properties"]["quantity"] = {"type": "string"}


def allows_more(schemas: dict[str, Any], paths: dict[str, Any]) -> None:
    del schemas["ItemInput"]["properties"]["quantity"]["minimum"]


def allows_less(schemas: dict[str, Any], paths: dict[str, Any]) -> None:
    schemas["ItemInput"]["properties"]["quantity"]["maximum"] = 3


def forgets_an_answer(schemas: dict[str, Any], paths: dict[str, Any]) -> None:
    del paths["/v1/items/{item_id}"]["get"]["responses"]["404"]


@pytest.mark.parametrize("tamper", [promises_text, allows_more, allows_less, forgets_an_answer])
def test_the_fuzzing_would_notice(service: Service, tamper: Any) -> None:
    """The control: documents that say something else are found out."""
    tampered = document(service)
    tamper(tampered["components"]["schemas"], tampered["paths"])
    with pytest.raises(FailureGroup):
        fuzz(tampered, service.url, EXAMPLES)


def test_every_operation_documents_its_errors_as_problems(service: Service) -> None:
    described = document(service)
    assert set(described["paths"]) == {
        "/v1/items",
        "/v1/items/{item_id}",
        "/healthz/live",
        "/healthz/ready",
    }
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and path.startswith("/v1/"):
                    assert list(response["content"]) == ["application/problem+json"], (
                        f"{method} {path} {status}"
                    )


def test_the_document_names_the_headers(service: Service) -> None:
    post = document(service)["paths"]["/v1/items"]["post"]
    assert [p["name"] for p in post["parameters"]] == ["Idempotency-Key"]
    assert {"Location", "Idempotency-Replayed"} <= set(post["responses"]["201"]["headers"])
