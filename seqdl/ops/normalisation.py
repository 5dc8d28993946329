"""Layer and batch normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.kernels import normalisation as kernels
from seqdl.kernels.activation import relu_backward
from seqdl.ops.registry import operation

Array = np.ndarray


@operation("(*, D), (D)?, (D)? -> (*, D), D may be several axes")
def layer_norm(x: Array, weight: Array | None, bias: Array | None, *, axes: int = 1, eps: float = 1e-5) -> Any:
    """Normalise over the last `axes` axes (Ba et al. 2016)."""
    over = tuple(range(-axes, 0))
    lead = tuple(range(x.ndim - axes))
    centred = x - x.mean(axis=over, keepdims=True)
    scale = 1 / np.sqrt(np.square(centred).mean(axis=over, keepdims=True) + np.asarray(eps, x.dtype))
    normal = centred * scale

    def backward(g: Array) -> tuple[Array, Array, Array]:
        upstream = g if weight is None else g * weight
        return _through(upstream, normal, scale, over), (g * normal).sum(axis=lead), g.sum(axis=lead)

    scaled = normal if weight is None else normal * weight
    return scaled if bias is None else scaled + bias, backward


def _through(g: Array, normal: Array, scale: Array, over: tuple[int, ...]) -> Array:
    """d(normal)/dx applied to g: scale (g - mean g - normal mean(g normal)), as mean and variance depend on x."""
    count = np.asarray(math.prod(normal.shape[axis] for axis in over), normal.dtype)
    along = (g * normal).sum(axis=over, keepdims=True) / count
    return scale * (g - g.sum(axis=over, keepdims=True) / count - normal * along)


@operation("(B, C, *), (C)?, (C)?, (B, C, *)? -> (B, C, *)")
def batch_norm(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    add: Array | None = None,
    *,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    relu: bool = False,
) -> Any:
    """Normalise each channel over the batch and all positions (Ioffe and Szegedy 2015), as PyTorch does.

    In training the batch's own figures are used and the running ones moved towards them, in place, by
    `momentum` (the variance with n - 1 below); otherwise the running figures are used.

    add: what to add to the result; relu: a ReLU behind that. The same as the operations one by one, in one pass. The
    output's memory has the channels last, as conv2d's, which the next layer reads without copying.
    """
    _check(x, add, weight, bias, running_mean, running_var)
    rows, shape, has_add = _rows(x), x.shape, add is not None
    mean, variance, count = running_mean, running_var, math.inf  # figures that are given do not depend on x
    if training or mean is None or variance is None:
        mean, variance, count = _moments(rows, shape)
    if training and running_mean is not None and running_var is not None:
        running_mean[:] = (1 - momentum) * running_mean + momentum * mean
        running_var[:] = (1 - momentum) * running_var + momentum * (count / (count - 1)) * variance
    scale = 1 / np.sqrt(np.asarray(variance, np.float64) + eps)
    factor = scale if weight is None else scale * weight
    figures = kernels.in_lines([mean, factor, np.zeros_like(scale) if bias is None else bias], rows.dtype)
    out, added, floor = np.empty_like(rows), rows[:0] if add is None else _rows(add), 0.0 if relu else -math.inf
    _run(lambda lo, hi: kernels.normalise(rows, added, figures, floor, out, lo, hi), rows, shape[1])
    seen = out if relu and has_add else None  # without `add` x tells what the ReLU cut off

    def backward(g: Array) -> tuple[Array | None, ...]:
        g, least = (_rows(g), floor) if seen is None else (_cut_off(_rows(g), seen), -math.inf)
        parts, grad_x = _parts(rows, shape[1]), np.empty_like(rows)
        _run(lambda lo, hi: kernels.sum_gradients(rows, g, figures, least, parts, lo, hi), rows, shape[1])
        sums, products = parts.sum(axis=0)
        slopes = kernels.in_lines([factor, factor * sums / count, factor * scale**2 * products / count], rows.dtype)
        _run(lambda lo, hi: kernels.gradient(rows, g, figures, least, slopes, grad_x, lo, hi), rows, shape[1])
        of_weight, of_bias = (products * scale).astype(rows.dtype), sums.astype(rows.dtype)
        return _channels_first(grad_x, shape), of_weight, of_bias, _channels_first(g, shape) if has_add else None

    return _channels_first(out, shape), backward


def _cut_off(g: Array, y: Array) -> Array:
    """What a ReLU that gave y leaves of g, both flat."""
    kept = np.empty_like(g)
    parallel.run(lambda lo, hi: relu_backward(y[lo:hi], g[lo:hi], kept[lo:hi]), parallel.row_blocks(len(g), 8))
    return kept


def _check(x: Array, add: Array | None, *of_channels: Array | None) -> None:
    """The kernels trust their arrays."""
    if x.dtype.kind != "f":
        raise TypeError(f"batch_norm: a floating input expected, got {x.dtype}")
    sizes = [a.shape for a in of_channels if a is not None]
    if x.ndim < 2 or x.shape[1] < 1 or any(size != x.shape[1:2] for size in sizes):
        raise ValueError(f"batch_norm: weights or running figures of {sizes} do not fit an input of {x.shape}")
    if add is not None and add.shape != x.shape:
        raise ValueError(f"batch_norm: {add.shape} cannot be added to an input of {x.shape}")


def _moments(rows: Array, shape: tuple[int, ...]) -> tuple[Array, Array, int]:
    """Mean and variance (divided by n) of each channel, in float64, and n."""
    count = len(rows) // max(shape[1], 1)
    if count < 2:
        raise ValueError(f"batch_norm: one value per channel has no variance, input {shape}")
    parts, line = _parts(rows, shape[1]), kernels.line_length(shape[1])
    _run(lambda lo, hi: kernels.moments(rows, parts, line, lo, hi), rows, shape[1])
    sums, squares = parts.swapaxes(0, 1)
    mean = sums.sum(axis=0) / count
    counts = np.full((len(parts), 1), kernels.LINES * line // shape[1])
    counts[-1] = count - counts[:-1].sum()
    between = counts * np.square(sums / counts - mean)
    return mean, (squares + between).sum(axis=0) / count, count


def _parts(rows: Array, channels: int) -> Array:
    """Room for two sums of each channel in each chunk."""
    return np.empty((kernels.chunks(rows, channels), 2, channels))


def _run(work: Callable[[int, int], None], rows: Array, channels: int) -> None:
    """work(lo, hi) on blocks of chunks."""
    size = kernels.LINES * kernels.line_length(channels)
    parallel.run(work, parallel.row_blocks(kernels.chunks(rows, channels), 8 * size))


def _rows(x: Array) -> Array:
    """(B, C, *) with the channels last, flat; without a copy where a layer of ours made it."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)).reshape(-1)


def _channels_first(rows: Array, shape: tuple[int, ...]) -> Array:
    """The (B, C, *) of `_rows`."""
    return np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1)
