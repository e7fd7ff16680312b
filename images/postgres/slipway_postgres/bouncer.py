"""What PgBouncer says of itself, for Prometheus: beside each pooler, in its pod.

Asked at every look of Prometheus's, over the loopback, as a user that may look
and change nothing. Metrics are called as the Prometheus community's exporter of
PgBouncer calls them, so that it could stand here instead.
"""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg.rows import dict_row

from . import supervise
from .settings import BadSetting, password

PORT = 9127
USER = "exporter"
# PgBouncer's console, which is no database of anybody's.
CONSOLE = "pgbouncer"
# In microseconds, as PgBouncer counts.
MICRO = 1e-6


class Column(NamedTuple):
    """One figure in the answer to a command."""

    column: str
    metric: str
    help: str
    scale: float = 1


POOLS = (
    Column("cl_active", "client_active_connections", "Clients that have a connection."),
    Column("cl_waiting", "client_waiting_connections", "Clients that wait for a connection."),
    Column("maxwait", "client_maxwait_seconds", "How long the first of those has waited."),
    Column("sv_active", "server_active_connections", "Connections that a client has."),
    Column("sv_idle", "server_idle_connections", "Connections that a client may have at once."),
    Column("sv_used", "server_used_connections", "Connections that are tried before that."),
    Column("sv_login", "server_login_connections", "Connections that are being made."),
)
STATS = (
    Column("xact_count", "sql_transactions_pooled_total", "Transactions passed on."),
    Column("query_count", "queries_pooled_total", "Queries passed on."),
    Column("query_time", "queries_duration_seconds_total", "Time that queries took.", MICRO),
    Column("wait_time", "client_wait_seconds_total", "Time that clients waited.", MICRO),
    Column("bytes_received", "received_bytes_total", "Bytes from clients and servers."),
    Column("bytes_sent", "sent_bytes_total", "Bytes to clients and servers."),
)
LIMITS = {
    "max_client_conn": ("max_client_connections", "Clients that are served at most."),
    "default_pool_size": ("default_pool_size", "Connections of one pool at most."),
}

Row = dict[str, Any]


def families(
    rows: list[Row], columns: tuple[Column, ...], prefix: str, labels: list[str], kind: type[Any]
) -> Iterator[Metric]:
    """One family for each column, with a series for each row."""
    for one in columns:
        family = kind(f"pgbouncer_{prefix}_{one.metric}", one.help, labels=labels)
        for row in rows:
            if row["database"] != CONSOLE:
                family.add_metric(
                    [row[name] for name in labels], float(row[one.column]) * one.scale
                )
        yield family


class Pooler(Collector):
    """The pooler that answers at a port of the loopback."""

    def __init__(self, credentials: Path, port: int):
        self.credentials = credentials
        self.port = port
        self.said = ""

    def ask(self) -> list[Metric]:
        with psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=CONSOLE,
            user=USER,
            # Read anew: a changed password is a changed file.
            password=password(self.credentials, USER),
            # Encrypted where the pooler demands it. Nobody is between the two.
            sslmode="prefer",
            # Nobody asks for a certificate of the client. libpq looks for one in the user's home
            # all the same, and a home that it may not enter is an error.
            sslcert="/dev/null/none",
            connect_timeout=3,
            autocommit=True,
            row_factory=dict_row,
        ) as console:

            def show(what: str) -> list[Row]:
                # As the simple protocol has it, which is all that the console speaks.
                return console.execute(f"SHOW {what}".encode()).fetchall()

            pools, totals = show("POOLS"), show("STATS_TOTALS")
            found = [
                *families(pools, POOLS, "pools", ["database", "user"], GaugeMetricFamily),
                *families(totals, STATS, "stats", ["database"], CounterMetricFamily),
            ]
            clients = {row["list"]: row["items"] for row in show("LISTS")}
            found.append(
                GaugeMetricFamily(
                    "pgbouncer_used_clients", "Clients that are connected.", clients["used_clients"]
                )
            )
            for row in show("CONFIG"):
                if row["key"] in LIMITS:
                    name, explained = LIMITS[row["key"]]
                    found.append(
                        GaugeMetricFamily(
                            f"pgbouncer_config_{name}", explained, float(row["value"])
                        )
                    )
        return found

    def collect(self) -> Iterator[Metric]:
        found, fault = [], ""
        try:
            found = self.ask()
        except (psycopg.Error, BadSetting, KeyError, ValueError) as error:
            fault = str(error).strip()
        if fault != self.said:
            supervise.say(f"the pooler: {fault or 'answers again'}")
            self.said = fault
        yield from found
        yield GaugeMetricFamily(
            "pgbouncer_up", "1 when the pooler answered all that was asked.", 0 if fault else 1
        )


def run(credentials: Path, pooler: int) -> int:
    """Answer Prometheus until told to stop."""
    registry = CollectorRegistry()
    # A pooler that starts later than this is no reason to fail.
    registry.register(Pooler(credentials, pooler))
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    start_http_server(PORT, registry=registry)
    over.wait()
    return 0
