"""The tensor: an array, and how it came about. `backward` walks that history once, newest operation first."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqdl.errors import SeqdlError

Array = np.ndarray
Backward = Callable[..., Sequence[Array | None]]


@dataclass(frozen=True)
class Operation:
    """An entry of the table of operations: name, shapes, the function of tensors and the one of arrays."""

    name: str
    shapes: str
    apply: Callable[..., Any]
    on_arrays: Callable[..., Any]


# Filled by seqdl.ops; the methods of Tensor find their operations here.
OPERATIONS: dict[str, Operation] = {}

_recording: ContextVar[bool] = ContextVar("recording", default=True)
_order = itertools.count()


class GraphError(SeqdlError, RuntimeError):
    """backward() was asked of something that has no graph, or whose graph is used up."""


class Node:
    """One operation of the graph: its differentiable inputs and the function that sends a gradient back.

    backward(*output gradients) returns one gradient, or None, for each input.
    """

    __slots__ = ("backward", "name", "order", "outputs", "parents")

    def __init__(self, name: str, parents: tuple[Tensor | None, ...], backward: Backward, outputs: int) -> None:
        self.name, self.parents, self.outputs = name, parents, outputs
        self.backward: Backward | None = backward
        self.order = next(_order)  # an operation is always newer than its inputs

    def free(self) -> None:
        """Drop the saved arrays and the links to older nodes."""
        self.backward = None
        self.parents = ()


class Tensor:
    """An n-dimensional array that remembers the operations it came from.

    data: anything NumPy can make an array of; lists of Python floats become float32, arrays keep their type.
    `grad` is None or an array of the shape and type of `data`, filled by `backward` for leaves that require it.

    >>> x = Tensor([3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([6.], dtype=float32)
    """

    __slots__ = ("__weakref__", "_index", "data", "grad", "node", "requires_grad")
    __array_ufunc__ = None  # ndarray * Tensor is ours to compute, not NumPy's

    data: Array
    grad: Array | None

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        array = np.asarray(data.data if isinstance(data, Tensor) else data, dtype=dtype)
        if dtype is None and array.dtype == np.float64 and not isinstance(data, (np.ndarray, np.generic, Tensor)):
            array = array.astype(np.float32)
        if requires_grad and array.dtype.kind != "f":
            raise TypeError(f"only floating tensors can require gradients, this one is {array.dtype}")
        self.data = array
        self.grad = None
        self.requires_grad = requires_grad
        self.node: Node | None = None
        self._index = 0  # which output of its node

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def size(self) -> int:
        return self.data.size

    @property
    def dtype(self) -> np.dtype:
        return self.data.dtype

    @property
    def is_leaf(self) -> bool:
        return self.node is None

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        made_by = f", made by {self.node.name}" if self.node else ""
        return f"Tensor({np.array2string(self.data, prefix='Tensor(')}, dtype={self.dtype}{made_by})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """np.asarray(tensor): the values; without this NumPy would make an array of tensors of them."""
        return np.array(self.data, dtype=dtype) if copy else np.asarray(self.data, dtype=dtype)

    def numpy(self) -> Array:
        """The values as a NumPy array: the same memory, not a copy."""
        return self.data

    def item(self) -> float:
        """The only value, as a Python number; ValueError if there are several."""
        return self.data.item()

    def __float__(self) -> float:
        return float(self.data)

    def detach(self) -> Tensor:
        """The same values, cut off from their history."""
        return Tensor(self.data)

    def backward(self, gradient: Any = None) -> None:
        """Add the gradient of this tensor to `grad` of each leaf it was computed from.

        gradient: upstream gradient, of this tensor's shape; may be left out if there is only one value.
        The graph is freed on the way: a second call raises GraphError, as does a tensor without a graph.
        """
        if not self.requires_grad:
            raise GraphError("backward(): this tensor depends on nothing that requires a gradient")
        if gradient is None:
            if self.size != 1:
                raise GraphError(f"backward() of shape {self.shape} needs an upstream gradient of that shape")
            gradient = np.ones_like(self.data)
        gradient = np.asarray(gradient, dtype=self.dtype)
        if gradient.shape != self.shape:
            raise GraphError(f"backward(): gradient of shape {gradient.shape} for a tensor of {self.shape}")
        _walk(self, gradient)

    def __add__(self, other: Any) -> Tensor:
        return _apply("add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _apply("add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _apply("sub", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _apply("sub", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _apply("mul", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _apply("mul", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _apply("div", other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return _apply("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _apply("matmul", other, self)

    def __pow__(self, exponent: float) -> Tensor:
        return _apply("pow", self, exponent)

    def __neg__(self) -> Tensor:
        return _apply("neg", self)

    def __getitem__(self, index: Any) -> Tensor:
        return _apply("getitem", self, index)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Sum over `axis`, a number or several; over all axes by default."""
        return _apply("sum", self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Mean over `axis`, a number or several; over all axes by default."""
        return _apply("mean", self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Largest value over `axis`, a number or several; over all axes by default."""
        return _apply("max", self, axis, keepdims)

    def var(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        """Variance over `axis`, divided by n as NumPy does (torch's default divides by n - 1)."""
        return _apply("var", self, axis, keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        """The same values in another shape, given as numbers or as one sequence; one length may be -1."""
        return _apply("reshape", self, _sizes(shape))

    def permute(self, *axes: Any) -> Tensor:
        """The axes in another order, given as numbers or as one sequence."""
        return _apply("permute", self, _sizes(axes))

    def transpose(self, axis: int, other: int) -> Tensor:
        """The two axes exchanged."""
        axes = list(range(self.ndim))
        axes[axis], axes[other] = axes[other], axes[axis]
        return self.permute(*axes)

    def exp(self) -> Tensor:
        return _apply("exp", self)

    def log(self) -> Tensor:
        return _apply("log", self)

    def sqrt(self) -> Tensor:
        return _apply("sqrt", self)

    def tanh(self) -> Tensor:
        return _apply("tanh", self)

    def sigmoid(self) -> Tensor:
        return _apply("sigmoid", self)

    def relu(self) -> Tensor:
        return _apply("relu", self)


def _sizes(numbers: tuple[Any, ...]) -> tuple[int, ...]:
    return tuple(numbers[0]) if len(numbers) == 1 and isinstance(numbers[0], (tuple, list)) else numbers


def _apply(name: str, *inputs: Any) -> Tensor:
    return OPERATIONS[name].apply(*inputs)


def _walk(root: Tensor, gradient: Array) -> None:
    """Visit the nodes behind `root`, newest first, so each has all its gradients when its turn comes."""
    pending: dict[Node, list[Array | None]] = {}
    queue: list[tuple[int, Node]] = []

    def send(tensor: Tensor, gradient: Array) -> None:
        node = tensor.node
        if node is None:
            total = gradient if tensor.grad is None else tensor.grad + gradient
            tensor.grad = np.array(total, order="C")  # a copy, and an array where NumPy makes a scalar
            return
        if node not in pending:
            pending[node] = [None] * node.outputs
            heapq.heappush(queue, (-node.order, node))
        slot = pending[node]
        before = slot[tensor._index]
        slot[tensor._index] = gradient if before is None else before + gradient

    send(root, gradient)
    while queue:
        _, node = heapq.heappop(queue)
        if node.backward is None:
            raise GraphError(f"{node.name}: this graph was freed by an earlier backward(); compute it again")
        parents, gradients = node.parents, node.backward(*pending.pop(node))
        node.free()
        for parent, upstream in itertools.zip_longest(parents, gradients):
            if parent is not None and parent.requires_grad:
                if upstream is None:
                    raise GraphError(f"{node.name}: no gradient for an input of shape {parent.shape}")
                send(parent, _undo_broadcasting(upstream, parent, node.name))


def _undo_broadcasting(gradient: Array, parent: Tensor, name: str) -> Array:
    """Sum a gradient over the axes along which its input was repeated. The one place that does."""
    if gradient.shape != parent.shape:
        extra = gradient.ndim - parent.ndim
        stretched = tuple(
            axis for axis, size in enumerate(gradient.shape) if axis < extra or parent.shape[axis - extra] != size
        )
        gradient = gradient.sum(axis=stretched, keepdims=True).reshape(parent.shape)
    if gradient.dtype != parent.dtype:
        raise GraphError(f"{name}: gradient of type {gradient.dtype} for an input of {parent.dtype}")
    return gradient


def is_grad_enabled() -> bool:
    """Whether operations record how they came about."""
    return _recording.get()


@contextmanager
def no_grad() -> Iterator[None]:
    """Record nothing inside: faster, and without the memory of a graph."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)
