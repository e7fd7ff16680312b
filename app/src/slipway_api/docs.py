"""/docs without the internet: Swagger UI from files of an installed package.

No inline script and nothing from elsewhere, so that the page's content security policy can say so.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from .problems import Problem

_PACKAGE = "fastapi_offline"
_FILES = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}
_START = """\
window.addEventListener("load", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
  });
});
"""
_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slipway API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'"
)


class Assets:
    """The files of the documentation page, read and compressed when first asked for."""

    def __init__(self) -> None:
        self._ready: dict[str, tuple[bytes, bytes, str]] = {}
        self._lock = asyncio.Lock()

    async def get(self, name: str) -> tuple[bytes, bytes, str]:
        """Return (content, the same gzipped, entity tag). Raises KeyError for an unknown name."""
        if name not in _FILES and name != "start.js":
            raise KeyError(name)
        async with self._lock:
            if name not in self._ready:
                # Compressing 1.5 MB takes the time of a few hundred requests: not on the loop.
                self._ready[name] = await asyncio.to_thread(_load, name)
        return self._ready[name]


def _load(name: str) -> tuple[bytes, bytes, str]:
    content = _START.encode() if name == "start.js" else (_directory() / name).read_bytes()
    tag = hashlib.sha256(content).hexdigest()[:16]
    return content, gzip.compress(content, 6, mtime=0), f'"{tag}"'


def _directory() -> Path:
    # Located without importing the package: only its files are wanted.
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"package {_PACKAGE} is not installed; see requirements.txt")
    return Path(spec.submodule_search_locations[0]) / "static"


def router() -> APIRouter:
    """Return the routes of the documentation page."""
    api = APIRouter(include_in_schema=False)
    assets = Assets()

    @api.get("/docs")
    async def page() -> Response:
        headers = {"content-security-policy": _POLICY, "cache-control": "no-cache"}
        return Response(_PAGE, 200, headers, "text/html")

    @api.get("/docs/{name}")
    async def asset(name: str, request: Request) -> Response:
        try:
            content, packed, tag = await assets.get(name)
        except KeyError:
            raise Problem(404, detail="The documentation has no such file.") from None
        headers = {"etag": tag, "cache-control": "public, max-age=3600", "vary": "accept-encoding"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            content = packed
        return Response(content, 200, headers, _FILES.get(name, "text/javascript; charset=utf-8"))

    return api
