"""The repository of backups: what is due, what is said of it, and a drill between
real servers."""

import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from server import Server

from slipway_postgres import drill, repository
from slipway_postgres.repository import DAY, HOUR, Backup, Failed, Keeper, Metrics, Plan
from slipway_postgres.settings import BadSetting

PLAN = Plan(
    stanza="postgres",
    database="api",
    full_every=7 * DAY,
    every=DAY,
    check_every=15 * 60,
    drill_every=7 * DAY,
)


def taken(kind: str, finished: float) -> Backup:
    return Backup(f"{kind}-{finished}", kind, finished, 1000)


@pytest.mark.parametrize(
    ("have", "now", "want"),
    [
        ([], 0, "full"),
        # Nothing is built upon an incremental backup whose full one is gone.
        ([taken("incr", 0)], 1, "full"),
        ([taken("full", 0)], DAY - 1, None),
        ([taken("full", 0)], DAY, "incr"),
        ([taken("full", 0), taken("incr", DAY)], 2 * DAY - 1, None),
        ([taken("full", 0), taken("incr", DAY)], 2 * DAY, "incr"),
        ([taken("full", 0), taken("incr", 7 * DAY - HOUR)], 7 * DAY, "full"),
    ],
)
def test_what_is_due_is_read_from_what_is_there(have, now, want):
    assert repository.due(have, PLAN, now) == want


def test_only_whole_backups_of_this_database_count():
    def entry(label, kind, stop, error=None):
        return {
            "label": label,
            "type": kind,
            "error": error,
            "timestamp": {"start": stop - 5, "stop": stop},
            "info": {"repository": {"delta": 7}},
        }

    info = [
        {"name": "other", "backup": [entry("o", "full", 9)]},
        {"name": "postgres", "backup": [entry("b", "incr", 20), entry("a", "full", 10)]},
        {"name": "postgres", "backup": [entry("c", "full", 30, error=True)]},
    ]
    found = repository.backups(info, "postgres")
    assert [(one.label, one.kind, one.size) for one in found] == [
        ("a", "full", 7),
        ("b", "incr", 7),
    ]
    assert repository.backups([], "postgres") == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stanza: postgres\n", "database"),
        (
            "stanza: a\ndatabase: b\nfullDays: soon\neveryHours: 1\n",
            "soon",
        ),
        ("[]", "no mapping"),
    ],
)
def test_a_faulty_plan_is_named(tmp_path, text, complaint):
    (tmp_path / "backup.yaml").write_text(text)
    with pytest.raises(BadSetting, match=complaint):
        repository.read_plan(tmp_path)


class Tool:
    """pgBackRest, as far as it is asked here."""

    def __init__(self):
        self.asked = []
        self.have = []
        self.fails = {}
        self.stopping = False

    def run(self, command, *options):
        self.asked.append((command, *options))
        if command in self.fails:
            raise self.fails[command]
        return ""

    def backups(self):
        self.run("info")
        return self.have


@pytest.fixture
def keeping(tmp_path):
    clock = [1_000_000.0]
    tool, metrics, drills = Tool(), Metrics(), []

    def prove(_plan):
        drills.append(clock[0])
        return "proven"

    keeper = Keeper(lambda: PLAN, tool, metrics, tmp_path / "drilled", prove, lambda: clock[0])
    return keeper, tool, metrics, clock, drills


def value(metrics, name, **labels):
    return metrics.registry.get_sample_value(name, labels)


def test_nothing_is_done_before_the_database_is_there(keeping):
    keeper, tool, metrics, _, _ = keeping
    tool.fails["stanza-create"] = Failed(56, "unable to find primary cluster")
    keeper.step()
    assert tool.asked == [("stanza-create",)]
    assert value(metrics, "slipway_backup_failures_total", step="stanza") == 1
    del tool.fails["stanza-create"]
    keeper.step()
    assert ("backup", "--type=full") in tool.asked


def test_what_is_done_is_told(keeping):
    keeper, tool, metrics, clock, _ = keeping
    assert value(metrics, "slipway_backup_completed_timestamp_seconds", type="full") is None
    tool.have = [taken("full", 999_000.0), taken("incr", 999_500.0)]
    keeper.step()
    assert value(metrics, "slipway_backup_completed_timestamp_seconds", type="incr") == 999_500
    assert value(metrics, "slipway_backup_repository_bytes") == 2000
    assert value(metrics, "slipway_backup_archive_checked_timestamp_seconds") == clock[0]
    assert [one[0] for one in tool.asked] == ["stanza-create", "info", "check"]
    # Each thing again when it is due, and not before.
    tool.asked.clear()
    clock[0] += PLAN.check_every - 1
    keeper.step()
    assert tool.asked == [("info",)]
    clock[0] += 1
    keeper.step()
    assert ("check",) in tool.asked


def test_a_check_that_fails_leaves_the_time_of_the_last_that_did_not(keeping):
    keeper, tool, metrics, clock, _ = keeping
    tool.have = [taken("full", 999_000.0)]
    keeper.step()
    good = clock[0]
    tool.fails["check"] = Failed(82, "WAL segment was not archived before the 60000ms timeout")
    clock[0] += PLAN.check_every
    keeper.step()
    assert value(metrics, "slipway_backup_archive_checked_timestamp_seconds") == good
    assert value(metrics, "slipway_backup_failures_total", step="check") == 1


def test_somebody_elses_backup_is_no_failure(keeping):
    keeper, tool, metrics, _, _ = keeping
    tool.fails["backup"] = Failed(repository.LOCKED, "unable to acquire lock")
    keeper.step()
    assert value(metrics, "slipway_backup_failures_total", step="backup") == 0


def test_a_drill_is_due_once_and_remembered_by_the_volume(keeping, tmp_path):
    keeper, tool, metrics, clock, drills = keeping
    tool.have = [taken("full", clock[0])]
    keeper.step()
    assert drills == []
    clock[0] += repository.DRILL_NOT_BEFORE
    keeper.step()
    keeper.step()
    assert drills == [clock[0]]
    assert value(metrics, "slipway_backup_drilled_timestamp_seconds") == clock[0]
    # Another pod with the same volume knows of it.
    again = Keeper(
        lambda: PLAN, tool, Metrics(), tmp_path / "drilled", lambda _: "", lambda: clock[0]
    )
    assert not again.drill_is_due(PLAN)
    assert value(again.metrics, "slipway_backup_drilled_timestamp_seconds") == clock[0]
    never = dataclasses.replace(PLAN, drill_every=-DAY)
    clock[0] += 100 * DAY
    assert keeper.drill_is_due(PLAN) and not keeper.drill_is_due(never)


def test_a_drill_that_fails_is_not_tried_with_every_tick(keeping):
    keeper, tool, metrics, clock, _ = keeping
    tool.have = [taken("full", clock[0])]
    failures = []

    def fails(_plan):
        failures.append(1)
        raise drill.DrillFailed("a page's checksum is wrong")

    keeper.drill = fails
    clock[0] += repository.DRILL_NOT_BEFORE
    keeper.step()
    keeper.step()
    assert len(failures) == 1
    assert value(metrics, "slipway_backup_failures_total", step="drill") == 1
    assert value(metrics, "slipway_backup_drilled_timestamp_seconds") == 0


# What a drill does, by Debian's Python as PostgreSQL's user: neither may be root.
DRILL = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import drill
trial = drill.Drill(Path(sys.argv[2]), "main", Path(sys.argv[3]), sys.argv[4])
try:
    if sys.argv[5] == "prove":
        print(drill.prove(trial, "postgres"))
    else:
        with trial.server() as place:
            print(drill.query(place, "postgres", sys.argv[5]))
except drill.DrillFailed as error:
    sys.exit(f"failed: {error}")
"""


class Archived(Server):
    """A server with backups, both in one place."""

    def __init__(self, home: Path):
        self.home = home
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        super().__init__(home)
        package = home / "package"
        package.mkdir()
        shutil.copy(Path(drill.__file__), package)
        self.config = home / "pgbackrest.conf"
        self.config.write_text(
            f"[global]\nrepo1-path={home}/repo\nrepo1-bundle=y\ncompress-type=zst\nstart-fast=y\n"
            f"log-level-file=off\nlog-level-console=warn\nlock-path={home}/lock\n"
            f"[main]\npg1-path={self.directory}\npg1-port={self.port}\npg1-socket-path={home}\n"
        )
        command = f"pgbackrest --config={self.config} --stanza=main archive-push %p"
        with (self.directory / "postgresql.conf").open("a") as file:
            file.write(f"archive_mode = on\narchive_command = '{command}'\n")
        for path in (home, *home.rglob("*")):
            shutil.chown(path, "postgres", "postgres")

    def start(self) -> None:
        options = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        options += f" -c unix_socket_directories={self.home}"
        self.run("pg_ctl", "start", "--wait", f"--log={self.log}", f"--options={options}")

    def as_owner(self, *command: object) -> subprocess.CompletedProcess[str]:
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        words = [*(drop if os.geteuid() == 0 else []), *map(str, command)]
        return subprocess.run(
            words, cwd="/", check=False, capture_output=True, text=True, timeout=120
        )

    def back(self, *command: str) -> str:
        done = self.as_owner("pgbackrest", f"--config={self.config}", "--stanza=main", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def drill(self, moment: str, what: str) -> subprocess.CompletedProcess[str]:
        place = self.home / "scratch" / "drill"
        found = self.as_owner(
            "/usr/bin/python3", "-c", DRILL, self.home / "package", self.config, place, moment, what
        )
        assert not place.exists(), "something is left of the drill"
        return found

    def ask(self, moment: str, what: str) -> str:
        done = self.drill(moment, what)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def archived():
    # Not pytest's own directory: only its owner may enter that. In memory, since
    # pgBackRest syncs each of a thousand files.
    with tempfile.TemporaryDirectory(prefix="slipway-backup-", dir="/dev/shm") as home:
        server = Archived(Path(home))
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


def test_a_drill_brings_back_what_was_there(archived):
    archived.back("stanza-create")
    archived.say("CREATE TABLE row (id int)")
    archived.say("INSERT INTO row SELECT generate_series(1, 1000)")
    archived.back("--type=full", "backup")
    [full] = repository.backups(json.loads(archived.back("info", "--output=json")), "main")
    # pgBackRest takes moments of the second in which a backup ended for older.
    while time.time() < full.finished + 1:
        time.sleep(0.05)
    archived.say("INSERT INTO row VALUES (1001)")
    with archived.connect() as connection:
        times = connection.execute("SELECT now()::text, (now() + interval '1 hour')::text")
        before, later = times.fetchone()
    archived.say("DELETE FROM row")
    archived.back("check")

    count = "SELECT count(*) FROM row"
    # What was written after the backup comes from the archive alone.
    assert archived.ask(before, count) == "1001"
    # And at its end the rows are gone, so the moment above was one.
    assert archived.ask("", count) == "0"
    assert "restored and read postgres" in archived.ask("", "prove")
    assert full.kind == "full"

    late = archived.drill(later, count)
    assert late.returncode != 0
    assert "recovery ended before configured recovery target was reached" in late.stderr

    # A segment that is missing, and a file that is not what it was, are found.
    [segment] = sorted((archived.home / "repo/archive/main").rglob("*-*.zst"))[-1:]
    wanted = archived.home / "aside"
    segment.rename(wanted)
    assert "recovery ended before" in archived.drill(before, count).stderr
    wanted.rename(segment)
    [bundle] = (archived.home / "repo/backup/main").glob("*F/bundle/1")
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 0xFF
    bundle.write_bytes(content)
    broken = archived.drill("", "prove")
    assert broken.returncode != 0
    assert "failed: restoring" in broken.stderr
