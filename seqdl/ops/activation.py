"""Activations, softmax and dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import erf, expit

from seqdl import parallel
from seqdl.kernels import activation as kernels
from seqdl.ops.registry import operation
from seqdl.random import default_generator

Array = np.ndarray


@operation("(*) -> (*)")
def relu(x: Array) -> Any:
    """max(x, 0)."""
    return np.maximum(x, 0), lambda g: (g * (x > 0),)


@operation("(*) -> (*)")
def gelu(x: Array) -> Any:
    """x Phi(x) with the normal distribution's Phi(x) = (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016).

    float32 runs in kernels of ours (absolute error of Phi and of the slope below 4e-7), float64 through erf.
    """
    x = np.ascontiguousarray(x) if 0 in x.strides else x

    def apply(fill: Any, *inputs: Array) -> Array:
        out = np.empty_like(x)
        flat = [_like(a, x).ravel(order="K") for a in (*inputs, out)]
        parallel.run(lambda lo, hi: fill(*(a[lo:hi] for a in flat)), parallel.row_blocks(x.size, 16))
        return out

    return apply(fill_gelu, x), lambda g: (apply(fill_gelu_gradient, x, g),)


def fill_gelu(x: Array, value: Array) -> None:
    """value = gelu(x), both flat."""
    if x.dtype == np.float32:
        kernels.gelu(x, value)
    else:
        np.multiply(x, 0.5 * (1 + erf(x * 0.5**0.5)), out=value)


def fill_gelu_gradient(x: Array, g: Array, grad: Array) -> None:
    """grad = g gelu'(x), all flat."""
    if x.dtype == np.float32:
        kernels.gelu_backward(x, g, grad)
    else:
        np.multiply(g, 0.5 * (1 + erf(x * 0.5**0.5)) + x * np.exp(-0.5 * x * x) * (2 * np.pi) ** -0.5, out=grad)


def _like(a: Array, x: Array) -> Array:
    """a in the memory order of x, so that both ravel alike; a copy only if it has another."""
    if a.strides == x.strides:
        return a
    copy = np.empty_like(x)
    copy[...] = a
    return copy


@operation("(*) -> (*)")
def tanh(x: Array) -> Any:
    """Hyperbolic tangent."""
    y = np.tanh(x)
    return y, lambda g: (g * (1 - y * y),)


@operation("(*) -> (*)")
def sigmoid(x: Array) -> Any:
    """1 / (1 + exp(-x))."""
    y = expit(x)
    return y, lambda g: (g * y * (1 - y),)


@operation("(*) -> (*)")
def softmax(x: Array, axis: int = -1) -> Any:
    """exp(x) divided by its sum along `axis`."""
    y = np.exp(x - x.max(axis=axis, keepdims=True))
    y /= y.sum(axis=axis, keepdims=True)
    return y, lambda g: (y * (g - (g * y).sum(axis=axis, keepdims=True)),)


@operation("(*) -> (*)")
def log_softmax(x: Array, axis: int = -1) -> Any:
    """Logarithm of softmax, safe for large values."""
    shifted = x - x.max(axis=axis, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return y, lambda g: (g - np.exp(y) * g.sum(axis=axis, keepdims=True),)


@operation("(*) -> (*)")
def dropout(x: Array, p: float = 0.5, *, generator: np.random.Generator | None = None) -> Any:
    """Zero each value with probability p and scale the others by 1 / (1 - p) (Srivastava et al. 2014)."""
    mask = dropout_mask(x.shape, p, x.dtype, generator)
    return x * mask, lambda g: (g * mask,)


def dropout_mask(shape: tuple[int, ...], p: float, dtype: Any, generator: np.random.Generator | None) -> Array:
    """0 with probability p, else 1 / (1 - p). Drawn in float32 whatever the type: the same mask for the same seed."""
    if not 0 <= p < 1:
        raise ValueError(f"dropout: p must be in [0, 1), got {p}")
    kept = (generator or default_generator()).random(shape, dtype=np.float32) >= p
    return kept * np.asarray(1 / (1 - p), dtype)
