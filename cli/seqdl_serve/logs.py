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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from seqdl.errors import SeqdlError
from seqdl.machine import machine
from seqdl.training.runlog import FLUSH_SECONDS, RunLog
from seqdl_serve.settings import Settings

MOST_WAITING = 10_000  # entries; what comes then is counted as lost
logger = logging.getLogger("seqdl.serve")
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
    """Requests in a run of kind "service", written by a thread. lost: called for each that could not be kept.

    SeqdlError where the file cannot be made.
    """

    def __init__(self, settings: Settings, command: str, lost: Callable[[], None]) -> None:
        self.settings, self.command, self.lost = settings, command, lost
        self.waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(MOST_WAITING)
        self._begun: queue.Queue[SeqdlError | None] = queue.Queue()
        self.thread = threading.Thread(target=self._write, name="seqdl-request-log", daemon=True)
        self.thread.start()
        if (error := self._begun.get()) is not None:
            raise error

    def add(self, entry: dict[str, Any]) -> None:
        try:
            self.waiting.put_nowait(entry)
        except queue.Full:
            self.lost()

    def close(self) -> None:
        self.waiting.put(None)
        self.thread.join()

    def _create(self) -> RunLog:
        started = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        return RunLog.create(
            self.settings.log,
            name=f"service-{started}-{os.getpid()}",
            kind="service",
            command=self.command,
            config={key: value for key, value in asdict(self.settings).items() if key != "api_key"},
            machine=machine(),
        )

    def _write(self) -> None:
        try:
            log = self._create()  # here, for SQLite's connections belong to one thread
        except SeqdlError as error:
            self._begun.put(error)
            return
        self._begun.put(None)
        complained = False
        while True:
            try:
                entry = self.waiting.get(timeout=FLUSH_SECONDS)
                if entry is None:
                    log.finish("done")
                    return
                log.request(entry)
                complained = False
            except queue.Empty:
                with suppress(SeqdlError):  # said when the next request comes
                    log.flush()
            except SeqdlError as error:
                self.lost()
                if not complained:
                    logger.error("requests are not kept: %s", error)
                complained = True
