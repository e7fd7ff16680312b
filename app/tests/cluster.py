"""A real PostgreSQL of the tests' own: a temporary directory, a free loopback port, no service.

The binaries are those of the distribution package. As root they run as the user ``postgres``,
because the server refuses to be root; the machine's own clusters are not looked at.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg

import reaper

USER = "api"
DATABASE = "api"
# Durability is not what these tests are about, and every commit would wait for the disk.
FAST = {"fsync": "off"}


def free_port() -> int:
    """Return a loopback port that nobody listens on, below those that the kernel hands out: one of
    those could be another program's by the time it is bound."""
    while True:
        port = random.randrange(15000, 30000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def binaries() -> Path:
    """Return the directory of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_major)
    if not found:
        raise RuntimeError(
            "no PostgreSQL server under /usr/lib/postgresql; install postgresql-15 or run"
            " scripts/app-test, which does"
        )
    return found[-1].parent


def _major(path: Path) -> int:
    return int(path.parts[-3])


def owned(command: list[str]) -> list[str]:
    """Return the command so that it does not run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        owned(command),
        cwd="/",
        env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": "/tmp"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}")
    return done


def workspace() -> Path:
    """Return a new directory that the server's user owns. The path is short: sockets need that."""
    path = Path(tempfile.mkdtemp(prefix="slipway-pg-", dir="/tmp"))
    reaper.directory(path)
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)
    return path


@functools.cache
def _template() -> Path:
    """Return the data directory of a stopped server, to be copied: initdb takes seconds."""
    server = Server(workspace() / "data", free_port())
    atexit.register(server.remove)
    run(
        [
            str(server.bin / "initdb"),
            f"--pgdata={server.directory}",
            f"--username={USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
    )
    server.configure(FAST)
    server.start()
    run([str(server.bin / "createdb"), *server.address(), DATABASE])
    server.stop()
    return server.directory


class Server:
    """One PostgreSQL server."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.port = port
        self.bin = binaries()

    @classmethod
    def create(cls, settings: dict[str, str] | None = None) -> Server:
        """Initialise and start a primary with role and database ``api``."""
        server = cls(workspace() / "data", free_port())
        run(["cp", "-a", str(_template()), str(server.directory)])
        server.configure({**FAST, **(settings or {})})
        server.start()
        return server

    def standby(self) -> Server:
        """Create and start a streaming replica of this server."""
        other = Server(workspace() / "data", free_port())
        run(
            [
                str(self.bin / "pg_basebackup"),
                *self.address(),
                f"--pgdata={other.directory}",
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
            ]
        )
        other.start()
        return other

    def follow(self, primary: Server) -> None:
        """Make this stopped server a standby of ``primary``, as a demotion does."""
        command = [
            str(self.bin / "pg_rewind"),
            f"--target-pgdata={self.directory}",
            f"--source-server=host=127.0.0.1 port={primary.port} user={USER} dbname={DATABASE}",
            "--no-sync",
        ]
        run(command)
        info = f"host=127.0.0.1 port={primary.port} user={USER}"
        self.configure({"primary_conninfo": f"'{info}'"})
        run(["touch", str(self.directory / "standby.signal")])

    def configure(self, settings: dict[str, str]) -> None:
        lines = "".join(f"{key} = {value}\n" for key, value in settings.items())
        with (self.directory / "postgresql.conf").open("a") as file:
            file.write(lines)

    def start(self) -> None:
        options = (
            f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
            " -c max_connections=200 -c wal_log_hints=on"
        )
        log = self.directory.parent / "log"
        self.control("start", "--wait", f"--log={log}", f"--options={options}")
        reaper.process(int((self.directory / "postmaster.pid").read_text().splitlines()[0]))

    def stop(self, mode: str = "fast") -> None:
        if self.running():
            self.control("stop", "--wait", f"--mode={mode}")

    def promote(self) -> None:
        self.control("promote", "--wait")

    def reload(self) -> None:
        self.control("reload")

    def running(self) -> bool:
        command = [str(self.bin / "pg_ctl"), "status", f"--pgdata={self.directory}"]
        done = subprocess.run(owned(command), cwd="/", capture_output=True, check=False)
        return done.returncode == 0

    def control(self, action: str, *options: str) -> None:
        # The server inherits pg_ctl's output; a pipe would never end.
        with (self.directory.parent / "pg_ctl").open("a+") as output:
            command = [
                str(self.bin / "pg_ctl"),
                action,
                f"--pgdata={self.directory}",
                "--silent",
                *options,
            ]
            done = subprocess.run(
                owned(command), cwd="/", stdout=output, stderr=output, timeout=60, check=False
            )
            if done.returncode != 0:
                raise RuntimeError(f"pg_ctl {action}: exit {done.returncode}\n{self.log()}")

    def log(self) -> str:
        path = self.directory.parent / "log"
        return path.read_text() if path.exists() else ""

    def address(self) -> list[str]:
        return ["--host=127.0.0.1", f"--port={self.port}", f"--username={USER}"]

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=USER, database=DATABASE, ssl="disable"
        )

    def remove(self) -> None:
        """Stop the server and delete everything it had."""
        self.stop("immediate")
        shutil.rmtree(self.directory.parent, ignore_errors=True)


class Pooler:
    """PgBouncer in transaction mode in front of one server, as the platform runs it."""

    def __init__(self, target_port: int, settings: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self.directory = workspace()
        self._process: subprocess.Popen[bytes] | None = None
        users = self.directory / "users"
        users.write_text(f'"{USER}" ""\n')
        config = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": str(users),
            "pool_mode": "transaction",
            "default_pool_size": "5",
            "max_client_conn": "200",
            "admin_users": USER,
            **(settings or {}),
        }
        text = f"[databases]\n{DATABASE} = host=127.0.0.1 port={target_port}\n[pgbouncer]\n"
        text += "".join(f"{key} = {value}\n" for key, value in config.items())
        self._config = self.directory / "pgbouncer.ini"
        self._config.write_text(text)
        for path in (users, self._config):
            path.chmod(0o644)

    @staticmethod
    def program() -> str:
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        if program is None:
            raise RuntimeError("pgbouncer is not installed; scripts/app-test installs it")
        return program

    @classmethod
    def version(cls) -> tuple[int, ...]:
        text = run([cls.program(), "--version"]).stdout.split()[1]
        return tuple(int(part) for part in text.split(".")[:2])

    def start(self) -> None:
        program = self.program()
        command = owned([program, str(self._config)])
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log)
        reaper.process(self._process.pid)
        wait_for_port(self.port)

    def remove(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def wait_for_port(port: int, seconds: float = 20.0) -> None:
    """Return once something listens on the loopback port."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
