"""Measure the service against a bare ASGI app that does the same SQL.

Starts a temporary PostgreSQL, the service and the bare app (twice: with asyncpg's pool, and with
a plain list of connections), all on loopback and under the same uvicorn settings, and drives them
in turn with wrk. A ratio is the median over rounds of service/bare measured within the same round,
so that a machine that slows down for a while slows both.

    python bench/compare.py [--rounds 5] [--seconds 5] [--connections 16]
                            [--statement-cache 100] [--json FILE] [read] [list] [create]

The database, the load generator and the app share the machine's processors, so requests per second
are of this machine; the ratio and the processor time per request carry over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from cluster import Server
from service import Service, migrate

ROWS = 10_000
ITEM = "01930000-0000-7000-8000-000000000064"
POST = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"name": "anchor chain", "quantity": 3}'
"""
PATHS = {"read": f"/v1/items/{ITEM}", "list": "/v1/items", "create": "/v1/items"}
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Sample:
    """One run of the load generator."""

    rate: float
    """Requests per second."""
    p50: float
    """Milliseconds."""
    p99: float
    cpu: float
    """Microseconds of processor time of the app per request."""


@dataclass
class Summary:
    """What a target did under one workload."""

    median: Sample
    """Each figure's median over the rounds."""
    ratio: float
    """Median over the rounds of the service's rate divided by this target's."""
    samples: list[Sample]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the service against a bare ASGI app.")
    parser.add_argument("workloads", nargs="*", choices=[[], *PATHS], default=[])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--statement-cache", type=int, default=100)
    parser.add_argument(
        "--minimum", type=float, default=0.0, help="fail if a ratio to 'bare' is below this"
    )
    parser.add_argument(
        "--json", type=Path, help="also write the table and every sample to this file"
    )
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("compare: wrk is not installed; apt-get install wrk")

    # The default of fsync is kept: the cost of a commit belongs to a create.
    database = Server.create({"fsync": "on", "full_page_writes": "on"})
    try:
        done = migrate(database.port)
        if done.returncode != 0:
            sys.exit(f"compare: migrating failed\n{done.stdout}{done.stderr}")
        asyncio.run(fill(database))
        results = measure(database, options)
    finally:
        database.remove()
    summary = summarise(results)
    report(summary, options)
    if options.json:
        options.json.write_text(json.dumps(summary, default=asdict, indent=1) + "\n")
    lowest = min(targets["bare"].ratio for targets in summary.values())
    if lowest < options.minimum:
        sys.exit(f"compare: the lowest ratio is {lowest:.2f}, below {options.minimum}")


async def fill(database: Server) -> None:
    connection = await database.connect()
    await connection.execute(
        "INSERT INTO items (id, name, quantity) SELECT"
        " ('01930000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'item ' || i, i"
        f" FROM generate_series(1, {ROWS}) i"
    )
    await connection.execute("ANALYZE items")
    await connection.close()


def measure(database: Server, options: argparse.Namespace) -> dict[str, dict[str, list[Sample]]]:
    settings = {
        "pool_min": options.connections,
        "pool_max": options.connections,
        "statement_cache": options.statement_cache,
        "drain_seconds": 0,
    }
    bare = [sys.executable, str(ROOT / "bench" / "bare.py")]
    targets = {
        "service": Service(database.port, **settings),
        "bare": Service(database.port, [*bare, "asyncpg"], **settings),
        "bare-lean": Service(database.port, [*bare, "lean"], **settings),
    }
    results: dict[str, dict[str, list[Sample]]] = {}
    try:
        targets["service"].wait_ready()
        for workload in options.workloads or PATHS:
            samples: dict[str, list[Sample]] = {name: [] for name in targets}
            for turn in range(-1, options.rounds):
                # The order turns around, so that no target always follows the same one.
                names = list(targets) if turn % 2 == 0 else list(targets)[::-1]
                for name in names:
                    seconds = 1 if turn < 0 else options.seconds
                    sample = drive(targets[name], name, workload, seconds, options.connections)
                    if turn >= 0:  # the first turn warms up
                        samples[name].append(sample)
                        place = f"{workload} {turn + 1}/{options.rounds}"
                        print(f"  {place} {name}: {sample.rate:.0f}/s", flush=True)
            results[workload] = samples
    finally:
        for target in targets.values():
            target.stop()
    return results


def drive(target: Service, name: str, workload: str, seconds: int, connections: int) -> Sample:
    # On a machine that others keep busy a slow answer is a figure, not a failure.
    load = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
    command = ["wrk", *load]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if workload == "create":
            script.write(POST)
            script.flush()
            command += ["-s", script.name]
        before = ticks(target.process.pid)
        done = subprocess.run(
            [*command, target.url + PATHS[workload]], capture_output=True, text=True, check=True
        )
        spent = ticks(target.process.pid) - before
    output = done.stdout
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(
            f"compare: {workload} of {name} had failures, so its numbers mean nothing\n{output}"
        )
    count = int(re.search(r"(\d+) requests in", output)[1])
    return Sample(
        rate=float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
        p50=milliseconds(re.search(r"50%\s+([\d.]+\w+)", output)[1]),
        p99=milliseconds(re.search(r"99%\s+([\d.]+\w+)", output)[1]),
        cpu=spent / TICK / count * 1e6,
    )


def ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def summarise(results: dict[str, dict[str, list[Sample]]]) -> dict[str, dict[str, Summary]]:
    """Condense the samples, by workload and target."""
    return {
        workload: {
            name: Summary(
                median=Sample(
                    **{
                        field.name: statistics.median(getattr(run, field.name) for run in runs)
                        for field in fields(Sample)
                    }
                ),
                ratio=statistics.median(
                    ours.rate / theirs.rate
                    for ours, theirs in zip(targets["service"], runs, strict=True)
                ),
                samples=runs,
            )
            for name, runs in targets.items()
        }
        for workload, targets in results.items()
    }


def report(summary: dict[str, dict[str, Summary]], options: argparse.Namespace) -> None:
    print(
        f"\n{os.cpu_count()} processors ({platform.machine()}), Python"
        f" {platform.python_version()}, {options.connections} connections,"
        f" {options.rounds} rounds of {options.seconds} s,"
        f" statement cache {options.statement_cache}; medians"
    )
    names = ("req/s", "p50 ms", "p99 ms", "cpu µs")
    print(f"{'workload':9} {'target':10} " + " ".join(f"{name:>8}" for name in names) + " ratio")
    for workload, targets in summary.items():
        for name, target in targets.items():
            middle = target.median
            shown = "" if name == "service" else f"{target.ratio:.2f} (service / {name})"
            print(
                f"{workload:9} {name:10} {middle.rate:8.0f} {middle.p50:8.2f}"
                f" {middle.p99:8.2f} {middle.cpu:8.1f} {shown}"
            )


if __name__ == "__main__":
    main()
