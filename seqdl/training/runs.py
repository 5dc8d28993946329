"""Reading the run log: which runs there are, and all that one of them has recorded.

Reading never disturbs a training that is writing. `seqdl.training.runlog` writes what is read here.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from seqdl.errors import InputError
from seqdl.training.run import LayerRow, RequestRow, Run, RunSummary, TextRow, TrainingRow, ValidationRow
from seqdl.training.runfile import is_alive, schema_version, sqlite_errors

Array = np.ndarray
Row = TypeVar("Row")

SUMMARIES = """
SELECT id, name, kind, started, status, host, pid, process_start,
    max(coalesce((SELECT max(seconds) FROM training WHERE run = id), 0),
        coalesce((SELECT max(seconds) FROM validation WHERE run = id), 0)),
    (SELECT max(step) FROM training WHERE run = id),
    (SELECT loss FROM training WHERE run = id ORDER BY step DESC LIMIT 1),
    (SELECT min(loss) FROM validation WHERE run = id)
FROM runs"""


def list_runs(path: str | os.PathLike[str]) -> list[RunSummary]:
    """Every run in the log file, oldest first."""
    with _reading(Path(path)) as connection:
        return [_summary(row) for row in connection.execute(SUMMARIES + " ORDER BY id")]


def load_run(path: str | os.PathLike[str], name_or_id: str | int) -> Run:
    """The run of that name, or else of that number. InputError, naming the runs there are, if none fits."""
    with _reading(Path(path)) as connection:
        run = _find(connection, Path(path), name_or_id)
        (summary,) = map(_summary, connection.execute(SUMMARIES + " WHERE id = ?", (run,)))
        columns = "command, config, machine, seqdl_version"
        about = connection.execute(f"SELECT {columns} FROM runs WHERE id = ?", (run,)).fetchone()
        return Run(
            summary=summary,
            command=about[0],
            config=json.loads(about[1]),
            machine=json.loads(about[2]),
            version=about[3],
            training=_rows(connection, "training", TrainingRow, run),
            validation=_rows(connection, "validation", ValidationRow, run),
            layers=_rows(connection, "layers", LayerRow, run),
            samples=_rows(connection, "samples", TextRow, run),
            notes=_rows(connection, "notes", TextRow, run),
        )


def load_requests(path: str | os.PathLike[str], name_or_id: str | int) -> list[RequestRow]:
    """The requests that a service has logged, in the order in which they ended."""
    with _reading(Path(path)) as connection:
        run = _find(connection, Path(path), name_or_id)
        if schema_version(connection, Path(path)) < 2:
            return []
        columns = ", ".join(RequestRow._fields)
        rows = connection.execute(f"SELECT {columns} FROM requests WHERE run = ? ORDER BY ended, rowid", (run,))
        return [RequestRow._make([*row[:-1], json.loads(row[-1])]) for row in rows]


def load_array(
    path: str | os.PathLike[str], name_or_id: str | int, step: int, name: str, what: str = "weight"
) -> Array:
    """The values of a parameter (or its gradient) at a step that was recorded with `full=True`."""
    steps, values = load_arrays(path, name_or_id, name, what, step)
    if not len(steps):
        raise InputError(f"{path}: run {name_or_id!r} holds no values of the {what} {name!r} at step {step}")
    return values[0]


def load_arrays(
    path: str | os.PathLike[str], name_or_id: str | int, name: str, what: str = "weight", step: int | None = None
) -> tuple[Array, Array]:
    """Steps (N,) int64 and the values (N, ...) there of a parameter, or of its gradient (`what` is "gradient").

    Of all steps that were recorded with `full=True` (Settings.log_arrays), or of one; empty arrays where there are
    none.
    """
    query = "SELECT step, dtype, shape, data FROM arrays WHERE run = ? AND name = ? AND what = ?"
    chosen = "" if step is None else " AND step = ?"
    with _reading(Path(path)) as connection:
        key = (_find(connection, Path(path), name_or_id), name, what, *(() if step is None else (step,)))
        rows = connection.execute(f"{query}{chosen} ORDER BY step", key).fetchall()
    values = [np.frombuffer(data, dtype).reshape(json.loads(shape)) for _, dtype, shape, data in rows]
    return np.array([row[0] for row in rows], np.int64), np.stack(values) if values else np.empty(0, np.float32)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not os.path.isfile(path):
        raise InputError(f"{path}: there is no run log here; train something first, or name another file")
    with sqlite_errors(path, "read"), closing(_connect(path)) as connection:
        connection.execute("BEGIN")  # all queries see the same moment
        if schema_version(connection, path) == 0:
            raise InputError(f"{path}: the run log is empty; train something first, or name another file")
        yield connection


def _connect(path: Path) -> sqlite3.Connection:
    """A connection that changes no row, but may tidy up (hence `rw`) what a killed run left behind."""
    uri = path.absolute().as_uri()
    beside = path.with_name(path.name + "-wal")
    if not os.access(path.parent, os.W_OK) and not beside.exists():
        uri += "?immutable=1"  # nobody writes where one cannot: without this SQLite wants to make its own files
    else:
        uri += "?mode=rw"
    connection = sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _summary(row: Sequence[Any]) -> RunSummary:
    id_, name, kind, started, status, host, pid, process, seconds, steps, loss, best = row
    if status == "running" and not is_alive(host, pid, process):
        status = "killed"
    last = None if steps is None else _number(loss)
    return RunSummary(id_, name, kind, started, seconds, steps or 0, status, last, best)


def _find(connection: sqlite3.Connection, path: Path, name_or_id: str | int) -> int:
    runs = {name: id_ for id_, name in connection.execute("SELECT id, name FROM runs ORDER BY id")}
    if name_or_id in runs:
        return int(runs[str(name_or_id)])
    if str(name_or_id).isdecimal() and int(name_or_id) in runs.values():
        return int(name_or_id)
    names = ", ".join(list(runs)[-8:]) or "none"
    raise InputError(f"{path}: no run {str(name_or_id)!r}; the latest runs there: {names}")


def _rows(connection: sqlite3.Connection, table: str, row: Callable[..., Row], run: int) -> list[Row]:
    names = ", ".join(row._fields)  # type: ignore[attr-defined]
    query = f"SELECT {names} FROM {table} WHERE run = ? ORDER BY step"
    return [row(*map(_number, values)) for values in connection.execute(query, (run,))]


def _number(value: Any) -> Any:
    return float("nan") if value is None else value
