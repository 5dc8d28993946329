"""What happens during a training, kept in one SQLite file that anything can read while it grows.

Rows wait in memory and go out together in one short transaction a second, so that two trainings may write to
one file at once, a reader never waits, and a kill at any moment loses a second of figures but never the file.
A step that is run again (after a roll-back) replaces its rows.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from seqdl.errors import InputError, UsageError, unwritable
from seqdl.training.runfile import (
    APPLICATION_ID,
    SCHEMA,
    SCHEMA_VERSION,
    SINCE_2,
    is_alive,
    process_start,
    schema_version,
    sqlite_errors,
)
from seqdl_data.version import VERSION

STATUSES = ("running", "done", "interrupted", "diverged", "failed")
FLUSH_SECONDS = 1.0
BUSY_SECONDS = 30.0

REQUEST_COLUMNS = ("request", "method", "path", "status", "seconds", "first_seconds", "received", "sent")
ROW_TABLES = ("training", "validation", "layers", "arrays", "samples", "notes")


class RunLog:
    """One run in a log file, open for writing. Made by `RunLog.create` or `RunLog.resume`; a context manager.

    Leaving the `with` block ends the run: done, interrupted (KeyboardInterrupt) or failed (any other
    exception), unless `finish` has told otherwise before. Call `flush` before a checkpoint is written: then
    the log holds every row up to the step from which the run may be resumed.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, run: int) -> None:
        self.path = path
        self.run = run
        self._connection = connection
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []
        self._flushed = time.monotonic()
        self._finished = False

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        name: str,
        kind: str,
        command: str,
        config: Mapping[str, Any],
        machine: Mapping[str, Any],
    ) -> Self:
        """Start the run `name`; makes the file and its folder if needed. UsageError if the name is taken."""
        path = Path(path)
        values = (
            name,
            kind,
            _now(),
            "running",
            _storable(command),
            _json(config),
            VERSION,
            _json(machine),
            *_this_process(),
        )
        connection = _open(path)
        try:
            with sqlite_errors(path, "write"), transaction(connection):
                run = _insert_run(connection, values)
        except sqlite3.IntegrityError:
            connection.close()
            raise UsageError(f"{path}: there is a run named {name!r}; choose another name or resume it") from None
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, run)

    @classmethod
    def resume(cls, path: str | os.PathLike[str], name: str, step: int) -> Self:
        """Continue the run `name` after `step`: later rows go, as if it had never been interrupted."""
        path = Path(path)
        if not os.path.isfile(path):
            raise InputError(f"{path}: there is no run log here, so run {name!r} cannot be resumed")
        connection = _open(path)
        try:
            with sqlite_errors(path, "write"), transaction(connection):
                run = _rewind_run(connection, path, name, step)
        except BaseException:
            connection.close()
            raise
        return cls(path, connection, run)

    def training(
        self, step: int, seconds: float, epoch: float, loss: float, lr: float, grad_norm: float, rate: float
    ) -> None:
        """One row of the training curve; `rate` is symbols (or examples) per second."""
        figures = (seconds, epoch, loss, lr, grad_norm, rate)
        self._add("training", int(step), *map(float, figures))

    def validation(self, step: int, seconds: float, loss: float, is_best: bool) -> None:
        """One validation; it is on disk when this returns."""
        self._add("validation", int(step), float(seconds), float(loss), int(is_best))
        self.flush()

    def layers(
        self,
        step: int,
        weights: Mapping[str, np.ndarray],
        gradients: Mapping[str, np.ndarray],
        full: bool = False,
    ) -> None:
        """Statistics of every weight and gradient, by parameter name; with `full` the values as well."""
        for what, arrays in (("weight", weights), ("gradient", gradients)):
            for name, values in arrays.items():
                self._add("layers", int(step), name, what, *statistics(values))
                if full:
                    shape = json.dumps(values.shape)
                    self._add("arrays", int(step), name, what, values.dtype.str, shape, values.tobytes())
        if full:
            self.flush()  # megabytes should not wait in memory

    def sample(self, step: int, seconds: float, text: str) -> None:
        """What the model writes at this step; one a step is kept."""
        self._add("samples", int(step), float(seconds), _storable(text))

    def note(self, step: int, seconds: float, text: str) -> None:
        """Something a reader of the curves should know, such as a roll-back."""
        self._add("notes", int(step), float(seconds), _storable(text))

    def request(self, entry: Mapping[str, Any]) -> None:
        """A request that a service answered: its id, method, path, status, seconds, first_seconds (to the first byte of
        the answer), received and sent (bytes), and whatever else is known of it."""
        about = {key: value for key, value in entry.items() if key not in REQUEST_COLUMNS}
        self._add("requests", _now(), *(entry[key] for key in REQUEST_COLUMNS), _json(about))

    def flush(self) -> None:
        """Commit all rows that wait in memory."""
        if self._waiting:
            with sqlite_errors(self.path, "write"), transaction(self._connection):
                for statement, values in self._waiting:
                    self._connection.execute(statement, values)
        self._waiting.clear()
        self._flushed = time.monotonic()

    def forget(self) -> int:
        """Throw away the rows that wait in memory, which could not be written; how many there were."""
        count = len(self._waiting)
        self._waiting.clear()
        return count

    def finish(self, status: str) -> None:
        """Commit, mark the run as done, interrupted, diverged or failed, and close the file."""
        assert status in STATUSES[1:], status
        self._finished = True
        with closing(self._connection):
            self._waiting.append(("UPDATE runs SET status = ?, ended = ? WHERE id = ?", (status, _now(), self.run)))
            self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._finished:
            return
        if kind is None:
            self.finish("done")
        else:
            self.finish("interrupted" if issubclass(kind, KeyboardInterrupt) else "failed")

    def _add(self, table: str, *values: Any) -> None:
        marks = ", ".join("?" * (1 + len(values)))
        self._waiting.append((f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (self.run, *values)))
        if time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()


def statistics(values: np.ndarray) -> tuple[float, float, float, float, float, float]:
    """Mean, standard deviation, min, max, Euclidean norm and fraction of zeros, computed in double."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    if not flat.size:
        nan = float("nan")
        return nan, nan, nan, nan, 0.0, nan
    with np.errstate(invalid="ignore", over="ignore"):  # a run that diverges is what one wants to read about
        figures = flat.mean(), flat.std(), flat.min(), flat.max(), np.sqrt(flat @ flat), (flat == 0).mean()
    mean, std, low, high, norm, zeros = map(float, figures)
    return mean, std, low, high, norm, zeros


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. IMMEDIATE: wait for another writer here, at the start, where SQLite is able to wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself, as on a full disk
            connection.execute("ROLLBACK")
        raise


def _open(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    with sqlite_errors(path, "write"):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            _prepare_patiently(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare_patiently(connection: sqlite3.Connection, path: Path) -> None:
    """Where two processes make the file at once SQLite may answer BUSY without waiting: try again here."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return _prepare(connection, path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection):
        version = schema_version(connection, path)
        if version < SCHEMA_VERSION:
            for statement in (SINCE_2 if version else SCHEMA + SINCE_2).split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("PRAGMA journal_mode = WAL")  # after the check: files of others stay as they are
    connection.execute("PRAGMA synchronous = NORMAL")


def _insert_run(connection: sqlite3.Connection, values: tuple[Any, ...]) -> int:
    cursor = connection.execute(
        "INSERT INTO runs (name, kind, started, status, command, config, seqdl_version, machine, host, pid,"
        " process_start) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _rewind_run(connection: sqlite3.Connection, path: Path, name: str, step: int) -> int:
    found = connection.execute(
        "SELECT id, status, host, pid, process_start FROM runs WHERE name = ?", (name,)
    ).fetchone()
    if found is None:
        raise InputError(f"{path}: no run named {name!r} to resume; `seqdl runs list` shows those there are")
    run, status, host, pid, started = found
    if status == "running" and host == socket.gethostname() and pid != os.getpid() and is_alive(host, pid, started):
        raise UsageError(f"{path}: run {name!r} is still being trained by process {pid}; stop that one first")
    for table in ROW_TABLES:
        connection.execute(f"DELETE FROM {table} WHERE run = ? AND step > ?", (run, step))
    connection.execute(
        "UPDATE runs SET status = 'running', ended = NULL, host = ?, pid = ?, process_start = ? WHERE id = ?",
        (*_this_process(), run),
    )
    return int(run)


def _this_process() -> tuple[str, int, str]:
    pid = os.getpid()
    return socket.gethostname(), pid, process_start(pid) or ""


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), default=lambda value: value.item() if isinstance(value, np.generic) else str(value))


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # a lone surrogate, of a byte model's output, is no UTF-8


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
