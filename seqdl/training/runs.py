"""Reading the run log: which runs there are, and all that one of them has recorded.

Reading never disturbs a training that is writing. `seqdl.training.runlog` writes what is read here.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from seqdl.errors import InputError
from seqdl.training.runfile import is_alive, schema_version, sqlite_errors

if TYPE_CHECKING:
    import numpy as np

Row = TypeVar("Row")


class TrainingRow(NamedTuple):
    """Figures of the training at a step, NaN included. `rate`: symbols (or examples) per second."""

    step: int
    seconds: float
    epoch: float
    loss: float
    lr: float
    grad_norm: float
    rate: float


class ValidationRow(NamedTuple):
    step: int
    seconds: float
    loss: float
    is_best: int  # 1: the lowest loss up to here


class LayerRow(NamedTuple):
    """Statistics of a parameter (`what` is "weight") or its gradient ("gradient"); `zeros` is a fraction."""

    step: int
    name: str
    what: str
    mean: float
    std: float
    min: float
    max: float
    norm: float
    zeros: float


class TextRow(NamedTuple):
    """A sample or a note."""

    step: int
    seconds: float
    text: str


class RequestRow(NamedTuple):
    """A request that a service answered; first_seconds: until the first byte of the answer; bytes received and sent."""

    ended: str
    request: str
    method: str
    path: str
    status: int
    seconds: float
    first_seconds: float
    received: int
    sent: int
    about: dict[str, Any]


@dataclass(frozen=True)
class RunSummary:
    """A run in one line. `status` is that of the log, or "killed" when its process is gone without a word."""

    id: int
    name: str
    kind: str
    started: str
    seconds: float
    steps: int
    status: str
    last_loss: float | None  # None: nothing recorded yet
    best_loss: float | None  # lowest validation loss


@dataclass(frozen=True)
class Run:
    """All that a run has recorded, except full arrays: those are read one at a time by `load_array`."""

    summary: RunSummary
    command: str
    config: dict[str, Any]
    machine: dict[str, Any]
    version: str
    training: list[TrainingRow]
    validation: list[ValidationRow]
    layers: list[LayerRow]
    samples: list[TextRow]
    notes: list[TextRow]

    @property
    def name(self) -> str:
        return self.summary.name


FIGURE = re.compile(r"(?P<name>\S.*) (?P<share>[01]\.\d+|nan)")

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
) -> np.ndarray:
    """The values of a parameter (or its gradient) at a step that was recorded with `full=True`."""
    import numpy as np

    with _reading(Path(path)) as connection:
        run = _find(connection, Path(path), name_or_id)
        found = connection.execute(
            "SELECT dtype, shape, data FROM arrays WHERE run = ? AND step = ? AND name = ? AND what = ?",
            (run, step, name, what),
        ).fetchone()
    if found is None:
        raise InputError(f"{path}: run {name_or_id!r} holds no values of the {what} {name!r} at step {step}")
    dtype, shape, data = found
    return np.frombuffer(data, dtype=dtype).reshape(json.loads(shape)).copy()


def flat_config(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration with dotted keys: {"model": {"size": 3}} becomes {"model.size": 3}."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= flat_config(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def held_out_figures(run: Run) -> dict[str, list[tuple[int, float]]]:
    """(step, share) of what a run's samples say of held-out data, by name: "donor average precision 0.9; ...".

    Empty where the samples are something else, such as text.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for sample in run.samples if run.summary.kind != "text" else ():
        for part in sample.text.split("; "):
            said = FIGURE.fullmatch(part)
            if said is None:
                return {}
            found.setdefault(said["name"], []).append((sample.step, float(said["share"])))
    return found


def differing_keys(runs: Sequence[Run]) -> list[str]:
    """The (dotted) configuration keys whose values are not the same in all runs, in their order there."""
    configs = [flat_config(run.config) for run in runs]
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if any(config.get(key) != configs[0].get(key) for config in configs)]


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
