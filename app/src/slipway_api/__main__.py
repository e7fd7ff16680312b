"""``python -m slipway_api serve`` and ``python -m slipway_api migrate``.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from . import logs, migrate, schema, settings

log = logging.getLogger("slipway_api")

T = TypeVar("T")
STOP_AGAIN_SECONDS = 0.5


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="slipway_api", description="The Slipway service.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve the API until SIGTERM")
    migration = commands.add_parser("migrate", help="bring the database schema up to date")
    migration.add_argument(
        "--phase",
        choices=(schema.EXPAND, schema.CONTRACT),
        default=schema.EXPAND,
        help="contract also removes what only older versions used; run it once none is left",
    )
    options = parser.parse_args(arguments)

    try:
        configured, unknown = settings.load()
    except settings.SettingsError as error:
        for fault in error.faults:
            print(f"slipway_api: {fault}", file=sys.stderr)  # noqa: T201 - logs are not set up yet
        return 2

    # As process 1 of a container, a signal without a handler is not delivered at all. The server
    # puts its own handler in this one's place, and so does a migration.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    lines = logs.LineWriter()
    logs.configure(configured.log_level, lines)
    if unknown:
        log.warning("variables with our prefix but no meaning", extra={"names": unknown})
    try:
        if options.command == "serve":
            from . import server

            server.serve(configured, lines)
        else:
            try:
                applied = asyncio.run(until_stopped(migrate.run(configured, options.phase)))
            except asyncio.CancelledError:
                return 128 + signal.SIGTERM
            log.info("schema is up to date", extra={"applied": applied})
    except schema.SchemaError as error:
        log.error(str(error))
        return 1
    finally:
        lines.close()
    return 0


async def until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Return what ``work`` returns; SIGTERM cancels it, which raises CancelledError.

    A handler that raises could do so anywhere, also where what it raises is caught or dropped.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)

    def stop() -> None:
        # One cancellation can be lost to what ends in the same moment.
        if task.cancel():
            loop.call_later(STOP_AGAIN_SECONDS, stop)

    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        return await task
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
