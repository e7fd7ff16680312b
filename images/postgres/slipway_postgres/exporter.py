"""What PostgreSQL says of itself, for Prometheus: the exporter beside one member.

It asks the member that it shares a pod with, on the socket, leader or not. The
role has no password: PostgreSQL lets it in because the process on the other end
belongs to the user of that name, which is not the one that owns the data.
"""

from pathlib import Path

PORT = 9187
ROLE = "exporter"
PROGRAM = "prometheus-postgres-exporter"
QUERIES = Path(__file__).with_name("queries.yaml")


def command(port: int = PORT) -> list[str]:
    """The exporter with what is asked here and nothing else: its own collectors
    tell ten times as much, in ways that differ from release to release."""
    return [
        PROGRAM,
        f"--web.listen-address=:{port}",
        "--disable-default-metrics",
        "--disable-settings-metrics",
        "--no-collector.bgwriter",
        "--no-collector.database",
        f"--extend.query-path={QUERIES}",
        "--log.level=warn",
    ]


def environment(run: Path, port: int) -> dict[str, str]:
    """Where it finds the member. Nothing in it is secret."""
    source = f"host={run} port={port} user={ROLE} dbname=postgres sslmode=disable connect_timeout=5"
    return {"DATA_SOURCE_NAME": source}
