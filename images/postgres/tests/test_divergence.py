"""Divided timelines, between real servers."""

import importlib
import time

import pytest

from slipway_postgres import divergence
from slipway_postgres.divergence import Span, last_page

MEBI = 1 << 20


@pytest.mark.parametrize(
    ("timeline", "lsn", "in_recovery", "want"),
    [
        # In the middle of a page, before and behind the place.
        (21, 0x4052588, False, Span("000000150000000000000004", 0x52000, 0x588 + 64)),
        (21, 0x4052588, True, Span("000000150000000000000004", 0x52000, 0x588)),
        # A page that is just full, and one that has not begun.
        (1, 0x4054000, True, Span("000000010000000000000004", 0x52000, 0x2000)),
        (1, 0x4054000, False, Span("000000010000000000000004", 0x52000, 0x2000 + 64)),
        # The same at a segment's border.
        (1, 0x5000000, True, None),
        (1, 0x4FFFFF8, True, Span("000000010000000000000004", 0xFFE000, 0x1FF8)),
        (1, 0x5000000, False, Span("000000010000000000000005", 0, 64)),
        (1, 0x4FFFFF8, False, Span("000000010000000000000004", 0xFFE000, 0x2000)),
        # 256 segments to the high part.
        (16, 0x2_FF00_0100, True, Span("0000001000000002000000FF", 0, 0x100)),
    ],
)
def test_the_end_of_a_members_wal_is_one_part_of_one_file(timeline, lsn, in_recovery, want):
    assert last_page(timeline, lsn, in_recovery, 16 * MEBI) == want


class Postgresql:
    """What Rewind asks of Patroni's own Postgresql, of a stopped server."""

    name, database = "postgres-0", "postgres"
    major_version = 150000

    def __init__(self, server):
        self.server, self.removed = server, False
        self.wal_dir = str(server.directory / "pg_wal")
        login = {"user": "postgres"}
        self.config = type("Config", (dict,), {"rewind_credentials": login, "replication": login})(
            use_pg_rewind=True, remove_data_directory_on_diverged_timelines=True
        )

    def is_running(self):
        return self.server.runs()

    def is_starting(self):
        return False

    def stop(self, checkpoint):
        self.server.stop("fast" if checkpoint else "immediate")
        return True

    def get_replica_timeline(self):
        with self.server.connect() as connection:
            return connection.execute("SELECT timeline_id FROM pg_control_checkpoint()").fetchone()[
                0
            ]

    def replay_lsn(self):
        with self.server.connect() as connection:
            ask = "SELECT pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint"
            return connection.execute(ask).fetchone()[0]

    def controldata(self):
        return self.server.control()

    def was_restored_from_backup(self):
        return (self.server.directory / "backup_label").exists()

    def pgcommand(self, name):
        return str(self.server.bin / name)

    @property
    def _data_dir(self):
        return str(self.server.directory)

    wal_name = "wal"
    waldump = importlib.import_module("patroni.postgresql").Postgresql.waldump

    def remove_data_directory(self):
        self.removed = True

    def get_replication_connection_cursor(self, **login):
        connection = importlib.import_module("patroni.postgresql.connection")
        return connection.get_connection_cursor(**login, replication=1, dbname="postgres")


class Leader:
    def __init__(self, server):
        self.server, self.name = server, "postgres-1"
        self.conn_url = "postgres://here"

    def conn_kwargs(self, auth=None):
        return {"host": "127.0.0.1", "port": self.server.port, "user": "postgres", **(auth or {})}


@pytest.fixture
def rewind():
    """Patroni's Rewind, corrected, in a class of its own."""
    module = importlib.import_module("patroni.postgresql.rewind")
    connection = importlib.import_module("patroni.postgresql.connection")
    own = type("Own", (module.Rewind,), {})
    plain = type("Plain", (module.Rewind,), {})
    divergence.correct(own, module.REWIND_STATUS, connection.get_connection_cursor)
    return own, plain, module.REWIND_STATUS


def needs(kind, member, leader):
    made = kind(Postgresql(member))
    made.trigger_check_diverged_lsn()
    return made, made.rewind_or_reinitialize_needed_and_possible(Leader(leader))


def test_two_members_promoted_from_one_point_are_told_apart(make, rewind):
    own, plain, states = rewind
    origin = make()
    origin.start()
    origin.say("CREATE TABLE t AS SELECT 1")
    origin.stop()
    first, second = make(origin), make(origin)
    for server in (first, second):
        server.start()
        server.promote()
        server.say("CHECKPOINT")
    first.stop()

    _, needed = needs(plain, first, second)
    assert not needed, "Patroni finds out itself: divergence.py can go"
    made, needed = needs(own, first, second)
    assert needed
    assert made.execute(Leader(second)) is False
    assert made._postgresql.removed
    assert made._state == states.INITIAL

    # It is told apart as well when it was started all the same, as when the leader
    # did not answer: it has written the leader's WAL over its own by then.
    second.say("INSERT INTO t SELECT generate_series(1, 10000)")
    first.follow(second)
    deadline = time.monotonic() + 60
    while "terminating walreceiver" not in first.log.read_text():
        assert time.monotonic() < deadline, first.log.read_text()
        time.sleep(0.05)
    _, needed = needs(plain, first, second)
    assert not needed
    made, needed = needs(own, first, second)
    assert needed
    assert made.execute(Leader(second)) is False
    assert made._postgresql.removed
    assert not first.runs()

    # One that copied the leader is a follower, wherever it stopped.
    second.stop()
    follower = make(second)
    second.start()
    made, needed = needs(own, follower, second)
    assert not needed
    assert made._state == states.NOT_NEED
    assert not made._postgresql.removed

    follower.follow(second)
    second.say("INSERT INTO t VALUES (3)")
    made, needed = needs(own, follower, second)
    assert not needed
    assert made._state == states.NOT_NEED
    follower.stop()

    # One that wrote what the leader does not have, on the same timeline, is not.
    (follower.directory / "standby.signal").unlink()
    follower.start()
    follower.say("INSERT INTO t VALUES (2)")
    follower.stop()
    _, needed = needs(own, follower, second)
    assert needed


CONTROL = {"Latest checkpoint's TimeLineID": "2", "Latest checkpoint location": "0/4052588"}
CHECKPOINT = b"rmgr: XLOG tx: 0, lsn: 0/04052588, prev 0/04052510, desc: CHECKPOINT_SHUTDOWN"
COMMIT = b"rmgr: Transaction tx: 7, lsn: 0/04052588, prev 0/04052510, desc: COMMIT"
LATER = b"rmgr: XLOG tx: 0, lsn: 0/04052600, prev 0/04052588, desc: CHECKPOINT_ONLINE"


@pytest.mark.parametrize(
    ("said", "control", "want"),
    [
        ((CHECKPOINT, b""), CONTROL, True),
        ((COMMIT, b""), CONTROL, False),
        ((LATER, b"first record is after 0/4052588, at 0/4052600"), CONTROL, False),
        ((b"", b"fatal: could not find a valid record after 0/4052588"), CONTROL, False),
        ((b"", b"fatal: error in WAL record at 0/4052588: invalid magic"), CONTROL, False),
        # Nothing of this says what the WAL holds.
        ((b"", b'fatal: could not find file "000000020000000000000004"'), CONTROL, True),
        ((b"", b"fatal: could not read from file: Input/output error"), CONTROL, True),
        ((b"", b""), CONTROL, True),
        ((None, None), CONTROL, True),
        ((COMMIT, b""), {}, True),
    ],
)
def test_only_a_wrong_record_says_that_a_checkpoint_is_gone(said, control, want):
    class Stopped:
        def controldata(self):
            return control

        def waldump(self, timeline, location, limit):
            assert (timeline, location, limit) == ("2", "0/4052588", 1)
            return said

    assert divergence.starts(Stopped()) == want


def test_a_checkpoint_that_was_finished_meanwhile_is_not_gone():
    class Running:
        answers = iter([CONTROL, {**CONTROL, "Latest checkpoint location": "0/6000028"}])

        def controldata(self):
            return next(self.answers)

        def waldump(self, *_):
            return b"", b"fatal: could not find a valid record after 0/4052588"

    assert divergence.starts(Running())


def test_what_is_not_read_whole_is_not_compared(tmp_path):
    span = Span("000000010000000000000004", 0, 8)
    (tmp_path / span.file).write_bytes(b"1234")
    asked = []

    def differs(answer):
        return divergence.divided(tmp_path, span, lambda _, p: asked.append(p) or answer)

    for answer in ((b"12345678",), (None,), None):
        assert not differs(answer)
    (tmp_path / span.file).write_bytes(b"12345678more")
    for answer in ((b"12345678",), (b"1234",)):
        assert not differs(answer)
    assert differs((b"12345679",))
    assert set(asked) == {(span.file, 0, 8)}


@pytest.mark.parametrize(
    ("found", "begin", "want"),
    [
        ("NOT_NEED", "0/0", "NEED"),
        # A copy on its way; what Patroni does not know; what it wants to rewind.
        ("NOT_NEED", "0/3000028", "NOT_NEED"),
        ("CHECK", "0/0", "CHECK"),
        ("NEED", "0/0", "NEED"),
    ],
)
def test_only_what_patroni_finds_in_order_is_looked_at(found, begin, want):
    states = importlib.import_module("patroni.postgresql.rewind").REWIND_STATUS

    class Stopped:
        def was_restored_from_backup(self):
            return False

        def controldata(self):
            return {**CONTROL, "Backup start location": begin, "Bytes per WAL segment": "16777216"}

        def waldump(self, *_):
            return COMMIT, b""

    class Rewind:
        _postgresql = Stopped()

        def _check_timeline_and_lsn(self, leader):
            self._state = states[found]

        def _get_local_timeline_lsn(self):
            return True, 2, 0x4052600

        def execute(self, leader):
            return "rewound"

    divergence.correct(Rewind, states, None)
    made, leader = Rewind(), type("Leader", (), {"name": "postgres-1"})
    made._check_timeline_and_lsn(leader)
    assert made._state == states[want]
    assert made.divided == (want != found)
    if not made.divided:
        assert made.execute(leader) == "rewound"


@pytest.mark.parametrize(
    ("label", "begin", "want"),
    [(False, "0/0", True), (True, "0/0", False), (False, "0/3000028", False)],
)
def test_a_copy_is_not_judged_before_it_is_whole(label, begin, want):
    class Copy:
        def was_restored_from_backup(self):
            return label

        def controldata(self):
            return {"Backup start location": begin}

    assert divergence.consistent(Copy()) == want


def test_a_leader_that_cannot_be_asked_changes_nothing(make, rewind):
    own, _, states = rewind
    origin = make()
    origin.start()
    origin.stop()
    made, needed = needs(own, origin, origin)
    assert not needed
    assert made._state == states.CHECK
    assert not made._postgresql.removed
