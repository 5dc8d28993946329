"""Element-wise arithmetic and the matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.ops.registry import operation

Array = np.ndarray


@operation("(*), (*) -> (*), broadcast")
def add(x: Array, y: Array) -> Any:
    """x + y."""
    x, y = _alike(x, y)
    return x + y, lambda g: (g, g)


@operation("(*), (*) -> (*), broadcast")
def sub(x: Array, y: Array) -> Any:
    """x - y."""
    x, y = _alike(x, y)
    return x - y, lambda g: (g, -g)


@operation("(*), (*) -> (*), broadcast")
def mul(x: Array, y: Array) -> Any:
    """x * y."""
    x, y = _alike(x, y)
    return x * y, lambda g: (g * y, g * x)


@operation("(*), (*) -> (*), broadcast")
def div(x: Array, y: Array) -> Any:
    """x / y."""
    x, y = _alike(x, y)
    value = x / y
    return value, lambda g: (g / y, -g * value / y)


@operation("(*) -> (*)")
def neg(x: Array) -> Any:
    """-x."""
    return -x, lambda g: (-g,)


@operation("(*), number -> (*)")
def pow(x: Array, exponent: float) -> Any:
    """x to the power of a number."""
    n = np.asarray(exponent, x.dtype)
    return x**n, lambda g: (g * n * x ** (n - 1),)


@operation("(*) -> (*)")
def exp(x: Array) -> Any:
    """e to the x."""
    value = np.exp(x)
    return value, lambda g: (g * value,)


@operation("(*) -> (*)")
def log(x: Array) -> Any:
    """Natural logarithm."""
    return np.log(x), lambda g: (g / x,)


@operation("(*) -> (*)")
def sqrt(x: Array) -> Any:
    """Square root."""
    value = np.sqrt(x)
    return value, lambda g: (g / (value + value),)


@operation("(..., M, K), (..., K, N) -> (..., M, N), leading axes broadcast")
def matmul(x: Array, y: Array) -> Any:
    """Matrix product of the last two axes; both operands have at least two."""
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError(f"matmul needs at least two axes on both sides, got {x.shape} and {y.shape}")
    x, y = _alike(x, y)

    def backward(g: Array) -> tuple[Array, Array]:
        return _product(g, y.swapaxes(-1, -2)), _product(x.swapaxes(-1, -2), g)

    return _product(x, y), backward


@operation("(..., I), (O, I), (O,)? -> (..., O)")
def linear(x: Array, weight: Array, bias: Array | None = None, *, needs: tuple[bool, ...]) -> Any:
    """x W' + b, as in torch.nn.functional.linear."""
    rows = x.reshape(-1, x.shape[-1])
    value = parallel.matmul(rows, weight.T, bias)

    def backward(g: Array) -> tuple[Array | None, ...]:
        g = g.reshape(-1, g.shape[-1])
        grad_x = parallel.matmul(g, weight).reshape(x.shape) if needs[0] else None
        grad_weight = parallel.matmul(g.T, rows) if needs[1] else None
        return grad_x, grad_weight, parallel.column_sums(g)

    return value.reshape(*x.shape[:-1], len(weight)), backward


def _alike(x: Any, y: Any) -> tuple[Any, Any]:
    """Integers beside floats take their type: of float32 and int64 NumPy would make float64."""
    of_x, of_y = getattr(x, "dtype", None), getattr(y, "dtype", None)
    if of_x is None or of_y is None or of_x == of_y:
        return x, y
    if of_x.kind == "f" and of_y.kind in "iu":
        return x, y.astype(of_x)
    if of_y.kind == "f" and of_x.kind in "iu":
        return x.astype(of_y), y
    return x, y


def _product(x: Array, y: Array) -> Array:
    if x.ndim == y.ndim == 2 and x.dtype == y.dtype:
        return parallel.matmul(x, y)
    with parallel.single_threaded_blas():
        return np.matmul(x, y)
