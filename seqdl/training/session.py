"""How a run begins, and how it begins again: its folder, its log, its checkpoint. The same for every job."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from seqdl.errors import ModelFileError, UsageError, unwritable
from seqdl.machine import machine
from seqdl.training import checkpoint
from seqdl.training.loop import Report, Task, Trainer
from seqdl.training.plan import Settings
from seqdl.training.runlog import RunLog

Watcher = Callable[[Report], None]
LAST = "last.safetensors"


def check_new(folder: Path) -> None:
    """UsageError if the folder holds a run already."""
    if (folder / LAST).exists():
        raise UsageError(f"{folder}: holds a run already; continue it with --resume {folder} or choose another -o")


def begin(
    task: Task,
    settings: Settings,
    folder: Path,
    *,
    kind: str,
    config: Mapping[str, Any],
    command: str,
    watch: Watcher,
) -> Trainer:
    """A Trainer for a new run of this kind of job; its log is runs.sqlite beside the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)  # now, not when there is a model to lose
    except OSError as error:
        raise unwritable(folder, error) from error
    log = RunLog.create(
        _log_path(folder),
        name=folder.name,
        kind=kind,
        command=command,
        config=asdict(settings) | dict(config),
        machine=machine(),
    )
    return Trainer(task, settings, folder, log, watch)


def load_last(folder: Path, kind: str) -> tuple[dict[str, np.ndarray], Settings, dict[str, Any]]:
    """The last checkpoint of a run: snapshot, settings and the task's card.

    ModelFileError where there is none, or where it belongs to another kind of job; `kind` is a key of its card.
    """
    path = folder / LAST
    snapshot, metadata = checkpoint.load(path)
    card = metadata["card"]
    if kind not in card:
        raise ModelFileError(f"{path}: a run of another kind; resume it with the command that began it")
    return snapshot, Settings(**metadata["settings"]), card


def begin_again(
    task: Task, settings: Settings, folder: Path, snapshot: dict[str, np.ndarray], watch: Watcher
) -> Trainer:
    """A Trainer that goes on from a snapshot."""
    log = RunLog.resume(_log_path(folder), folder.name, int(snapshot["progress/step"]))
    for torn in folder.glob(".*.part"):  # what a kill left half written; nobody else trains here, says the log
        torn.unlink(missing_ok=True)
    trainer = Trainer(task, settings, folder, log, watch)
    trainer.restore(snapshot)
    return trainer


def relative_to(folder: Path, paths: list[str]) -> list[str]:
    """Paths as seen from a run's folder, so that both can move together; - stays as it is."""
    return [path if path == "-" else os.path.relpath(path, folder) for path in paths]


def seen_from(folder: str | os.PathLike[str], paths: Sequence[str]) -> list[str]:
    """Paths that a card holds relative to its run's folder, as this process can open them."""
    return [os.path.normpath(os.path.join(folder, path)) for path in paths]


def without_folders(card: dict[str, Any]) -> dict[str, Any]:
    """A card that can be given away: files by their names, without the folders of the machine they lay on."""
    training = dict(card.get("training", {}))
    training["paths"] = [os.path.basename(path) for path in training.get("paths", [])]
    training["command"] = _of_names(training.get("command", ""))
    data = training.get("data", {})
    training["data"] = [*map(_data_of_names, data)] if isinstance(data, list) else _data_of_names(data)
    return card | {"training": training}


def _data_of_names(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"command": _of_names(data["command"])} if "command" in data else data


def _of_names(command: str) -> str:
    return shlex.join(os.path.basename(word) if os.path.isabs(word) else word for word in shlex.split(command))


def _log_path(folder: Path) -> Path:
    return folder.absolute().parent / "runs.sqlite"
