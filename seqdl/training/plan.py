"""What a training is asked to do: budget, optimiser, schedule, and when to look."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from seqdl import optim
from seqdl.errors import UsageError
from seqdl.tensor import Tensor

OPTIMISERS: dict[str, type[optim.Optimizer]] = {"sgd": optim.SGD, "adam": optim.Adam, "adamw": optim.AdamW}
SPACINGS = ("even", "doubling")
SCHEDULES = ("constant", "step", "cosine", "plateau")


@dataclass(frozen=True)
class Settings:
    """How to train. Either `minutes` or `epochs` bounds it.

    spacing of the `validations`: "even" over the budget, or "doubling", each after twice as much of it as the one
    before, so that the early ones show how it begins; the last is at the end either way.
    """

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
    spacing: str = "even"
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
            (self.spacing not in SPACINGS, f"spacing must be one of {', '.join(SPACINGS)}"),
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

    def due(self, share: float) -> int:
        """How many of the validations are due when this share of the budget is used."""
        if self.spacing == "even":
            return int(share * self.validations)
        return max(0, self.validations + math.floor(math.log2(share))) if share > 0 else 0


def optimiser_for(s: Settings, parameters: Iterable[Tensor]) -> optim.Optimizer:
    """The optimiser that the settings name."""
    options: dict[str, Any] = {"lr": s.lr, "weight_decay": s.weight_decay}
    options |= {"momentum": s.momentum} if s.optimiser == "sgd" else {"betas": (0.9, s.beta2)}
    return OPTIMISERS[s.optimiser](parameters, **options)


def schedule_for(s: Settings, optimiser: optim.Optimizer) -> optim.LRScheduler:
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
