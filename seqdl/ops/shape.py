"""Shape, indexing, and putting together."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.kernels import embedding as kernels
from seqdl.ops.registry import operation

Array = np.ndarray


@operation("(*) -> shape")
def reshape(x: Array, shape: tuple[int, ...]) -> Any:
    """The same values in another shape; one length may be -1."""
    return x.reshape(shape), lambda g: (g.reshape(x.shape),)


@operation("(*) -> (*), axes in another order")
def permute(x: Array, axes: tuple[int, ...]) -> Any:
    """Axes in the order given."""
    return x.transpose(axes), lambda g: (g.transpose(np.argsort(axes)),)


@operation("(*), index -> (*)")
def getitem(x: Array, index: Any) -> Any:
    """x[index] with NumPy's meaning: numbers, slices, None, Ellipsis, integer and boolean arrays."""

    def backward(g: Array) -> tuple[Array]:
        grad = np.zeros_like(x)
        np.add.at(grad, index, g)  # an index may name a place twice
        return (grad,)

    return x[index], backward


@operation("(*), (*), ... -> (*), joined along an axis")
def concat(*arrays: Array, axis: int = 0) -> Any:
    """Join along an axis that all have."""
    edges = np.cumsum([a.shape[axis] for a in arrays])[:-1]
    return np.concatenate(arrays, axis), lambda g: tuple(np.split(g, edges, axis))


@operation("(*), (*), ... -> (n, *)")
def stack(*arrays: Array, axis: int = 0) -> Any:
    """Join along a new axis."""
    return np.stack(arrays, axis), lambda g: tuple(np.moveaxis(g, axis, 0))


@operation("(*) -> (*) grown by the widths")
def pad(x: Array, widths: tuple[tuple[int, int], ...]) -> Any:
    """Zeros around: widths[axis] = (before, after)."""
    inner = tuple(slice(before, before + size) for (before, _), size in zip(widths, x.shape, strict=True))
    return np.pad(x, widths), lambda g: (g[inner],)


@operation("(V, E), integers (*) -> (*, E)")
def embedding(weight: Array, index: Array) -> Any:
    """Rows of `weight`, picked by number."""

    width = weight.shape[1]
    return weight[index], lambda g: (add_rows(g.reshape(-1, width), index.reshape(-1), len(weight)),)


def add_rows(rows: Array, index: Array, symbols: int) -> Array:
    """(V, D): for each of V symbols the sum of the rows (N, D) that `index` (N,) gives it."""
    out = np.zeros((symbols, rows.shape[1]), rows.dtype)
    blocks = parallel.row_blocks(rows.shape[1], len(rows))
    parallel.run(lambda lo, hi: kernels.add_rows(rows, index, out, lo, hi), blocks)
    return out
