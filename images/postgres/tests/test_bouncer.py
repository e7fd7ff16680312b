"""What is told of a pooler, by a real one, and what its user is refused."""

import os
import pwd
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from server import Server
from test_member import wait_for

from slipway_postgres import bouncer

OWNER, SECRET = "api", "secret-of-the-owner"


class Bouncer:
    """PgBouncer with the part of its settings that the exporter depends on."""

    def __init__(self, home: Path, server: Server):
        program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
        if program is None:
            raise RuntimeError("pgbouncer is not installed; scripts/app-test installs it")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.credentials = home / "credentials"
        self.credentials.mkdir()
        self.tell("secret-of-the-exporter")
        users, config = home / "userlist.txt", home / "pgbouncer.ini"
        users.write_text(
            f'"{OWNER}" "{SECRET}"\n"{bouncer.USER}" "secret-of-the-exporter"\n', encoding="utf-8"
        )
        config.write_text(
            f"[databases]\n{OWNER} = host=127.0.0.1 port={server.port} dbname=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {users}\npool_mode = transaction\n"
            f"default_pool_size = 1\nmax_client_conn = 20\nstats_users = {bouncer.USER}\n"
            f"logfile = {home}/log\n",
            encoding="utf-8",
        )
        drop = []
        if os.geteuid() == 0:
            drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            user = pwd.getpwnam("postgres")
            for path in (home, *home.rglob("*")):
                os.chown(path, user.pw_uid, user.pw_gid)
        self.process = subprocess.Popen([*drop, program, "-q", str(config)], cwd="/")
        self.pooler = bouncer.Pooler(self.credentials, self.port)
        wait_for(lambda: self.figures()[("pgbouncer_up",)] == 1)

    def tell(self, secret: str) -> None:
        """What the exporter's password file says."""
        (self.credentials / bouncer.USER).write_text(secret, encoding="utf-8")

    def connect(self, user: str = OWNER, database: str = OWNER) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=SECRET if user == OWNER else "secret-of-the-exporter",
            dbname=database,
            autocommit=True,
        )

    def figures(self) -> dict[tuple[str, ...], float]:
        """Values by name and labels' values."""
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in self.pooler.collect()
            for sample in family.samples
        }


@pytest.fixture
def pooled(make, tmp_path_factory) -> Iterator[Bouncer]:
    server = make()
    server.start()
    server.say(f"CREATE ROLE {OWNER} LOGIN")
    with server.connect() as connection:
        verifier = connection.pgconn.encrypt_password(
            SECRET.encode(), OWNER.encode(), b"scram-sha-256"
        )
        connection.execute(f"ALTER ROLE {OWNER} PASSWORD '{verifier.decode()}'")
    # PgBouncer's user has to enter it.
    home = server.log.parent / "bouncer"
    home.mkdir()
    made = Bouncer(home, server)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait(timeout=60)


def test_clients_that_wait_are_told_of(pooled):
    pool = (OWNER, OWNER)
    with pooled.connect() as first, pooled.connect() as second:
        first.execute("SELECT 1")
        figures = pooled.figures()
        assert figures[("pgbouncer_used_clients",)] == 3  # the exporter is one
        assert figures[("pgbouncer_config_max_client_connections",)] == 20
        assert figures[("pgbouncer_config_default_pool_size",)] == 1
        assert figures[("pgbouncer_pools_client_waiting_connections", *pool)] == 0
        assert figures[("pgbouncer_stats_queries_pooled_total", OWNER)] >= 1
        first.execute("BEGIN")
        waits = threading.Thread(target=lambda: second.execute("SELECT 2"))
        waits.start()
        name = "pgbouncer_pools_client_waiting_connections"
        wait_for(lambda: pooled.figures()[(name, *pool)] == 1)
        assert pooled.figures()[("pgbouncer_pools_server_active_connections", *pool)] == 1
        wait_for(lambda: pooled.figures()[("pgbouncer_pools_client_maxwait_seconds", *pool)] >= 1)
        first.execute("COMMIT")
        waits.join(timeout=60)
        assert pooled.figures()[(name, *pool)] == 0


def test_its_own_console_is_no_database_of_anybodys(pooled):
    pooled.connect().close()
    assert {key[1] for key in pooled.figures() if len(key) > 1} == {OWNER}


def test_a_pooler_that_does_not_answer_is_told_of(pooled, capsys):
    pooled.tell("guessed")
    assert pooled.figures() == {("pgbouncer_up",): 0}
    assert pooled.figures() == {("pgbouncer_up",): 0}
    # Said once, and neither password with it.
    said = capsys.readouterr().out
    assert said.count("the pooler:") == 1
    assert "guessed" not in said and "secret" not in said
    pooled.tell("secret-of-the-exporter")
    assert pooled.figures()[("pgbouncer_up",)] == 1
    pooled.process.kill()
    pooled.process.wait(timeout=60)
    assert pooled.figures() == {("pgbouncer_up",): 0}


@pytest.mark.parametrize(
    "command", ["PAUSE", "KILL api", "RELOAD", "SHUTDOWN", "SET max_client_conn = 1"]
)
def test_its_user_changes_nothing(pooled, command):
    with (
        pooled.connect(bouncer.USER, bouncer.CONSOLE) as console,
        pytest.raises(psycopg.Error, match="admin access needed"),
    ):
        console.execute(command.encode())
    assert pooled.figures()[("pgbouncer_up",)] == 1


def test_its_user_sees_no_password_and_no_row(pooled):
    with pooled.connect(bouncer.USER, bouncer.CONSOLE) as console:
        for what in ("USERS", "CONFIG", "DATABASES", "CLIENTS", "SERVERS"):
            assert "secret" not in str(console.execute(f"SHOW {what}".encode()).fetchall())
    with pytest.raises(psycopg.Error):
        pooled.connect(bouncer.USER).execute("SELECT 1")
