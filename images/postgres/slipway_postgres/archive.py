"""What a lost leader had not archived yet, and the member promoted in its place has.

A standby takes every segment of the write-ahead log that it receives for archived:
its leader does that. The leader of a moment ago may have ended before it did. So
whoever is promoted marks what it has of the former timelines as still to be
archived. pgBackRest compares a segment that the archive has already, and is content.
"""

import re
from pathlib import Path

SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")


def switches(wal: Path) -> dict[int, int]:
    """Where each former timeline of a server ended: its number, and the first byte
    that is not its own any more. From PostgreSQL's history of the newest timeline."""
    histories = sorted(wal.glob("[0-9A-F]*.history"))
    if not histories:
        return {}
    ends = {}
    for line in histories[-1].read_text(encoding="utf-8").splitlines():
        words = line.split("\t")
        if len(words) >= 2 and not line.startswith("#"):
            high, low = words[1].split("/")
            ends[int(words[0])] = (int(high, 16) << 32) + int(low, 16)
    return ends


def mark(directory: Path) -> list[str]:
    """Have the archiver take the whole segments of former timelines that were
    received from another member. Returns their names.

    Args:
        directory: of the data, of a server that was promoted.
    """
    wal = directory / "pg_wal"
    ends = switches(wal)
    marked = []
    for segment in sorted(wal.iterdir()):
        name = SEGMENT.fullmatch(segment.name)
        if name is None:
            continue
        timeline, high, low = (int(part, 16) for part in name.groups())
        try:
            end = (high << 32) + (low + 1) * segment.stat().st_size
            # The one in which the timelines part is archived by PostgreSQL itself,
            # as far as it goes and under another name.
            if end > ends.get(timeline, 0):
                continue
            status = wal / "archive_status" / segment.name
            status.with_name(f"{segment.name}.done").rename(
                status.with_name(f"{segment.name}.ready")
            )
        except FileNotFoundError:
            # Recycled meanwhile, or not archived by its own account either.
            continue
        marked.append(segment.name)
    return marked
