"""Logs: a JSON document a line on stderr, and on demand the requests in a file of SQLite that `seqdl runs` reads.

Both are written by threads of their own: neither a full disk nor a stuck terminal stops an answer.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from seqdl.errors import SeqdlError
from seqdl.machine import machine
from seqdl.training.runlog import RunLog
from seqdl_serve.settings import Settings

MOST_WAITING = 10_000  # entries; what comes then is counted as lost
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


def log_to_stderr(quiet: bool) -> None:
    """Everything that is logged, by us and by uvicorn, goes to stderr in one form; `quiet`: errors alone."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR if quiet else logging.INFO)


class RequestLog:
    """Requests in a run of kind "service", written by a thread. lost: called for each that could not be kept."""

    def __init__(self, settings: Settings, command: str, lost: Callable[[], None]) -> None:
        started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        about = {key: value for key, value in asdict(settings).items() if key != "api_key"}
        self.log = RunLog.create(
            settings.log,
            name=f"service-{started}",
            kind="service",
            command=command,
            config=about,
            machine=machine(),
        )
        self.lost = lost
        self.waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_WAITING)
        self.thread = threading.Thread(target=self._write, name="seqdl-request-log", daemon=True)
        self.thread.start()

    def add(self, entry: dict[str, Any]) -> None:
        try:
            self.waiting.put_nowait(entry)
        except queue.Full:
            self.lost()

    def close(self) -> None:
        self.waiting.put(None)
        self.thread.join()

    def _write(self) -> None:
        complained = False
        while (entry := self.waiting.get()) is not None:
            try:
                self.log.request(entry)
                complained = False
            except SeqdlError as error:
                self.lost()
                if not complained:
                    logging.getLogger("seqdl.serve").error("requests are not kept: %s", error)
                complained = True
