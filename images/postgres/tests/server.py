"""Real servers of the tests' own."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest


class Server:
    """A server of the tests' own, copied from another one's directory."""

    bin = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)

    def __init__(self, home: Path, of: "Server | None" = None):
        self.directory, self.log = home / "data", home / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if of is None:
            self.run("initdb", "--auth=trust", "--username=postgres", "--no-sync")
        else:
            shutil.copytree(of.directory, self.directory)
            (self.directory / "standby.signal").touch()
        user = pwd.getpwnam("postgres")
        for path in (home, *home.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)

    def run(self, program: str, *arguments: str) -> None:
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        command = [str(self.bin / program), f"--pgdata={self.directory}", *arguments]
        subprocess.run(
            [*drop, *command] if os.geteuid() == 0 else command,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )

    def start(self) -> None:
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += " -c unix_socket_directories='' -c wal_log_hints=on"
        self.run("pg_ctl", "start", "--wait", f"--log={self.log}", f"--options={options}")

    def stop(self, mode: str = "fast") -> None:
        self.run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def runs(self) -> bool:
        return (self.directory / "postmaster.pid").exists()

    def follow(self, leader: "Server") -> None:
        (self.directory / "standby.signal").touch()
        info = f"host=127.0.0.1 port={leader.port} user=postgres"
        with (self.directory / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{info}'\nwal_retrieve_retry_interval = 100ms\n")
        self.start()

    def promote(self) -> None:
        self.run("pg_ctl", "promote", "--wait")

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        )

    def say(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement)

    def control(self) -> dict[str, str]:
        command = [str(self.bin / "pg_controldata"), str(self.directory)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return {
            k.strip(): v.strip() for k, _, v in (line.partition(":") for line in text.splitlines())
        }


@pytest.fixture
def make():
    made = []
    homes = []

    def one(of=None, kind=Server):
        # Short, for the user that PostgreSQL runs as to enter.
        homes.append(Path(tempfile.mkdtemp(prefix="slipway-member-", dir="/tmp")))
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(homes[-1], user.pw_uid, user.pw_gid)
        made.append(kind(homes[-1], of))
        return made[-1]

    yield one
    for server in made:
        if server.runs():
            server.stop("immediate")
    for home in homes:
        shutil.rmtree(home)
