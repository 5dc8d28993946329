"""Optimisers and learning rate schedules with PyTorch's names, arguments and defaults.

One group of parameters; the rate is the attribute `lr`. Schedules are closed formulas of a position, counted in
calls of step() as in PyTorch or set by at() to any number, a share of a time budget for example.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.kernels import optimiser as kernels
from seqdl.tensor import Tensor

Array = np.ndarray


class Optimizer:
    """Holds the parameters and, for each of them, the arrays named in `moments`."""

    moments: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = list(params)
        self.lr = lr
        if not self.params:
            raise ValueError(f"{type(self).__name__}: no parameters to optimise")
        if lr < 0:
            raise ValueError(f"{type(self).__name__}: lr must not be negative, got {lr}")
        for parameter in self.params:  # step() needs flat views, which only row-major arrays have
            parameter.data = np.asarray(parameter.data, order="C")
        self.state = [{name: np.zeros_like(p.data) for name in self.moments} for p in self.params]
        self.steps = np.zeros(len(self.params), np.int64)  # of each parameter: some may get no gradient at times

    def zero_grad(self) -> None:
        """Forget the gradients, before the next backward()."""
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for i, (parameter, state) in enumerate(zip(self.params, self.state, strict=True)):
            if parameter.grad is not None:
                self.steps[i] += 1
                count = int(self.steps[i])
                flat = [np.ravel(a) for a in (parameter.data, parameter.grad, *state.values())]
                blocks = parallel.row_blocks(parameter.size, 8)
                parallel.run(lambda lo, hi, f=flat, n=count: self._update(*f, n, lo, hi), blocks)  # type: ignore[misc]

    def _update(self, *arrays: Any) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Array]:
        """Everything that a resumed run needs besides the weights: "0.exp_avg" and so on, "lr", "steps"."""
        arrays = {f"{i}.{name}": a for i, state in enumerate(self.state) for name, a in state.items()}
        return arrays | {"lr": np.array(self.lr), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Take over what state_dict gave; ValueError if it is of other parameters or another optimiser."""
        own = self.state_dict()
        if set(own) != set(state):
            raise ValueError(f"optimiser state does not fit: {sorted(set(own) ^ set(state))[:4]}")
        for i, moments in enumerate(self.state):
            for name, array in moments.items():
                array[...] = state[f"{i}.{name}"]
        self.lr = float(state["lr"])
        self.steps[...] = state["steps"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013, in PyTorch's form)."""

    moments = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: nesterov needs a momentum and no dampening")
        self.momentum, self.dampening, self.weight_decay, self.nesterov = (
            momentum,
            dampening,
            weight_decay,
            nesterov,
        )

    def _update(self, weight: Array, gradient: Array, velocity: Array, step: int, lo: int, hi: int) -> None:
        dampening = self.dampening if self.momentum else 0.0  # it belongs to the momentum, as in PyTorch
        kernels.sgd_step(
            weight, gradient, velocity, float(self.lr), float(self.momentum), float(dampening),
            float(self.weight_decay), self.nesterov, step == 1, lo, hi,
        )  # fmt: skip


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015); weight_decay is added to the gradient."""

    moments = ("exp_avg", "exp_avg_sq")
    decoupled = False

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    def _update(self, weight: Array, gradient: Array, mean: Array, square: Array, step: int, lo: int, hi: int) -> None:
        l2, decay = (0.0, self.weight_decay) if self.decoupled else (self.weight_decay, 0.0)
        kernels.adam_step(
            weight, gradient, mean, square, float(self.lr), *map(float, self.betas), float(self.eps),
            float(l2), float(decay), step, lo, hi,
        )  # fmt: skip


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019)."""

    decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


def clip_grad_norm_(params: Iterable[Tensor], max_norm: float) -> float:
    """Scale all gradients so that their common 2-norm is at most max_norm; returns the norm before.

    A norm that is not finite leaves the gradients alone: the caller should look at it.
    """
    gradients = [p.grad for p in params if p.grad is not None]
    with parallel.single_threaded_blas():
        total = math.sqrt(sum(float(np.dot(g.ravel(), g.ravel())) for g in gradients))
    scale = max_norm / (total + 1e-6)
    if scale < 1 and math.isfinite(total):
        for g in gradients:
            g *= np.asarray(scale, g.dtype)
    return total


class LRScheduler:
    """Sets optimizer.lr to its initial value times factor(position)."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer, self.base_lr = optimizer, optimizer.lr
        self.at(0)

    def factor(self, position: float) -> float:
        raise NotImplementedError

    def at(self, position: float) -> None:
        """Go to a position: a number of steps, or a share where the arguments are shares."""
        self.last_epoch = position
        self.optimizer.lr = self.base_lr * self.factor(position)

    def step(self) -> None:
        """One further, after each epoch or batch as you like."""
        self.at(self.last_epoch + 1)


class ConstantLR(LRScheduler):
    """`factor` until total_iters, then 1. PyTorch's defaults; ConstantLR(o, 1, 0) changes nothing."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: float = 5) -> None:
        self.start, self.total_iters = factor, total_iters
        super().__init__(optimizer)

    def factor(self, position: float) -> float:
        return self.start if position < self.total_iters else 1.0


class StepLR(LRScheduler):
    """gamma^floor(position / step_size)."""

    def __init__(self, optimizer: Optimizer, step_size: float, gamma: float = 0.1) -> None:
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, position: float) -> float:
        return self.gamma ** math.floor(position / self.step_size)


class CosineAnnealingLR(LRScheduler):
    """From lr to eta_min along half a cosine (Loshchilov and Hutter 2017); stays there after T_max."""

    def __init__(self, optimizer: Optimizer, T_max: float, eta_min: float = 0.0) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def factor(self, position: float) -> float:
        low = self.eta_min / self.base_lr if self.base_lr else 0.0
        return low + (1 - low) * (1 + math.cos(math.pi * min(position / self.T_max, 1.0))) / 2


class LinearLR(LRScheduler):
    """From start_factor to end_factor in a line over total_iters: a warm-up by default."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: float = 5,
    ) -> None:
        self.start, self.end, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def factor(self, position: float) -> float:
        share = min(position / self.total_iters, 1.0) if self.total_iters else 1.0
        return self.start + (self.end - self.start) * share


class SequentialLR(LRScheduler):
    """One schedule after the other, changing at the milestones; each starts counting from 0."""

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[float]) -> None:
        self.parts, self.starts = list(schedulers), [0.0, *milestones]
        for part in self.parts:  # a part made after another one has seen a rate already reduced
            part.base_lr = self.parts[0].base_lr
        optimizer.lr = self.parts[0].base_lr
        super().__init__(optimizer)

    def factor(self, position: float) -> float:
        at = max(i for i, start in enumerate(self.starts) if position >= start)
        return self.parts[at].factor(position - self.starts[at])


class ReduceLROnPlateau:
    """Multiply lr by `factor` when the metric has not improved by `threshold` (relative) for `patience` calls.

    mode: "min" where a lower metric is better, such as a loss, or "max".
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        min_lr: float = 0.0,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode must be min or max, got {mode!r}")
        self.optimizer, self.reduction, self.patience = optimizer, factor, patience
        self.mode, self.threshold, self.min_lr = mode, threshold, min_lr
        self.best, self.bad = math.inf if mode == "min" else -math.inf, 0

    def step(self, metric: float) -> None:
        """Look at a metric, after each validation."""
        lower = self.best * (1 - self.threshold)
        upper = self.best * (1 + self.threshold)
        if metric < lower if self.mode == "min" else metric > upper:
            self.best, self.bad = metric, 0
            return
        self.bad += 1
        if self.bad > self.patience:
            self.optimizer.lr = max(self.optimizer.lr * self.reduction, self.min_lr)
            self.bad = 0
