"""What a lost leader had not archived, between real servers."""

import shutil
import time

from slipway_postgres import archive


def archiving(server, to, works):
    """Have a server archive into a directory, or fail at it."""
    command = f"cmp -s %p {to}/%f || cp -n %p {to}/%f" if works else "false"
    with (server.directory / "postgresql.auto.conf").open("a") as file:
        file.write(f"archive_mode = on\narchive_command = '{command}'\nwal_keep_size = 64MB\n")


def until(done, what):
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def one(server, question):
    with server.connect() as connection:
        return connection.execute(question).fetchone()[0]


def test_what_a_lost_leader_had_not_archived_is_archived_by_the_next(make):
    leader = make()
    place = leader.directory.parent / "archive"
    place.mkdir()
    shutil.chown(place, "postgres", "postgres")
    archiving(leader, place, works=False)
    leader.start()
    leader.say("CREATE TABLE t AS SELECT 1")
    leader.stop()
    standby = make(leader)
    leader.start()
    standby.follow(leader)
    finished = one(leader, "SELECT pg_walfile_name(pg_current_wal_lsn())")
    leader.say("INSERT INTO t VALUES (2); SELECT pg_switch_wal(); INSERT INTO t VALUES (3)")
    end = one(leader, "SELECT pg_current_wal_lsn()")
    until(
        lambda: one(standby, f"SELECT pg_last_wal_replay_lsn() >= '{end}'"),
        standby.log.read_text,
    )
    status = standby.directory / "pg_wal/archive_status"
    assert (status / f"{finished}.done").exists(), "no standby takes it for archived any more"
    leader.stop("immediate")

    archiving(standby, place, works=True)
    standby.stop()
    standby.start()
    assert archive.mark(standby.directory) == [], "it was not promoted"
    parting = one(standby, "SELECT last_archived_wal FROM pg_stat_archiver")
    assert parting is None
    standby.promote()
    standby.say("INSERT INTO t VALUES (4); SELECT pg_switch_wal()")
    own = "00000002" + finished[8:-1]
    until(
        lambda: any(path.name.startswith(own) for path in place.iterdir()),
        standby.log.read_text,
    )
    assert not (place / finished).exists(), "PostgreSQL archives it itself: archive.py can go"

    marked = archive.mark(standby.directory)
    assert finished in marked
    assert all(name.startswith("00000001") for name in marked)
    # The archiver looks once a minute by itself.
    standby.say("SELECT pg_switch_wal()")
    until(lambda: (place / finished).exists(), standby.log.read_text)
    until(lambda: finished in archive.mark(standby.directory), standby.log.read_text)


def test_only_whole_segments_of_ancestors_are_marked(tmp_path):
    wal, status = tmp_path / "pg_wal", tmp_path / "pg_wal/archive_status"
    status.mkdir(parents=True)
    size = 1 << 20
    (wal / "00000002.history").write_text("1\t0/250000\tbefore\n")
    (wal / "00000003.history").write_text("1\t0/250000\tx\n2\t1/100000\ty\n")
    for name in (
        "000000010000000000000000",
        "000000010000000000000001",
        "000000010000000000000002",  # the switch is in it
        "000000020000000000000FFF",
        "000000020000000100000000",  # the switch is at its end
        "000000020000000100000001",  # written by another leader after the switch
        "000000030000000100000001",  # its own
        "000000040000000000000000",  # of a timeline that is no ancestor
    ):
        with (wal / name).open("wb") as file:
            file.truncate(size)
        (status / f"{name}.done").touch()
    (status / "000000010000000000000000.done").rename(status / "000000010000000000000000.ready")
    (wal / "00000002.partial").touch()
    want = [
        "000000010000000000000001",
        "000000020000000000000FFF",
        "000000020000000100000000",
    ]
    assert archive.mark(tmp_path) == want
    for name in want:
        assert (status / f"{name}.ready").exists()
        assert not (status / f"{name}.done").exists()
    assert archive.mark(tmp_path) == []
