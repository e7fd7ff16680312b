"""Cleans up after tests that were killed.

A test run that ends by SIGKILL runs no ``finally``; its servers would stay. So each is made known
to a process of its own that waits for the end of the run, however that comes, and then stops and
deletes what is left. In the normal case nothing is.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def process(pid: int) -> None:
    """Have this process stopped at the end of the run."""
    _tell(f"process {pid}")


def directory(path: Path) -> None:
    """Have this directory deleted at the end of the run."""
    _tell(f"directory {path}")


def _tell(line: str) -> None:
    pipe = _start().stdin
    assert pipe is not None
    pipe.write(f"{line}\n".encode())
    pipe.flush()


@functools.cache
def _start() -> subprocess.Popen[bytes]:
    # In a session of its own: Ctrl-C in a terminal reaches every process of the run's session.
    started = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, start_new_session=True
    )
    atexit.register(started.communicate)
    return started


def _born(pid: int) -> str | None:
    """Return when the process started, which tells it from a later one with its number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


def _main() -> None:
    processes: dict[int, str | None] = {}
    directories: list[str] = []
    for line in sys.stdin:
        kind, value = line.rstrip("\n").split(" ", 1)
        if kind == "process":
            processes[int(value)] = _born(int(value))
        else:
            directories.append(value)
    left = {pid: born for pid, born in processes.items() if born and _born(pid) == born}
    for pid in left:
        # To PostgreSQL this means: stop at once, and take your children along.
        os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(_born(pid) == left[pid] for pid in left):
        time.sleep(0.05)
    for pid, born in left.items():
        # A run begun in the background of a script passes on that SIGQUIT is ignored.
        if _born(pid) == born:
            os.kill(pid, signal.SIGKILL)
    for path in directories:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    _main()
