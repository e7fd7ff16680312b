"""Patroni's REST interface, as much of it as a member needs."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any


class RestError(Exception):
    """A member did not answer, or answered with an error."""


class Rest:
    """One member's REST interface. Reading needs no password, changing does."""

    def __init__(self, base: str, user: str = "", password: str = "", timeout: float = 5.0):
        self.base = base.rstrip("/")
        self.timeout = timeout
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.headers = {"Authorization": f"Basic {token}"} if user else {}

    def call(
        self, method: str, path: str, body: Any = None, timeout: float | None = None
    ) -> tuple[int, str]:
        """Send one request; the status and text of any answer come back, also
        those of a refusal. Silence raises RestError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base + path, data=data, method=method, headers=self.headers
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout or self.timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except (OSError, ValueError) as error:
            raise RestError(f"{method} {self.base}{path}: {error}") from error

    def read(self, path: str) -> Any:
        """GET a JSON document, whatever status it comes with: Patroni answers
        503 with a full document where a member is not what the path asks."""
        status, text = self.call("GET", path)
        try:
            return json.loads(text)
        except ValueError as error:
            raise RestError(f"GET {self.base}{path}: answered {status} without JSON") from error

    def change(self, method: str, path: str, body: Any, timeout: float | None = None) -> str:
        """Send a change and insist that it was accepted."""
        status, text = self.call(method, path, body, timeout)
        if status not in (200, 202):
            raise RestError(f"{method} {self.base}{path}: answered {status}: {text.strip()}")
        return text

    def is_leader(self) -> bool:
        """Whether this member holds the leader lock."""
        return self.call("GET", "/primary")[0] == 200
