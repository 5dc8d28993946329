"""Initial values, filled into an array in place. PyTorch's names and formulas."""

from __future__ import annotations

import math

import numpy as np

from seqdl.random import default_generator

Array = np.ndarray
Generator = np.random.Generator | None


def uniform_(array: Array, low: float, high: float, generator: Generator = None) -> Array:
    """Uniform in [low, high)."""
    array[...] = (generator or default_generator()).uniform(low, high, array.shape)
    return array


def normal_(array: Array, mean: float = 0.0, std: float = 1.0, generator: Generator = None) -> Array:
    """Normal with this mean and standard deviation."""
    array[...] = (generator or default_generator()).normal(mean, std, array.shape)
    return array


def kaiming_uniform_(array: Array, gain: float = math.sqrt(2), generator: Generator = None) -> Array:
    """U(-b, b) with b = gain sqrt(3 / fan_in) (He et al. 2015); the gain sqrt(2) is that of ReLU."""
    bound = gain * math.sqrt(3 / fans(array)[0])
    return uniform_(array, -bound, bound, generator)


def kaiming_normal_(array: Array, gain: float = math.sqrt(2), generator: Generator = None) -> Array:
    """N(0, gain^2 / fan_in) (He et al. 2015)."""
    return normal_(array, 0.0, gain / math.sqrt(fans(array)[0]), generator)


def xavier_uniform_(array: Array, gain: float = 1.0, generator: Generator = None) -> Array:
    """U(-b, b) with b = gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    bound = gain * math.sqrt(6 / sum(fans(array)))
    return uniform_(array, -bound, bound, generator)


def xavier_normal_(array: Array, gain: float = 1.0, generator: Generator = None) -> Array:
    """N(0, 2 gain^2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""
    return normal_(array, 0.0, gain * math.sqrt(2 / sum(fans(array))), generator)


def orthogonal_(array: Array, gain: float = 1.0, generator: Generator = None) -> Array:
    """Rows or columns orthonormal, whichever are fewer, times gain (Saxe et al. 2013)."""
    rows, columns = len(array), array.size // len(array)
    tall = (generator or default_generator()).normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # makes the draw uniform over all such matrices
    array[...] = gain * (q if rows >= columns else q.T).reshape(array.shape)
    return array


def fans(array: Array) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (O, I) or (O, I, kh, kw)."""
    if array.ndim < 2:
        raise ValueError(f"fan_in and fan_out need a weight of two or more axes, got {array.shape}")
    field = math.prod(array.shape[2:])
    return array.shape[1] * field, array.shape[0] * field
