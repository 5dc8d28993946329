"""Logs: a JSON document a line on stderr, and on demand the requests in a file of SQLite that `seqdl runs` reads.

Both are written by threads of their own: neither a full disk nor a stuck terminal stops an answer.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from logging.handlers import QueueHandler
from typing import Any

from seqdl.errors import SeqdlError
from seqdl.machine import machine
from seqdl.training.runlog import FLUSH_SECONDS, RunLog
from seqdl_serve.settings import Settings

MOST_WAITING = 10_000  # entries; what comes then is counted as lost
QUIET = 60.0  # seconds between two lines that requests are not kept
LAST = 2.0  # seconds for what waits when the program ends
STANDARD = frozenset(vars(logging.makeLogRecord({})))


class JsonLines(logging.Formatter):
    """Each record as a JSON document on one line."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in STANDARD},
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class StderrLog(QueueHandler):
    """Lines that a thread writes to stderr; what nobody reads there is lost in the end, and stops nobody."""

    def __init__(self) -> None:
        self.lines: queue.Queue[logging.LogRecord | None] = queue.Queue(MOST_WAITING)
        super().__init__(self.lines)
        self.setFormatter(JsonLines())
        self.thread = threading.Thread(target=self._write, name="seqdl-stderr", daemon=True)
        self.thread.start()

    def enqueue(self, record: logging.LogRecord) -> None:
        with suppress(queue.Full):
            self.lines.put_nowait(record)

    def close(self) -> None:
        with suppress(queue.Full):
            self.lines.put_nowait(None)
            self.thread.join(LAST)
        super().close()

    def _write(self) -> None:
        while (record := self.lines.get()) is not None:
            with suppress(OSError, ValueError):  # a full disk; a stderr that is closed
                print(record.getMessage(), file=sys.stderr, flush=True)


def log_to_stderr(quiet: bool) -> StderrLog:
    """Everything that is logged, by us and by uvicorn, goes to stderr in one form; `quiet`: errors alone."""
    handler = StderrLog()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR if quiet else logging.INFO)
    return handler


class RequestLog:
    """Requests in a run of kind "service", written by a thread. lost: told how many could not be kept."""

    def __init__(self, settings: Settings, command: str, lost: Callable[[int], None]) -> None:
        started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        about = {key: value for key, value in asdict(settings).items() if key != "api_key"}
        self.log = RunLog.create(
            settings.log,
            name=f"service-{started}-{os.getpid()}",  # several servers may share a file
            kind="service",
            command=command,
            config=about,
            machine=machine(),
        )
        self.lost, self.complained = lost, time.monotonic() - QUIET
        self.waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_WAITING)
        self.thread = threading.Thread(target=self._write, name="seqdl-request-log", daemon=True)
        self.thread.start()

    def add(self, entry: dict[str, Any]) -> None:
        try:
            self.waiting.put_nowait(entry)
        except queue.Full:
            self.lost(1)

    def close(self) -> None:
        """Write what waits, and mark the run as done."""
        self.waiting.put(None)
        self.thread.join()

    def _write(self) -> None:
        while (entry := self._next()) is not None:
            self._try(partial(self.log.request, entry) if entry else self.log.flush)
        self._try(partial(self.log.finish, "done"))

    def _next(self) -> dict[str, Any] | None:
        """The next request; an empty one where none came for a while; None at the end."""
        try:
            return self.waiting.get(timeout=FLUSH_SECONDS)
        except queue.Empty:
            return {}

    def _try(self, write: Callable[[], None]) -> None:
        """Write; what cannot be written is thrown away, so that it does not pile up, and told once in a while."""
        try:
            write()
        except SeqdlError as error:
            self.lost(self.log.forget())
            if time.monotonic() - self.complained >= QUIET:
                logging.getLogger("seqdl.serve").error("requests are not kept: %s", error)
                self.complained = time.monotonic()
