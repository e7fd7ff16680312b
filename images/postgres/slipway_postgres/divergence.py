"""Two histories under one timeline's number.

A member that is promoted and stops again within its first seconds leaves no
trace of its timeline with anybody else. Whoever is promoted next, from the same
point, takes the same number. Patroni compares numbers and finds nothing to
rewind, pg_rewind does too, and the first member waits for ever for WAL that
fits behind its own. Under strict durability nothing acknowledged is in what only
it has: no commit returns before a standby has it, and a standby that had it would
have led.

So where numbers are the same, the bytes of the WAL itself are compared. And
since a member that streamed meanwhile has written the leader's WAL over its own,
it is also asked for the checkpoint that it would start from.
"""

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

logger = logging.getLogger(__name__)

PAGE = 8192
# The header of a record: its CRC is the last of it.
HEADER = 24
# A page's own header may lie between the two parts of a record's.
LONG_PAGE_HEADER = 40


class Span(NamedTuple):
    """A part of one WAL segment: its file's name, offset and length in bytes."""

    file: str
    offset: int
    length: int


def last_page(timeline: int, lsn: int, in_recovery: bool, segment: int) -> Span | None:
    """The end of what a stopped member has of a timeline, None where the end is
    not known: the record that switches to a new segment moves the end of what is
    replayed there before the rest of the old one has come.

    Args:
        timeline: its number.
        lsn: for a former standby the byte behind what it replayed, for a former
            primary the first byte of its last checkpoint's record.
        in_recovery: which of the two it was.
        segment: bytes per WAL segment.
    """
    if in_recovery and lsn % segment == 0:
        return None
    if in_recovery:
        within, end = lsn - 1, lsn
    else:
        within, end = lsn, lsn + HEADER + LONG_PAGE_HEADER
    number = within // segment
    begin = max((lsn - 1) // PAGE * PAGE, number * segment)
    end = min(end, (number + 1) * segment)
    per_high_part = 2**32 // segment
    file = f"{timeline:08X}{number // per_high_part:08X}{number % per_high_part:08X}"
    return Span(file, begin - number * segment, end - begin)


def read(directory: Path, span: Span) -> bytes:
    with (directory / span.file).open("rb") as file:
        file.seek(span.offset)
        return file.read(span.length)


# What the leader's WAL has in a span: nothing where the segment is not there.
QUESTION = "SELECT pg_catalog.pg_read_binary_file('pg_wal/' || %s, %s, %s, true)"


def divided(
    directory: Path, span: Span, ask: Callable[[str, tuple[str, int, int]], tuple[Any, ...] | None]
) -> bool:
    """Whether the leader's WAL differs from this member's at the end of what
    this member has. False where it cannot be told."""
    row = ask(QUESTION, (span.file, span.offset, span.length))
    if row is None or row[0] is None:
        return False
    theirs, ours = bytes(row[0]), read(directory, span)
    return len(theirs) == len(ours) == span.length and theirs != ours


# How pg_waldump says that there is WAL, and no record in it where one is asked for.
NO_RECORD = (b"could not find a valid record after", b"error in WAL record at")


def starts(postgresql: Any) -> bool:
    """Whether a server's WAL has the checkpoint that it would start from. True
    where it cannot be told, whatever the reason."""
    begin = checkpoint(postgresql)
    if begin is None:
        return True
    timeline, location = begin
    record, complaint = postgresql.waldump(timeline, location, 1)
    if record is None or complaint is None:
        return True
    high, _, low = location.partition("/")
    if f"lsn: {high}/{int(low, 16):08X},".encode() in record:
        there = b"CHECKPOINT" in record
    else:
        there = not record and not any(words in complaint for words in NO_RECORD)
    # One that runs may have finished a checkpoint meanwhile, and deleted the WAL
    # from before.
    return there or checkpoint(postgresql) != begin


def consistent(postgresql: Any) -> bool:
    """Whether a server has all the WAL that its control file speaks of. A copy, by
    pg_basebackup or pg_rewind, does not before it has replayed to its end."""
    if postgresql.was_restored_from_backup():
        return False
    start: str = postgresql.controldata().get("Backup start location", "0/0")
    return start == "0/0"


def checkpoint(postgresql: Any) -> tuple[str, str] | None:
    """Timeline and location of the last checkpoint, as pg_controldata has them."""
    control = postgresql.controldata()
    timeline = control.get("Latest checkpoint's TimeLineID")
    location = control.get("Latest checkpoint location")
    return (timeline, location) if timeline and location else None


def correct(rewind: type[Any], states: Any, connect: Callable[..., Any]) -> None:
    """Let Patroni's rewind see divided timelines, and clone such a member anew.

    Args:
        rewind: Patroni's Rewind.
        states: its states.
        connect: opens a cursor, given the parameters of a connection.
    """
    check: Callable[[Any, Any], None] = rewind._check_timeline_and_lsn
    execute: Callable[[Any, Any], bool | None] = rewind.execute

    def is_divided(self: Any, leader: Any) -> bool:
        in_recovery, timeline, lsn = self._get_local_timeline_lsn()
        if timeline is None or not lsn or not consistent(self._postgresql):
            return False
        segment = int(self._postgresql.controldata()["Bytes per WAL segment"])
        if not starts(self._postgresql):
            return True
        span = last_page(timeline, lsn, in_recovery, segment)
        if span is None:
            return False
        with connect(**self._conn_kwargs(leader, self._postgresql.config.rewind_credentials)) as it:

            def ask(question: str, parameters: tuple[str, int, int]) -> Any:
                it.execute(question, parameters)
                return it.fetchone()

            return divided(Path(self._postgresql.wal_dir), span, ask)

    @wraps(check)
    def check_timeline(self: Any, leader: Any) -> None:
        check(self, leader)
        self.divided = False
        if self._state != states.NOT_NEED:
            return
        try:
            self.divided = is_divided(self, leader)
        except Exception:
            # Whatever it is, it must not keep a member from starting.
            logger.exception("comparing WAL with the leader's")
        if self.divided:
            logger.warning("this member's WAL is not that of %s, on one timeline", leader.name)
            self._state = states.NEED

    @wraps(execute)
    def clone_or_rewind(self: Any, leader: Any) -> bool | None:
        if not getattr(self, "divided", False):
            return execute(self, leader)
        if self._postgresql.is_running() and not self._postgresql.stop(checkpoint=False):
            logger.warning("cannot clone: postgres is still running")
            return None
        login = self._conn_kwargs(leader, self._postgresql.config.rewind_credentials)
        if not self.check_leader_is_not_in_recovery(login):
            return None
        self.divided = False
        if not self.should_remove_data_directory_on_diverged_timelines:
            self._state = states.FAILED
            return False
        logger.warning("removing this member's data, to clone %s", leader.name)
        self._postgresql.remove_data_directory()
        self._state = states.INITIAL
        return False

    rewind._check_timeline_and_lsn = check_timeline
    rewind.execute = clone_or_rewind
