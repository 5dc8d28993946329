"""What a run has recorded, in memory: its rows, its curves as arrays, what it was told to do.

`seqdl.training.runs` reads runs from a log.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from seqdl.errors import UsageError

Array = np.ndarray
STATISTICS = ("mean", "std", "min", "max", "norm", "zeros")


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
    """All that a run has recorded, except full arrays: those are read by `seqdl.training.load_arrays`."""

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

    @property
    def parameters(self) -> list[str]:
        """Names of the parameters that `layer` knows, in alphabetical order."""
        return sorted({row.name for row in self.layers})

    def curve(self, figure: str = "loss", of: str = "training") -> tuple[Array, Array]:
        """Steps (N,) and the values (N,) there of a figure, both float64: plt.plot(*run.curve("loss")).

        of: "training" or "validation"; figure: a field of TrainingRow or ValidationRow. UsageError for others.
        """
        kinds = {"training": TrainingRow._fields, "validation": ValidationRow._fields}
        _check("of", of, kinds)
        _check("figure", figure, kinds[of])
        return _columns(self.training if of == "training" else self.validation, figure)

    def layer(self, name: str, figure: str = "norm", of: str = "weight") -> tuple[Array, Array]:
        """Steps (N,) and a statistic (N,) there of a parameter, both float64.

        of: "weight" or "gradient" (none for a parameter that never got one); figure: mean, std, min, max, norm or
        zeros, as in LayerRow. UsageError for others.
        """
        _check("of", of, ("weight", "gradient"))
        _check("figure", figure, STATISTICS)
        _check("name", name, self.parameters)
        return _columns([row for row in self.layers if (row.name, row.what) == (name, of)], figure)


def _check(argument: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        choices = f"it must be one of {', '.join(known)}" if known else "nothing was recorded"
        raise UsageError(f"{argument}={value!r}: {choices}")


def _columns(rows: Sequence[Any], column: str) -> tuple[Array, Array]:
    steps = np.array([row.step for row in rows], dtype=float)
    return steps, np.array([getattr(row, column) for row in rows], dtype=float)


FIGURE = re.compile(r"(?P<name>\S.*) (?P<share>[01]\.\d+|nan)")


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
