"""/docs needs nothing but this service."""

from __future__ import annotations

import gzip
import re

import httpx


def test_the_page_loads_only_from_here(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) >= 4
    for link in links:
        assert link.startswith(("/docs/", "data:")), link
        if link.startswith("/"):
            answer = client.get(link)
            assert answer.status_code == 200, link
            assert len(answer.content) > 100
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy.replace("http-equiv", "")
    assert re.search(r"<script(?! src=)", page.text) is None, "the policy forbids inline scripts"


def test_the_page_shows_this_services_document(client: httpx.Client) -> None:
    assert 'url: "/openapi.json"' in client.get("/docs/start.js").text
    bundle = client.get("/docs/swagger-ui-bundle.js")
    assert b"SwaggerUIBundle" in bundle.content
    described = client.get("/openapi.json").json()
    assert described["info"]["version"] == "1.2.3"


def test_assets_are_compressed_and_cached(client: httpx.Client) -> None:
    plain = client.get("/docs/swagger-ui.css", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with client.stream("GET", "/docs/swagger-ui.css") as packed:
        raw = b"".join(packed.iter_raw())
        assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2
    again = client.get("/docs/swagger-ui.css", headers={"if-none-match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
