"""Layer and batch normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqdl.ops.registry import operation

Array = np.ndarray


@operation("(*, D), (D)?, (D)? -> (*, D), D may be several axes")
def layer_norm(x: Array, weight: Array | None, bias: Array | None, *, axes: int = 1, eps: float = 1e-5) -> Any:
    """Normalise over the last `axes` axes (Ba et al. 2016)."""
    over = tuple(range(-axes, 0))
    lead = tuple(range(x.ndim - axes))
    normal, scale, _ = _normalise(x, x.mean(axis=over, keepdims=True), over, eps)

    def backward(g: Array) -> tuple[Array, Array, Array]:
        upstream = g if weight is None else g * weight
        return _through(upstream, normal, scale, over), (g * normal).sum(axis=lead), g.sum(axis=lead)

    return _affine(normal, weight, bias), backward


@operation("(B, C, *), (C)?, (C)? -> (B, C, *)")
def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    *,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel over the batch and all positions (Ioffe and Szegedy 2015), as PyTorch does.

    In training the batch's own figures are used and the running ones moved towards them, in place, by
    `momentum` (the variance with n - 1 below); otherwise the running figures are used.
    """
    over = (0, *range(2, x.ndim))
    column = (-1,) + (1,) * (x.ndim - 2)
    w = None if weight is None else weight.reshape(column)
    b = None if bias is None else bias.reshape(column)
    own_figures = training or running_mean is None or running_var is None
    if not training and running_mean is not None and running_var is not None:
        scale = (1 / np.sqrt(running_var.astype(x.dtype) + np.asarray(eps, x.dtype))).reshape(column)
        normal = (x - running_mean.astype(x.dtype).reshape(column)) * scale
    else:
        n = x.size // x.shape[1]
        if n == 1:
            raise ValueError(f"batch_norm: one value per channel has no variance, input {x.shape}")
        mean = x.mean(axis=over, keepdims=True)
        normal, scale, variance = _normalise(x, mean, over, eps)
        if running_mean is not None and running_var is not None:
            running_mean[:] = (1 - momentum) * running_mean + momentum * mean.reshape(-1)
            running_var[:] = (1 - momentum) * running_var + momentum * (n / (n - 1)) * variance.reshape(-1)

    def backward(g: Array) -> tuple[Array, Array, Array]:
        upstream = g if w is None else g * w
        grad_x = _through(upstream, normal, scale, over) if own_figures else upstream * scale
        return grad_x, (g * normal).sum(axis=over), g.sum(axis=over)

    return _affine(normal, w, b), backward


def _normalise(x: Array, mean: Array, over: tuple[int, ...], eps: float) -> tuple[Array, Array, Array]:
    """(x - mean) * scale, the scale 1 / sqrt(variance + eps), and the variance (divided by n)."""
    centred = x - mean
    variance = np.square(centred).mean(axis=over, keepdims=True)
    scale = 1 / np.sqrt(variance + np.asarray(eps, x.dtype))
    return centred * scale, scale, variance


def _affine(normal: Array, weight: Array | None, bias: Array | None) -> Array:
    scaled = normal if weight is None else normal * weight
    return scaled if bias is None else scaled + bias


def _through(g: Array, normal: Array, scale: Array, over: tuple[int, ...]) -> Array:
    """d(normal)/dx applied to g: scale (g - mean g - normal mean(g normal)), as mean and variance depend on x."""
    count = np.asarray(math.prod(normal.shape[axis] for axis in over), normal.dtype)
    along = (g * normal).sum(axis=over, keepdims=True) / count
    return scale * (g - g.sum(axis=over, keepdims=True) / count - normal * along)
