"""A killed test run leaves no server behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUN = """
import sys, time
sys.path[:0] = sys.argv[1:]
from cluster import Server
from service import Service, migrate
server = Server.create()
migrate(server.port)
service = Service(server.port)
print(server.directory.parent, service.process.pid, flush=True)
time.sleep(60)
"""


def there(path: Path) -> bool:
    """Whether a directory exists, or a process runs: one that nobody has reaped does not."""
    if path.parent != Path("/proc"):
        return path.exists()
    try:
        return (path / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("background", [False, True])
def test_a_killed_run_leaves_nothing(background: bool) -> None:
    """In the background of a script SIGQUIT is ignored, by the servers too."""
    here = Path(__file__).parent
    ignore = "import signal; signal.signal(signal.SIGQUIT, signal.SIG_IGN)" if background else ""
    run = subprocess.Popen(
        [sys.executable, "-c", ignore + RUN, str(here), str(here.parent / "src")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    directory, service = run.stdout.readline().split()
    server = (Path(directory) / "data" / "postmaster.pid").read_text().split()[0]
    left = [Path(directory), Path("/proc") / server, Path("/proc") / service]
    assert all(path.exists() for path in left)
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    deadline = time.monotonic() + 60
    while remaining := [str(path) for path in left if there(path)]:
        assert time.monotonic() < deadline, remaining
        time.sleep(0.05)
