"""What the tests of a member share."""

import http.server
import json
import sys
import threading
from pathlib import Path

import pytest
from server import make as make  # a fixture of every file here

sys.path.insert(0, str(Path(__file__).parent.parent))

from slipway_postgres.settings import Settings

PATRONI = """
scope: postgres
kubernetes:
  labels: {app.kubernetes.io/name: postgres}
  scope_label: slipway.dev/scope
  role_label: role
  leader_label_value: primary
restapi: {authentication: {username: patroni}}
bootstrap: {}
postgresql:
  authentication:
    superuser: {username: postgres}
    replication: {username: replicator}
    rewind: {username: rewinder}
"""


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """A member with all its files."""
    for name in ("config", "credentials", "run", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "config/patroni.yaml").write_text(PATRONI)
    (tmp_path / "config/dynamic.yaml").write_text("ttl: 20\n")
    (tmp_path / "config/roles.yaml").write_text("database: api\nowner: api\n")
    for name in ("owner", "replication", "rewind", "restapi"):
        (tmp_path / "credentials" / name).write_text(f"secret-{name}\n")
    return Settings(
        name="postgres-1",
        address="10.0.0.1",
        namespace="data",
        config=tmp_path / "config",
        credentials=tmp_path / "credentials",
        tls=tmp_path / "tls",
        run=tmp_path / "run",
        data=tmp_path / "data",
    )


class Answers:
    """A server that answers from a table and remembers what it was asked."""

    def __init__(self):
        self.table = {}
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                outer.asked.append((self.command, self.path, body, dict(self.headers)))
                found = outer.table.get((self.command, self.path), (404, "nothing here"))
                status, content = found.pop(0) if isinstance(found, list) else found
                text = content if isinstance(content, str) else json.dumps(content)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PATCH = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def answers():
    made = Answers()
    yield made
    made.server.shutdown()
    made.server.server_close()
