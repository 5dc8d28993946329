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
from seqdl.errors import SeqdlError, UsageError
from seqdl.nn import Module
from seqdl.tensor import Tensor
from seqdl.training import checkpoint
from seqdl.training.runlog import RunLog

Array = np.ndarray
OPTIMISERS: dict[str, type[optim.Optimizer]] = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW}
SCHEDULES = ("constant", "step", "cosine", "plateau")
LOG_EVERY = 10  # steps
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


@dataclass(frozen=True)
class Settings:
    """How to train. Either `minutes` or `epochs` bounds it. `validations` are spread evenly over the budget."""

    epochs: float | None = 10.0
    minutes: float | None = None
    optimiser: str = "adamw"
    lr: float = 4e-3
    schedule: str = "cosine"
    warmup: float = 0.02  # share of the budget
    final_lr: float = 0.02  # share of lr at the end of the cosine
    weight_decay: float = 0.01
    beta2: float = 0.99
    momentum: float = 0.9
    clip: float = 1.0
    validations: int = 10
    patience: int = 0  # validations without improvement before stopping; 0: never
    log_arrays: bool = False

    def __post_init__(self) -> None:
        faults = [
            (self.optimiser not in OPTIMISERS, f"--optimiser must be one of {', '.join(OPTIMISERS)}"),
            (self.schedule not in SCHEDULES, f"--schedule must be one of {', '.join(SCHEDULES)}"),
            (self.minutes is not None and not 0 < self.minutes < math.inf, "--minutes must be finite and above 0"),
            (self.minutes is None and not 0 < (self.epochs or 0) < math.inf, "--epochs must be finite and above 0"),
            (not 0 < self.lr < math.inf, "--lr must be finite and above 0"),
            (not 0 <= self.warmup < 1, "--warmup must be in [0, 1)"),
            (self.validations < 1, "--validations must be at least 1"),
            (not 0 <= self.final_lr <= 1, "final-lr must be in [0, 1]"),
            (not 0 <= self.beta2 < 1, "beta2 must be in [0, 1)"),
            (not 0 <= self.momentum < 1, "momentum must be in [0, 1)"),
            (not self.clip > 0, "--clip must be above 0"),
            (not 0 <= self.weight_decay < math.inf, "--weight-decay must be 0 or more"),
            (self.patience < 0, "--patience must be 0 or more"),
        ]
        for fault, message in faults:
            if fault:
                raise UsageError(message)


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
        s = self.settings
        options: dict[str, Any] = {"lr": s.lr, "weight_decay": s.weight_decay}
        options |= {"momentum": s.momentum} if s.optimiser == "sgd" else {"betas": (0.9, s.beta2)}
        self.optimiser = OPTIMISERS[s.optimiser](self.task.network.parameters(), **options)
        self.schedule = _schedule(self.optimiser, s)
        self.plateau = optim.ReduceLROnPlateau(self.optimiser, factor=0.5, patience=1)
        self.total_steps = max(1, round((s.epochs or 0) * self.task.steps_per_epoch()))
        self.reserve = 0.0  # seconds that the last validation will take
        self.interrupted = False

    def run(self) -> str:
        """Train to the end; returns "done", "interrupted" or "stopped early"."""
        self.task.network.train()
        with _interrupts(self), parallel.single_threaded_blas():
            self._save_last()  # so that a run killed early can be resumed, and a full disk is seen at once
            good = self._snapshot()
            before, since = self.progress.seconds, time.perf_counter()
            while not self.interrupted and self._share() < 1:
                started = time.perf_counter()
                batch = self._step()
                self.progress.seconds = before + time.perf_counter() - since
                if batch is None:
                    self._roll_back(good)
                    continue
                self._tell_step(batch, time.perf_counter() - started)
                if self._share() * self.settings.validations >= self.progress.validated + 1:
                    self._validate()
                    self.progress.seconds = before + time.perf_counter() - since
                    good = self._snapshot()
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
        value = loss.item()
        p = self.progress
        smoothed = value if math.isnan(p.loss) else 0.98 * p.loss + 0.02 * value
        if not (math.isfinite(smoothed) and math.isfinite(norm)) or smoothed > 2 * p.lowest + 1:
            return None
        self.optimiser.step()
        p.step += 1
        p.items += items
        p.loss, p.lowest = smoothed, min(p.lowest, smoothed)
        return Batch(value, norm, items)

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
        p.validated = max(p.validated + 1, int(self._share() * self.settings.validations))
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


def _schedule(optimiser: optim.Optimizer, s: Settings) -> optim.LRScheduler:
    """The schedule over a budget of length 1: a warm-up in a line, then the one asked for."""
    rest = 1 - s.warmup
    main: optim.LRScheduler
    if s.schedule == "cosine":
        main = optim.CosineAnnealingLR(optimiser, rest, eta_min=s.lr * s.final_lr)
    elif s.schedule == "step":
        main = optim.StepLR(optimiser, rest / 3, gamma=0.3)
    else:
        main = optim.ConstantLR(optimiser, 1.0, 0)
    if s.warmup == 0 or s.schedule == "plateau":
        return main
    warmup = optim.LinearLR(optimiser, 0.01, 1.0, s.warmup)
    warmup.base_lr = main.base_lr = s.lr
    return optim.SequentialLR(optimiser, [warmup, main], [s.warmup])


@contextmanager
def _interrupts(trainer: Trainer) -> Iterator[None]:
    """The first Ctrl-C asks the loop to stop after this batch; a second one interrupts as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: FrameType | None) -> None:
        trainer.interrupted = True
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
