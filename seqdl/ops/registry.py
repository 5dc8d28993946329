"""What an operation is, and the table of all of them.

An operation is written on arrays and returns its value together with its backward function:

    @operation("(*), (*) -> (*)")
    def mul(x, y):
        return x * y, lambda g: (g * y, g * x)

The decorator makes it a function of tensors. Positional arguments that are floating tensors are differentiable;
arrays, numbers and None pass through and get no gradient. The backward function returns a gradient for each
differentiable argument in its place (trailing ones may be left out); where an argument was broadcast, the
engine sums. An operation that can save work asks for the keyword `needs`: which arguments require a gradient.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from seqdl.tensor import OPERATIONS, Node, Operation, Tensor, is_grad_enabled


def operation(shapes: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function of arrays an operation of tensors and enter it in the table under its name."""

    def register(on_arrays: Callable[..., Any]) -> Callable[..., Any]:
        name = on_arrays.__name__.rstrip("_")
        wants_needs = "needs" in inspect.signature(on_arrays).parameters

        @functools.wraps(on_arrays)
        def apply(*inputs: Any, **options: Any) -> Any:
            dtype = _floating_type(inputs)
            needs = tuple(is_grad_enabled() and isinstance(x, Tensor) and x.requires_grad for x in inputs)
            if wants_needs:
                options["needs"] = needs
            value, backward = on_arrays(*(_as_array(x, dtype) for x in inputs), **options)
            parents = tuple(x if isinstance(x, Tensor) else None for x in inputs)
            return _wrap(name, value, parents if any(needs) else None, backward)

        OPERATIONS[name] = Operation(name, shapes, apply, on_arrays)
        return apply

    return register


def _floating_type(inputs: tuple[Any, ...]) -> np.dtype | None:
    return next((x.dtype for x in inputs if isinstance(x, Tensor) and x.dtype.kind == "f"), None)


def _as_array(x: Any, dtype: np.dtype | None) -> Any:
    """The array of a tensor; constants beside it in its type, so that float32 in gives float32 out."""
    if isinstance(x, Tensor):
        return x.data
    if isinstance(x, float) or (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        return np.asarray(x, dtype)
    return x


def _wrap(name: str, value: Any, parents: tuple[Tensor | None, ...] | None, backward: Any) -> Any:
    """A tensor for each output; with a node behind them if gradients are needed."""
    values = value if isinstance(value, tuple) else (value,)
    tensors = tuple(Tensor(v) for v in values)
    if parents is not None:
        node = Node(name, parents, backward, len(values))
        for index, tensor in enumerate(tensors):
            tensor.node, tensor._index, tensor.requires_grad = node, index, True
    return tensors if isinstance(value, tuple) else tensors[0]
