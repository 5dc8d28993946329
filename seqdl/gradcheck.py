"""Gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seqdl.errors import SeqdlError
from seqdl.tensor import Tensor


class GradientError(SeqdlError, AssertionError):
    """A gradient differs from its finite difference; the message says where and by how much."""


def gradcheck(
    function: Callable[..., Any],
    *inputs: Any,
    eps: float = 1e-6,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    generator: np.random.Generator | None = None,
) -> bool:
    """Compare the gradients of `function` with central differences, for every element of every float64 input.

    The outputs (one tensor or several) are projected on random directions: an upstream gradient of ones would
    hide errors that cancel in a sum. Inputs that are not float64 tensors are passed through as they are.
    function must be deterministic. Returns True; raises GradientError where
    |analytic - numeric| > atol + rtol |numeric|.
    """
    generator = generator or np.random.default_rng(0)
    tensors = [_fresh(x) for x in inputs]
    checked = [i for i, x in enumerate(tensors) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise GradientError("gradcheck: no float64 tensor among the inputs")
    outputs = _as_tuple(function(*tensors))
    directions = [generator.standard_normal(y.shape) for y in outputs]

    def projected() -> float:
        values = _as_tuple(function(*(_fresh(x) for x in tensors)))
        return float(sum(np.sum(y.data * d) for y, d in zip(values, directions, strict=True)))

    total = sum(((y * d).sum() for y, d in zip(outputs, directions, strict=True)), Tensor(np.zeros(())))
    total.backward()
    for i in checked:
        analytic = tensors[i].grad
        if analytic is None:
            raise GradientError(f"gradcheck: input {i} got no gradient")
        _compare(i, analytic, _differences(tensors[i].data, projected, eps), rtol, atol)
    return True


def _fresh(x: Any) -> Any:
    """A float64 tensor as a new leaf over the same memory, so that perturbing the original is seen."""
    if isinstance(x, Tensor) and x.dtype == np.float64:
        return Tensor(x.data, requires_grad=True)
    return x


def _as_tuple(value: Any) -> tuple[Tensor, ...]:
    return value if isinstance(value, tuple) else (value,)


def _differences(x: np.ndarray, projected: Callable[[], float], eps: float) -> np.ndarray:
    slopes = np.empty_like(x)
    for at in np.ndindex(x.shape):
        kept = x[at]
        x[at] = kept + eps
        above = projected()
        x[at] = kept - eps
        slopes[at] = (above - projected()) / (2 * eps)
        x[at] = kept
    return slopes


def _compare(i: int, analytic: np.ndarray, numeric: np.ndarray, rtol: float, atol: float) -> None:
    excess = np.abs(analytic - numeric) - (atol + rtol * np.abs(numeric))
    if excess.size and not np.all(excess <= 0):  # a NaN fails too
        at = np.unravel_index(np.nanargmax(excess) if np.isfinite(excess).any() else 0, excess.shape)
        where = tuple(int(n) for n in at)
        raise GradientError(
            f"gradcheck: input {i}, element {where}: gradient {analytic[at]:.9g}, finite difference {numeric[at]:.9g}"
        )
