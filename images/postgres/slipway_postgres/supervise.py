"""The first process of the pod: one Patroni, one volume, files kept current."""

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import render
from .settings import BadSetting, Settings

# How often mounted files are compared. Kubelet itself needs up to a minute to
# bring a changed ConfigMap, Secret or certificate into the pod.
CHECK_EVERY = 5.0
# How soon pgBackRest's server is started again after it ended.
SERVER_AGAIN = 5.0
# A pod deleted by force may still be stopping on the same node while its
# successor starts; kubelet kills it within its grace period.
LOCK_PATIENCE = 300.0


def say(message: str) -> None:
    print(f"slipway-postgres: {message}", flush=True)


def lock_volume(data: Path, patience: float = LOCK_PATIENCE) -> int:
    """Take the volume's lock and keep it for the life of this process.

    PostgreSQL notices a second postmaster by process ID and shared memory, and
    neither is visible from another container. A file lock is: it belongs to
    the node's kernel, and goes with the last process of the container.
    """
    descriptor = os.open(data / ".slipway.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    started = time.monotonic()
    announced = 0.0
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            waited = time.monotonic() - started
            if waited > patience:
                os.close(descriptor)
                raise BadSetting(
                    f"another container has used the volume {data} for {waited:.0f} s; find out"
                    " which pod still runs there before deleting anything"
                ) from None
            if waited - announced >= 10 or announced == 0.0:
                say(f"waiting for the last user of the volume to end ({waited:.0f} s)")
                announced = waited or 0.001
            time.sleep(0.2)


class Supervisor:
    """Runs Patroni, passes signals on, and reloads it when files change."""

    def __init__(self, settings: Settings, command: list[str]):
        self.settings = settings
        self.command = command
        self.child: subprocess.Popen[bytes] | None = None
        # pgBackRest's, through which the repository copies this member.
        self.server: subprocess.Popen[bytes] | None = None
        self.server_since = float("-inf")
        self.status: int | None = None
        self.seen = ""
        self.starting = False
        self.early: list[int] = []

    def run(self) -> int:
        """Return Patroni's exit status, once it has ended."""
        # The first process of a container has no default reaction to signals,
        # so this comes before anything that may wait.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.forward)
        # Orphans are ours to bury: the postmaster's parent is Patroni's start
        # helper, which ends at once.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        woken, wake = os.pipe()
        for descriptor in (woken, wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        lock = lock_volume(self.settings.data)
        try:
            self.seen = render.fingerprint(self.settings.watched)
            render.write(self.settings)
            self.launch()
            next_check = time.monotonic() + CHECK_EVERY
            while self.status is None:
                if select.select([woken], [], [], 1.0)[0]:
                    os.read(woken, 4096)
                self.bury()
                self.serve()
                if self.status is None and time.monotonic() >= next_check:
                    self.refresh()
                    next_check = time.monotonic() + CHECK_EVERY
            return self.status
        finally:
            if self.server is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.server.pid, signal.SIGTERM)
            os.close(lock)

    def serve(self) -> None:
        """Have pgBackRest's server run where it is configured. Without it there is
        no backup, and everything else goes on: it is no reason to end a member."""
        now = time.monotonic()
        if self.server is not None or now - self.server_since < SERVER_AGAIN:
            return
        if self.status is None and (self.settings.config / "pgbackrest.conf").is_file():
            self.server_since = now
            self.server = subprocess.Popen(["pgbackrest", "server"])

    def launch(self) -> None:
        """Start Patroni, and pass on what came before it could be named."""
        self.starting = True
        self.child = subprocess.Popen(self.command)
        self.starting = False
        for number in self.early:
            self.tell(number)

    def forward(self, number: int, _frame: object) -> None:
        if self.child is not None:
            self.tell(number)
        elif self.starting:
            self.early.append(number)
        else:
            raise SystemExit(128 + number)

    def tell(self, number: int) -> None:
        """Signal Patroni. Popen would look first whether it has ended, and so take its status
        away from bury."""
        if self.child is not None and self.child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child.pid, number)

    def bury(self) -> None:
        """Collect every ended process, and learn from it if Patroni is one."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.child is not None and pid == self.child.pid:
                code = os.waitstatus_to_exitcode(status)
                self.child.returncode = code
                self.status = code if code >= 0 else 128 - code
            elif self.server is not None and pid == self.server.pid:
                self.server.returncode = os.waitstatus_to_exitcode(status)
                say(f"pgbackrest server ended with status {self.server.returncode}")
                self.server = None

    def refresh(self) -> None:
        """Apply changed files. A faulty set is reported and left alone: the
        running configuration stays in force until it is corrected."""
        current = render.fingerprint(self.settings.watched)
        if current == self.seen:
            return
        try:
            render.write(self.settings)
        except BadSetting as error:
            say(f"keeping the running configuration: {error}")
            return
        finally:
            self.seen = current
        say("mounted files changed, reloading")
        self.tell(signal.SIGHUP)
        if self.server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.server.pid, signal.SIGHUP)
        # As a process of its own: a database that does not answer must not
        # keep the first process from passing on a signal.
        subprocess.Popen([sys.executable, "-m", "slipway_postgres", "roles"])
