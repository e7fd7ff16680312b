"""Structured logs: one JSON object per line on standard output, without personal data.

What a line may hold is decided by what is put in, not by filtering what comes out:

- The access log has the route's template, never the path, query, headers, body or client address.
- An exception is logged as its class, SQLSTATE and call stack. Its text is left out: texts of
  database and validation errors quote values, and those are what people stored.
- Messages of other libraries are kept only where they are known to be constant.

Writing to a pipe blocks when its reader is slow. So lines are handed to a thread, in batches, and
beyond a bound they are dropped and counted: a stuck log collector must not stop the service.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import Any

import orjson

MAX_PENDING = 100_000
BATCH_SECONDS = 0.02

# What every LogRecord carries; anything else on it came from ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
# uvicorn adds a coloured copy of the message.
_IGNORED = frozenset({"color_message"})
# Loggers whose messages were read and hold no request data.
_TRUSTED = ("slipway_api", "uvicorn.error")


class LineWriter:
    """Writes lines to a file descriptor from a thread of its own. Lines keep their order."""

    def __init__(self, descriptor: int = 1) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._pending: deque[bytes] = deque()
        self._wake = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: bytes) -> None:
        """Queue one line, given without its line break."""
        if len(self._pending) >= MAX_PENDING:
            self.dropped += 1
            return
        self._pending.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, seconds: float = 2.0) -> None:
        """Write what is queued, unless that takes longer than ``seconds``."""
        self._stop = True
        self._wake.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if not self._stop:
                time.sleep(BATCH_SECONDS)  # let a batch gather: one system call for many lines
            self._wake.clear()
            self._flush()
            if self._stop and not self._pending:
                return

    def _flush(self) -> None:
        # In portions: what is in here while the reader is stuck does not count as pending.
        while self._pending:
            lines = [self._pending.popleft() for _ in range(min(len(self._pending), 1000))]
            rest = memoryview(b"\n".join(lines) + b"\n")
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                self.dropped += len(lines)


class JsonHandler(logging.Handler):
    """Turns log records into lines."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._writer.write(orjson.dumps(describe(record), default=str))
        except Exception:
            self.handleError(record)


def describe(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record says, without what it must not say."""
    trusted = record.name.startswith(_TRUSTED)
    line: dict[str, Any] = {
        "time": timestamp(record.created),
        "level": record.levelname.lower(),
        "logger": record.name,
        # The format string is constant; what is put into it may not be.
        "message": record.getMessage() if trusted else str(record.msg).splitlines()[0][:200],
    }
    line |= {k: v for k, v in vars(record).items() if k not in _STANDARD and k not in _IGNORED}
    if record.exc_info and record.exc_info[1] is not None:
        line["error"] = describe_error(record.exc_info[1])
    return line


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return an exception as its class, its SQLSTATE if it has one, and where it was raised."""
    described: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    if state := getattr(error, "sqlstate", None):
        described["sqlstate"] = state
    frames = traceback.extract_tb(error.__traceback__)
    described["stack"] = [f"{f.filename}:{f.lineno} {f.name}" for f in frames[-12:]]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        described["cause"] = f"{type(cause).__module__}.{type(cause).__qualname__}"
    return described


def timestamp(seconds: float) -> str:
    """Return RFC 3339 text in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def configure(level: str, writer: LineWriter) -> None:
    """Send the process's logs, those of libraries included, through ``writer``."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(JsonHandler(writer))
    root.setLevel(level.upper())
    # The fallback of a failing handler prints the record's arguments to standard error.
    logging.raiseExceptions = False


def on_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what the event loop complains about; its default prints representations of objects."""
    error = context.get("exception")
    logging.getLogger(__name__).error(
        "error in the event loop",
        extra={"reason": str(context.get("message", ""))[:200]},
        exc_info=error if isinstance(error, BaseException) else None,
    )
