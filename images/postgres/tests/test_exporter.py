"""What a member's exporter tells, and what the role it has is refused, by real servers."""

import contextlib
import http.client
import os
import pwd
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from server import Server
from test_member import wait_for

from slipway_postgres import exporter, roles

# In a pod the exporter has a user of its own, called as its role. Here somebody else's is mapped to
# it, who is neither root nor the owner of the data.
SOMEBODY = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Watched(Server):
    """A member as far as its exporter is concerned."""

    def __init__(self, home: Path, of: "Watched | None" = None):
        self.home = home
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        home.chmod(0o755)
        super().__init__(home, of)
        (self.directory / "pg_hba.conf").write_text(
            "local all postgres peer\n"
            f"local postgres {exporter.ROLE} peer map=watching\n"
            "local all all reject\n"
            "host replication postgres 127.0.0.1/32 trust\n"
            "host all postgres 127.0.0.1/32 trust\n"
        )
        (self.directory / "pg_ident.conf").write_text(f"watching {SOMEBODY} {exporter.ROLE}\n")

    def start(self) -> None:
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += f" -c unix_socket_directories={self.home} -c max_slot_wal_keep_size=64MB"
        self.run("pg_ctl", "start", "--wait", f"--log={self.log}", f"--options={options}")

    def ask(self, user: list[str], role: str, statement: str) -> subprocess.CompletedProcess[str]:
        """What a user gets from PostgreSQL on its socket."""
        words = [f"{self.bin}/psql", "-XAt", "-h", str(self.home), "-p", str(self.port)]
        return subprocess.run(
            [*user, *words, "-U", role, "-d", "postgres", "-c", statement],
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def as_somebody(self, role: str, statement: str) -> subprocess.CompletedProcess[str]:
        """What the exporter's user gets."""
        return self.ask(drop(), role, statement)


def drop() -> list[str]:
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(SOMEBODY)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@contextlib.contextmanager
def exporting(server: Watched) -> Iterator[int]:
    """The exporter beside a server, as the command has it; yields its port."""
    if shutil.which(exporter.PROGRAM) is None:
        raise RuntimeError(f"{exporter.PROGRAM} is missing; scripts/app-test fetches it")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Where everybody may read them.
    queries = shutil.copy(exporter.QUERIES, server.home)
    Path(queries).chmod(0o644)
    words = [word.replace(str(exporter.QUERIES), queries) for word in exporter.command(port)]
    words[0] = shutil.copy(shutil.which(words[0]), server.home)
    environment = exporter.environment(server.home, server.port)
    with subprocess.Popen([*drop(), *words], env=environment, cwd="/") as process:
        try:
            wait_for(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, "the exporter ended by itself"
            yield port
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def told(port: int) -> Series:
    """What it tells, by name and labels, the one for where it asks aside."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    except (OSError, http.client.HTTPException):
        return {}
    # Names as they are: the client library's own parser calls counters otherwise.
    found = re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.MULTILINE)
    return {
        (name, frozenset(re.findall(r'(?!server)\b(\w+)="(.*?)"', labels))): float(value)
        for name, labels, value in found
    }


def one(series: Series, name: str, **labels: str) -> float | None:
    return series.get((name, frozenset(labels.items())))


@pytest.fixture
def watched(make_watched):
    server = make_watched()
    server.start()
    with server.connect() as connection:
        roles.create_exporter(connection, exporter.ROLE)
    return server


@pytest.fixture
def make_watched(make):
    return lambda of=None: make(of, Watched)


def test_a_member_is_told_of(watched):
    with exporting(watched) as port, watched.connect() as busy:
        busy.execute("SELECT pg_create_physical_replication_slot('postgres_1', true)")
        busy.execute("BEGIN")
        busy.execute("SELECT 1")
        series = told(port)
        assert one(series, "pg_up") == 1
        assert one(series, "pg_exporter_last_scrape_error") == 0
        assert one(series, "pg_settings_max_connections") == 100
        assert one(series, "pg_settings_max_slot_wal_keep_size_bytes") == 64 << 20
        idle = {"state": "idle in transaction"}
        assert one(series, "pg_stat_activity_count", **idle) == 1
        assert one(series, "pg_stat_activity_max_tx_duration", **idle) >= 0
        assert one(series, "pg_stat_database_deadlocks", datname="postgres") == 0
        for database in ("postgres", "template0", "template1"):
            assert one(series, "pg_database_size_bytes", datname=database) > 0
            assert one(series, "pg_database_frozenxid_age", datname=database) >= 0
            assert one(series, "pg_database_minmxid_age", datname=database) >= 0
        slot = {"slot_name": "postgres_1"}
        assert one(series, "pg_replication_slots_active", **slot) == 0
        assert one(series, "pg_replication_slots_pg_wal_lsn_diff", **slot) >= 0


def test_names_that_clients_choose_are_no_series(watched):
    def of_the_database(series: Series) -> set[object]:
        return {key for key in series if key[0].startswith("pg_")}

    with exporting(watched) as port, contextlib.ExitStack() as clients:
        before = of_the_database(told(port))
        for number in range(5):
            client = clients.enter_context(watched.connect())
            client.execute(f"SET application_name = 'client {number}'")
            client.execute("BEGIN")
        assert of_the_database(told(port)) == before
    assert 30 < len(before) < 80


def test_a_replica_speaks_for_itself_when_its_leader_is_gone(make_watched):
    leader = make_watched()
    leader.start()
    with leader.connect() as connection:
        roles.create_exporter(connection, exporter.ROLE)
    leader.stop()
    replica = make_watched(leader)
    leader.start()
    replica.follow(leader)
    with exporting(replica) as port:
        leader.stop("immediate")
        series = told(port)
        assert one(series, "pg_up") == 1
        assert one(series, "pg_exporter_last_scrape_error") == 0
        assert one(series, "pg_database_frozenxid_age", datname="postgres") >= 0


def test_a_server_that_is_away_is_told_of_too(watched):
    with exporting(watched) as port:
        assert one(told(port), "pg_up") == 1
        watched.stop("immediate")
        wait_for(lambda: one(told(port), "pg_up") == 0)
        watched.start()
        wait_for(lambda: one(told(port), "pg_up") == 1)


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("SELECT * FROM people", "permission denied for table people"),
        ("COPY people TO STDOUT", "permission denied for table people"),
        ("DELETE FROM people", "permission denied|read-only transaction"),
        ("SELECT rolpassword FROM pg_authid", "permission denied for table pg_authid"),
        ("SELECT pg_read_file('PG_VERSION')", "permission denied for function pg_read_file"),
        ("SET TRANSACTION READ WRITE; CREATE TABLE x ()", "permission denied for schema public"),
        ("SHOW data_directory", "must be superuser or have privileges of pg_read_all_settings"),
        ("SET ROLE postgres", 'permission denied to set role "postgres"'),
        (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
            "must be a superuser",
        ),
    ],
)
def test_the_role_sees_statistics_and_no_row(watched, statement, refusal):
    watched.say("CREATE TABLE people (name text); INSERT INTO people VALUES ('ada')")
    allowed = watched.as_somebody(exporter.ROLE, "SELECT count(*) FROM pg_stat_database")
    assert allowed.returncode == 0, allowed.stderr
    with watched.connect():
        refused = watched.as_somebody(exporter.ROLE, statement)
    assert refused.returncode != 0
    assert re.search(refusal, refused.stderr), refused.stderr
    assert "ada" not in refused.stdout


def test_nobody_else_is_the_exporter_and_it_is_nobody_else(watched):
    assert watched.as_somebody(exporter.ROLE, "SELECT 1").stdout == "1\n"
    assert "Peer authentication failed" in watched.as_somebody("postgres", "SELECT 1").stderr
    if drop():  # else there is no other user to try
        assert "Peer authentication failed" in watched.ask([], exporter.ROLE, "SELECT 1").stderr
    # From the network, with whatever password.
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(
            host="127.0.0.1",
            port=watched.port,
            user=exporter.ROLE,
            dbname="postgres",
            password="guessed",
        )
    with watched.connect() as connection:
        found = connection.execute(
            "SELECT rolpassword IS NULL, rolsuper, rolconnlimit FROM pg_authid WHERE rolname = %s",
            [exporter.ROLE],
        )
        assert found.fetchone() == (True, False, 3)


def test_the_role_is_made_once_and_only_where_somebody_watches(here, watched, monkeypatch):
    with watched.connect() as connection:
        connection.execute(f"DROP ROLE {exporter.ROLE}")
        for name in ("replicator", "rewinder"):
            connection.execute(f"CREATE ROLE {name} LOGIN")
    monkeypatch.setattr(
        roles,
        "connect",
        lambda _settings, database: psycopg.connect(
            host="127.0.0.1", port=watched.port, dbname=database, user="postgres", autocommit=True
        ),
    )
    done = roles.ensure(here)
    assert "created role api" in done
    assert f"created role {exporter.ROLE}" not in done
    (here.config / "roles.yaml").write_text(
        f"database: api\nowner: api\nexporter: {exporter.ROLE}\n"
    )
    assert roles.ensure(here) == [f"created role {exporter.ROLE}"]
    assert roles.ensure(here) == []
