"""Where backups are kept: one pod beside the members, with pgBackRest in both.

Members push their write-ahead log to it, and it takes backups through them,
over connections on which both sides show a certificate. What is due is decided
here, from what is in the repository, and not by a clock that a restart would
set back.
"""

import contextlib
import datetime
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from . import render, supervise
from .settings import BadSetting, mounted

METRICS_PORT = 9854
# How often it is looked at what is due.
TICK = 30.0
# Until there is a backup, the database is waited for more closely.
FIRST_TICK = 5.0
# A pod that has just started leaves the machine to the members, and a drill that
# failed is not tried again at once.
DRILL_NOT_BEFORE = 600.0
# pgBackRest's exit status where another of its processes works on the stanza.
LOCKED = 50
HOUR, DAY = 3600, 86400


@dataclass(frozen=True)
class Plan:
    """What backup.yaml says."""

    stanza: str
    """The name of the cluster in the repository."""
    database: str
    """What a drill dumps."""
    full_every: int
    """Seconds from one full backup to the next."""
    every: int
    """Seconds from any backup to the next."""
    check_every: int
    """Seconds from one look at the archive to the next."""
    drill_every: int
    """Seconds from one drill to the next; negative is never."""


def read_plan(config: Path) -> Plan:
    content = render.read_yaml(config / "backup.yaml")
    try:
        return Plan(
            stanza=str(content["stanza"]),
            database=str(content["database"]),
            full_every=int(content["fullDays"]) * DAY,
            every=int(content["everyHours"]) * HOUR,
            check_every=int(content["checkMinutes"]) * 60,
            drill_every=int(content["drillDays"]) * DAY,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadSetting(f"{config / 'backup.yaml'}: {error!r}") from error


@dataclass(frozen=True)
class Backup:
    """One backup that is in the repository, and whole."""

    label: str
    kind: str
    """full or incr."""
    finished: float
    """When it was complete, in seconds since 1970."""
    size: int
    """Bytes in the repository that it alone needs."""


def backups(info: list[dict[str, Any]], stanza: str) -> list[Backup]:
    """The backups that pgbackrest info knows of, oldest first."""
    found = []
    for entry in info:
        if entry.get("name") != stanza:
            continue
        for one in entry.get("backup", []):
            if one.get("error"):
                continue
            size = one.get("info", {}).get("repository", {}).get("delta", 0)
            found.append(Backup(one["label"], one["type"], float(one["timestamp"]["stop"]), size))
    return sorted(found, key=lambda one: one.finished)


def due(have: list[Backup], plan: Plan, now: float) -> str | None:
    """The type of backup to take, or None."""
    fulls = [one.finished for one in have if one.kind == "full"]
    if not fulls or now - max(fulls) >= plan.full_every:
        return "full"
    if now - have[-1].finished >= plan.every:
        return "incr"
    return None


class Failed(Exception):
    """A command of pgBackRest that failed; the text is what it said."""

    def __init__(self, status: int, said: str):
        super().__init__(said or f"exit status {status}")
        self.status = status


class PgBackRest:
    """Runs one command after the other, and ends it when it is told to stop."""

    def __init__(self, stanza: str):
        self.stanza = stanza
        self.stopping = False
        self.child: subprocess.Popen[str] | None = None

    def run(self, command: str, *options: str) -> str:
        """Return what it printed.

        Raises:
            Failed: it did not succeed.
        """
        arguments = ["pgbackrest", f"--stanza={self.stanza}", *options, command]
        if self.stopping:
            raise Failed(0, f"{command}: this pod is ending")
        self.child = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if self.stopping:
            self.child.terminate()
        out, err = self.child.communicate()
        if self.child.returncode != 0:
            raise Failed(self.child.returncode, (err or out).strip())
        return out

    def stop(self) -> None:
        self.stopping = True
        if self.child is not None:
            self.child.terminate()

    def backups(self) -> list[Backup]:
        return backups(json.loads(self.run("info", "--output=json")), self.stanza)


class Metrics:
    """What Prometheus reads of the repository."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.completed = Gauge(
            "slipway_backup_completed_timestamp_seconds",
            "When the newest backup of a type was complete.",
            ["type"],
            registry=self.registry,
        )
        self.size = Gauge(
            "slipway_backup_repository_bytes",
            "What all backups take in the repository, the write-ahead log aside.",
            registry=self.registry,
        )
        self.count = Gauge(
            "slipway_backup_count", "Backups in the repository.", registry=self.registry
        )
        self.checked = Gauge(
            "slipway_backup_archive_checked_timestamp_seconds",
            "When a piece of write-ahead log last arrived as asked for.",
            registry=self.registry,
        )
        self.drilled = Gauge(
            "slipway_backup_drilled_timestamp_seconds",
            "When a backup was last restored, started and read to its end.",
            registry=self.registry,
        )
        self.failed = Counter(
            "slipway_backup_failures",
            "What did not succeed, by what it was.",
            ["step"],
            registry=self.registry,
        )
        for step in ("stanza", "info", "backup", "check", "drill"):
            self.failed.labels(step)

    def show(self, have: list[Backup]) -> None:
        self.count.set(len(have))
        self.size.set(sum(one.size for one in have))
        for one in have:
            self.completed.labels(one.kind).set(one.finished)


class Keeper:
    """Does what is due, one thing at a time."""

    def __init__(
        self,
        read: Callable[[], Plan],
        tool: PgBackRest,
        metrics: Metrics,
        note: Path,
        drill: Callable[[Plan], str],
        clock: Callable[[], float] = time.time,
    ):
        self.read = read
        self.tool = tool
        self.metrics = metrics
        self.note = note
        self.drill = drill
        self.clock = clock
        self.no_drill_before = clock() + DRILL_NOT_BEFORE
        self.ready = False
        self.last_check = 0.0
        metrics.drilled.set(self.last_drill())

    def attempt(self, step: str, what: Callable[[], Any]) -> Any:
        """What comes of one step, or None; a failure is counted and said."""
        try:
            return what()
        except (Failed, OSError, ValueError, KeyError) as error:
            if self.tool.stopping or (isinstance(error, Failed) and error.status == LOCKED):
                return None
            self.metrics.failed.labels(step).inc()
            supervise.say(f"{step}: {error}")
            return None

    def step(self) -> None:
        """Do what is due."""
        plan = self.read()
        if not self.ready:
            self.ready = self.attempt("stanza", lambda: self.tool.run("stanza-create")) is not None
            if not self.ready:
                return
        have = self.attempt("info", self.tool.backups)
        if have is None:
            return
        self.metrics.show(have)
        kind = due(have, plan, self.clock())
        if kind is not None:
            supervise.say(f"taking a backup: {kind}")
            if self.attempt("backup", lambda: self.tool.run("backup", f"--type={kind}")) is None:
                return
            supervise.say("the backup is complete")
            self.metrics.show(self.attempt("info", self.tool.backups) or have)
        if self.clock() - self.last_check >= plan.check_every:
            self.last_check = self.clock()
            if self.attempt("check", lambda: self.tool.run("check")) is not None:
                self.metrics.checked.set(self.clock())
        if self.drill_is_due(plan):
            self.rehearse(plan)

    def last_drill(self) -> float:
        with contextlib.suppress(OSError, ValueError):
            return float(self.note.read_text(encoding="utf-8"))
        return 0.0

    def drill_is_due(self, plan: Plan) -> bool:
        now = self.clock()
        if plan.drill_every <= 0 or now < self.no_drill_before:
            return False
        return now - self.last_drill() >= plan.drill_every

    def rehearse(self, plan: Plan) -> None:
        said = self.attempt("drill", lambda: self.drill(plan))
        if said is None:
            # Not again with the next tick: it costs as much as it did.
            self.no_drill_before = self.clock() + DRILL_NOT_BEFORE
            return
        supervise.say(said)
        draft = self.note.with_suffix(".draft")
        draft.write_text(str(self.clock()), encoding="utf-8")
        draft.replace(self.note)
        self.metrics.drilled.set(self.clock())


class Pod:
    """The first process of the repository's pod."""

    def __init__(self, watched: tuple[Path, ...], keeper: Keeper, tool: PgBackRest):
        self.watched = watched
        self.keeper = keeper
        self.tool = tool
        self.over = threading.Event()

    def run(self) -> int:
        """Return 0 when told to stop; raise where the server ends by itself."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.over.set())
        start_http_server(METRICS_PORT, registry=self.keeper.metrics.registry)
        seen = render.fingerprint(self.watched)
        server = subprocess.Popen(["pgbackrest", "server"])
        worker = threading.Thread(target=self.work, daemon=True)
        worker.start()
        try:
            while not self.over.wait(supervise.CHECK_EVERY):
                if server.poll() is not None:
                    raise BadSetting(f"pgbackrest server ended with status {server.returncode}")
                if not worker.is_alive():
                    raise BadSetting("nobody looks after backups any more")
                current = render.fingerprint(self.watched)
                if current != seen:
                    seen = current
                    supervise.say("mounted files changed, reloading")
                    server.send_signal(signal.SIGHUP)
        finally:
            self.tool.stop()
            server.terminate()
            worker.join(timeout=10)
        return 0

    def work(self) -> None:
        while not self.over.is_set():
            try:
                self.keeper.step()
            except BadSetting as error:
                # The file is being corrected by whoever wrote it.
                supervise.say(str(error))
            self.over.wait(TICK if self.keeper.ready else FIRST_TICK)


def when(moment: float) -> str:
    """A moment as people read it, in UTC."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def surroundings(env: dict[str, str] | None = None) -> tuple[Path, Path, Path]:
    """Directories of mounted configuration, of certificates, and of the volume."""
    env = dict(os.environ) if env is None else env
    root = mounted(env)
    data = Path(env.get("SLIPWAY_POSTGRES_DATA", "/var/lib/postgresql/data"))
    return root / "config", root / "tls", data
