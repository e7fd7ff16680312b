"""Restoring a backup beside the database, to find out that it can be, or to get
something back.

The restored server runs in the repository's pod, on a socket and a volume of its
own, and takes write-ahead log out of the repository as a real recovery would. It
archives nothing, no member hears of it, and nothing is left of it afterwards.
"""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

BIN = Path("/usr/lib/postgresql/15/bin")

# Its own settings, in place of those of the member that was backed up.
# hot_standby is off, or it would ask for as many connections as the member has.
SERVER = """listen_addresses = ''
unix_socket_directories = '{place}'
hba_file = '{place}/pg_hba.conf'
shared_buffers = 32MB
hot_standby = off
archive_mode = off
fsync = off
max_wal_size = 256MB
log_min_messages = warning
"""


class DrillFailed(OSError):
    """A backup could not be restored, or not be read; the text says where."""


@dataclass(frozen=True)
class Drill:
    """One restore.

    Args:
        config: pgBackRest's configuration, of which the repository is taken.
        stanza: the cluster's name in it.
        place: an empty directory on a volume with room for the database.
        moment: up to when, as PostgreSQL reads a time; empty is the end of
            what was archived.
    """

    config: Path
    stanza: str
    place: Path
    moment: str = ""

    @property
    def data(self) -> Path:
        return self.place / "pgdata"

    def reader(self) -> Path:
        """Write a configuration without the members: with one that names their
        hosts, pgBackRest restores nothing here."""
        lines = ["[global]", "log-level-file=off", "log-level-console=warn"]
        lines.append(f"lock-path={self.place}/lock")
        for line in self.config.read_text(encoding="utf-8").splitlines():
            if line.startswith("repo1-"):
                lines.append(line)
        lines += [f"[{self.stanza}]", f"pg1-path={self.data}"]
        path = self.place / "pgbackrest.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    @contextlib.contextmanager
    def server(self) -> Iterator[Path]:
        """A server with what the backup holds; yields the directory of its socket."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True, mode=0o700)
        try:
            self.restore()
            yield from self.serve()
        finally:
            shutil.rmtree(self.place, ignore_errors=True)

    def restore(self) -> None:
        self.data.mkdir(mode=0o700)
        options = ["--archive-mode=off"]
        if self.moment:
            options += ["--type=time", f"--target={self.moment}", "--target-action=promote"]
        run(
            "restoring",
            [
                "pgbackrest",
                f"--config={self.reader()}",
                f"--stanza={self.stanza}",
                *options,
                "restore",
            ],
        )
        (self.place / "pg_hba.conf").write_text("local all all peer\n", encoding="utf-8")
        (self.place / "postgresql.conf").write_text(
            SERVER.format(place=self.place), encoding="utf-8"
        )

    def serve(self) -> Iterator[Path]:
        log = self.place / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [
                    BIN / "postgres",
                    "-D",
                    self.data,
                    "-c",
                    f"config_file={self.place}/postgresql.conf",
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self.recovered(server, log)
            yield self.place
        finally:
            # Nothing of it is kept, so nothing has to reach the disk.
            server.send_signal(3)
            server.wait()

    def recovered(self, server: subprocess.Popen[bytes], log: Path) -> None:
        """Wait until everything is replayed. How long that takes depends on how
        much there is, so only the server's own end is a failure."""
        while True:
            if server.poll() is not None:
                tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
                raise DrillFailed("the restored server ended: " + " | ".join(tail))
            try:
                if query(self.place, "postgres", "SELECT pg_is_in_recovery()") == "f":
                    return
            except DrillFailed:
                pass
            time.sleep(0.2)


def run(what: str, arguments: list[Any], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        arguments, capture_output=True, text=True, check=False, **options
    )
    if done.returncode != 0:
        raise DrillFailed(f"{what}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def query(socket: Path, database: str, text: str) -> str:
    return run(
        "asking the restored server",
        [BIN / "psql", "-XAtq", "-h", socket, "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text],
        env={"PATH": os.environ.get("PATH", ""), "PGCONNECT_TIMEOUT": "5"},
    ).strip()


def prove(drill: Drill, database: str) -> str:
    """Restore, and read every row there is: pages are compared with their
    checksums as they are read. Returns what was found, for people.

    Raises:
        DrillFailed: it could not be restored or read.
    """
    started = time.monotonic()
    with drill.server() as socket:
        last = query(socket, database, "SELECT coalesce(pg_last_xact_replay_timestamp()::text, '')")
        with subprocess.Popen(
            [BIN / "pg_dump", "-h", socket, "-d", database],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as dump:
            # Both are there because both were asked for.
            stdout, stderr = cast("IO[bytes]", dump.stdout), cast("IO[bytes]", dump.stderr)
            size = sum(len(block) for block in iter(lambda: stdout.read(1 << 16), b""))
            complaint = stderr.read().decode(errors="replace").strip()
        if dump.returncode != 0:
            raise DrillFailed(f"dumping {database}: {complaint}")
    took = time.monotonic() - started
    until = f", up to {last}" if last else ""
    return f"drill: restored and read {database}, {size} bytes dumped{until}, in {took:.0f} s"
