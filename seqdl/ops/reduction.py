"""Reductions over axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl.ops.registry import operation

Array = np.ndarray
Axes = int | tuple[int, ...] | None


@operation("(*) -> (*) less the axes")
def sum(x: Array, axis: Axes = None, keepdims: bool = False) -> Any:
    """Sum over `axis` (all axes by default)."""
    value = x.sum(axis=axis, keepdims=keepdims)
    return value, lambda g: (np.broadcast_to(_spread(g, x, axis, keepdims), x.shape),)


@operation("(*) -> (*) less the axes")
def mean(x: Array, axis: Axes = None, keepdims: bool = False) -> Any:
    """Mean over `axis` (all axes by default)."""
    value = x.mean(axis=axis, keepdims=keepdims)
    count = np.asarray(x.size / value.size, x.dtype)
    return value, lambda g: (np.broadcast_to(_spread(g, x, axis, keepdims) / count, x.shape),)


@operation("(*) -> (*) less the axes")
def max(x: Array, axis: Axes = None, keepdims: bool = False) -> Any:
    """Largest value over `axis`; where several are equal they share the gradient evenly."""
    value = x.max(axis=axis, keepdims=keepdims)
    largest = x == _spread(value, x, axis, keepdims)
    share = largest / largest.sum(axis=axis, keepdims=True).astype(x.dtype)
    return value, lambda g: (_spread(g, x, axis, keepdims) * share,)


@operation("(*) -> (*) less the axes")
def var(x: Array, axis: Axes = None, keepdims: bool = False) -> Any:
    """Variance over `axis`, divided by n (correction=0), as the normalisation layers use it."""
    centred = x - x.mean(axis=axis, keepdims=True)
    value = np.square(centred).mean(axis=axis, keepdims=keepdims)
    scale = np.asarray(2 * value.size / x.size, x.dtype)
    return value, lambda g: (_spread(g, x, axis, keepdims) * centred * scale,)


def _spread(g: Array, x: Array, axis: Axes, keepdims: bool) -> Array:
    """Give a reduced array its axes back, with length 1, so that it broadcasts against x."""
    if keepdims:
        return g
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    return np.expand_dims(g, tuple(axes))
