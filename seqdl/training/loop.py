"""The training loop of every job: budget, schedule, validation, early stopping, divergence, checkpoints, log.

A job hands over a Task: its network and what a batch, a validation and a sample are. The loop never looks inside.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np

from seqdl import optim, parallel
from seqdl.errors import SeqdlError
from seqdl.memory import keep_freed_memory
from seqdl.nn import Module
from seqdl.tensor import Tensor
from seqdl.training import checkpoint
from seqdl.training.plan import Settings, optimiser_for, schedule_for
from seqdl.training.runlog import RunLog

Array = np.ndarray
LOG_EVERY = 10  # steps
SAVE_EVERY = 60.0  # seconds, besides at each validation
GIVE_UP_AFTER = 8  # halvings of the rate


class Task(Protocol):
    """What a job brings."""

    @property
    def network(self) -> Module: ...
    def steps_per_epoch(self) -> int: ...
    def batch_loss(self) -> tuple[Tensor, int]:
        """The mean loss of the next batch, and how many items (characters, images) it holds."""
        ...

    def validate(self) -> float:
        """The loss on the held-out data, in one deterministic pass."""
        ...

    def sample(self) -> str | None:
        """Something to look at, or None."""
        ...

    def state(self) -> dict[str, Array]:
        """Where the data stands, random state included, as arrays."""
        ...

    def restore(self, state: dict[str, Array]) -> None: ...
    def card(self) -> dict[str, Any]:
        """What to know about the run when it is resumed; goes into the checkpoint."""
        ...

    def save_model(self, path: Path, metrics: dict[str, Any]) -> None: ...


@dataclass
class Progress:
    """Where a training stands; all of it is in the checkpoint."""

    step: int = 0
    seconds: float = 0.0
    items: int = 0
    loss: float = math.nan  # smoothed
    lowest: float = math.inf  # of the smoothed losses
    best: float = math.inf
    best_step: int = 0
    bad: int = 0  # validations since the best
    validated: int = 0
    halvings: int = 0


@dataclass(frozen=True)
class Batch:
    """What one batch gave."""

    loss: float
    grad_norm: float
    items: int


@dataclass(frozen=True)
class Report:
    """What the loop tells whoever watches: kind is step, validation, sample, note or end."""

    kind: str
    progress: Progress
    share: float  # of the budget
    text: str = ""
    loss: float = math.nan
    lr: float = math.nan
    rate: float = math.nan  # items a second


class DivergedError(SeqdlError):
    """The loss stayed infinite or undefined whatever the learning rate."""


@dataclass
class Trainer:
    """Trains task.network; `run` returns when the budget is used up, progress stops, or Ctrl-C asks.

    folder receives last.safetensors (everything, to resume from) and best.safetensors (the model).
    """

    task: Task
    settings: Settings
    folder: Path
    log: RunLog
    report: Callable[[Report], None] = lambda report: None
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        self.optimiser = optimiser_for(self.settings, self.task.network.parameters())
        self.schedule = schedule_for(self.settings, self.optimiser)
        self.plateau = optim.ReduceLROnPlateau(self.optimiser, factor=0.5, patience=1)
        self.total_steps = max(1, round((self.settings.epochs or 0) * self.task.steps_per_epoch()))
        self.reserve = 0.0  # seconds that the last validation will take
        self.interrupted = False
        self.latest = math.nan  # loss of a batch

    def run(self) -> str:
        """Train to the end; returns "done", "interrupted" or "stopped early"."""
        self.task.network.train()
        keep_freed_memory()
        with _interrupts(self), parallel.single_threaded_blas():
            self._save_last()  # so that a run killed early can be resumed, and a full disk is seen at once
            good = self._snapshot()
            before, since = self.progress.seconds, time.perf_counter()
            saved = since
            while not self.interrupted and self._share() < 1:
                started = time.perf_counter()
                batch = self._step()
                self.progress.seconds = before + time.perf_counter() - since
                if batch is None:
                    self._roll_back(good)
                    continue
                self._tell_step(batch, time.perf_counter() - started)
                if time.perf_counter() - saved > SAVE_EVERY:
                    self._save_last()
                    saved = time.perf_counter()
                if self.settings.due(self._share()) > self.progress.validated:
                    self._validate()
                    self.progress.seconds = before + time.perf_counter() - since
                    good = self._snapshot() if self._is_sound() else good
                    if self.settings.patience and self.progress.bad >= self.settings.patience:
                        return self._end("stopped early")
            if not self.interrupted and self.progress.validated < self.settings.validations:
                self._validate()
        return self._end("interrupted" if self.interrupted else "done")

    def _end(self, outcome: str) -> str:
        if math.isinf(self.progress.best):  # stopped before the first validation: still leave a model
            self.task.save_model(self.folder / "best.safetensors", {})
        self._save_last()
        self.log.finish("done" if outcome == "stopped early" else outcome)
        self.report(Report("end", self.progress, self._share(), outcome, self.progress.best))
        return outcome

    def _share(self) -> float:
        """How much of the budget is used, 0 to 1."""
        if self.settings.minutes is None:
            return self.progress.step / self.total_steps
        usable = self.settings.minutes * 60 - self.reserve
        return min(self.progress.seconds / usable, 1.0) if usable > 0 else 1.0

    def _step(self) -> Batch | None:
        """One batch; None, with the weights as they were, if the training has diverged.

        That is a loss or gradient which is not finite, or a smoothed loss far above its lowest.
        """
        if self.settings.schedule != "plateau":
            self.schedule.at(self._share())
            self.optimiser.lr *= 0.5**self.progress.halvings
        self.optimiser.zero_grad()
        loss, items = self.task.batch_loss()
        loss.backward()
        norm = optim.clip_grad_norm_(self.optimiser.params, self.settings.clip)
        self.latest = value = loss.item()
        p = self.progress
        smoothed = value if math.isnan(p.loss) else 0.98 * p.loss + 0.02 * value
        if not (math.isfinite(smoothed) and math.isfinite(norm)) or smoothed > 2 * p.lowest + 1:
            return None
        self.optimiser.step()
        p.step += 1
        p.items += items
        p.loss, p.lowest = smoothed, min(p.lowest, smoothed)
        return Batch(value, norm, items)

    def _is_sound(self) -> bool:
        """Whether to go back to this state after a divergence: one that is about to diverge would do so again.

        Sound is a loss, of the last batch and smoothed, up to half of the way from the lowest to what _step calls
        diverged.
        """
        p = self.progress
        return max(self.latest, p.loss) <= 1.5 * p.lowest + 0.5

    def _tell_step(self, batch: Batch, seconds: float) -> None:
        p, rate = self.progress, batch.items / seconds
        if p.step % LOG_EVERY == 0:
            epoch = p.step / self.task.steps_per_epoch()
            self.log.training(p.step, p.seconds, epoch, batch.loss, self.optimiser.lr, batch.grad_norm, rate)
        self.report(Report("step", p, self._share(), "", p.loss, self.optimiser.lr, rate))

    def _validate(self) -> None:
        p = self.progress
        started = time.perf_counter()
        loss = self.task.validate()
        self.reserve = 1.1 * (time.perf_counter() - started)
        p.validated = max(p.validated + 1, self.settings.due(self._share()))
        is_best = loss < p.best
        p.bad = 0 if is_best else p.bad + 1
        if is_best:
            p.best, p.best_step = loss, p.step
            self.task.save_model(self.folder / "best.safetensors", self._metrics())
        if self.settings.schedule == "plateau":
            self.plateau.step(loss)
        self.log.validation(p.step, p.seconds, loss, is_best)
        self._log_layers()
        sample = self.task.sample()
        if sample is not None:
            self.log.sample(p.step, p.seconds, sample)
        self._save_last()
        self.report(Report("validation", p, self._share(), sample or "", loss, self.optimiser.lr))

    def _log_layers(self) -> None:
        named = dict(self.task.network.named_parameters())
        gradients = {name: p.grad for name, p in named.items() if p.grad is not None}
        weights = {name: p.data for name, p in named.items()}
        self.log.layers(self.progress.step, weights, gradients, full=self.settings.log_arrays)

    def _metrics(self) -> dict[str, Any]:
        p = self.progress
        return {"validation_loss": p.best, "step": p.best_step, "seconds": round(p.seconds, 1)}

    def _snapshot(self) -> dict[str, Array]:
        """Everything that a continued run needs, as arrays."""
        parts = {
            "weights": self.task.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "task": self.task.state(),
            "progress": {k: np.array(v) for k, v in vars(self.progress).items()},
            "plateau": {"best": np.array(self.plateau.best), "bad": np.array(self.plateau.bad)},
        }
        return {f"{part}/{name}": a.copy() for part, arrays in parts.items() for name, a in arrays.items()}

    def restore(self, snapshot: dict[str, Array]) -> None:
        """Continue from a snapshot, as read from last.safetensors."""

        def part(name: str) -> dict[str, Array]:
            return {k.removeprefix(f"{name}/"): v for k, v in snapshot.items() if k.startswith(f"{name}/")}

        self.task.network.load_state_dict(part("weights"))
        self.optimiser.load_state_dict(part("optimiser"))
        self.task.restore(part("task"))
        for name, value in part("progress").items():
            setattr(self.progress, name, value.item())
        plateau = part("plateau")
        self.plateau.best, self.plateau.bad = plateau["best"].item(), plateau["bad"].item()

    def _save_last(self) -> None:
        self.log.flush()
        checkpoint.save(self.folder / "last.safetensors", self._snapshot(), self.settings, self.task.card())

    def _roll_back(self, good: dict[str, Array]) -> None:
        """Back to the last good state with half the rate; the time stays spent."""
        at, seconds, halvings = self.progress.step, self.progress.seconds, self.progress.halvings + 1
        self.restore(good)
        self.progress.seconds, self.progress.halvings = seconds, halvings
        if self.settings.schedule == "plateau":  # the other schedules set the rate anew at each step
            self.optimiser.lr *= 0.5 ** (halvings - int(good["progress/halvings"]))
        text = f"diverged at step {at}: back to step {self.progress.step}, learning rate halved"
        self.log.note(self.progress.step, seconds, text)
        self.report(Report("note", self.progress, self._share(), text))
        if halvings > GIVE_UP_AFTER:
            self.log.finish("diverged")
            text = f"the loss is not finite, or explodes, even at 1/{2**halvings} of the rate; check the data and --lr"
            raise DivergedError(text)


@contextmanager
def _interrupts(trainer: Trainer) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM asks the loop to stop after this batch; a second one acts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def put_back() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def ask(number: int, frame: FrameType | None) -> None:
        trainer.interrupted = True
        put_back()

    for number in previous:
        signal.signal(number, ask)
    try:
        yield
    finally:
        put_back()
