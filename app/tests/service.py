"""The service as a process of its own, as a pod runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import reaper
from cluster import free_port, wait_for_port

SOURCE = Path(__file__).resolve().parent.parent / "src"


def environment(port: int, **settings: object) -> dict[str, str]:
    """Return a clean environment with the settings, given without their prefix."""
    values = {
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": port,
        "DATABASE_SSLMODE": "disable",
        **settings,
    }
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(SOURCE),
        "PYTHONDONTWRITEBYTECODE": "1",
        **{f"SLIPWAY_{name.upper()}": str(value) for name, value in values.items()},
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "slipway_api", *arguments]


def migrate(port: int, *arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("migrate", *arguments),
        env=environment(port, **settings),
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )


class Service:
    """A running ``slipway_api serve``; what it prints is kept."""

    def __init__(
        self, database_port: int, program: list[str] | None = None, **settings: object
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self.process = subprocess.Popen(
            program or command("serve"),
            env=environment(
                database_port, listen_host="127.0.0.1", listen_port=self.port, **settings
            ),
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        reaper.process(self.process.pid)
        wait_for_port(self.port)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_ready(self, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            status, body = self.get("/healthz/ready")
            if status == 200:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready after {seconds} s: {body!r}")
            time.sleep(0.05)

    def get(self, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Stop at once and return the exit code."""
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait(10)
        if not self._output.closed:
            self._kept = self.output()
            self._output.close()
        return code

    def output(self) -> bytes:
        if self._output.closed:
            return self._kept
        # The process writes at the place where its own end stands, which is this one's too.
        return os.pread(self._output.fileno(), os.fstat(self._output.fileno()).st_size, 0)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output().splitlines()]
