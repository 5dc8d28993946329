"""Layers with PyTorch's names, weight layouts, defaults and initial distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqdl import ops
from seqdl.nn import init
from seqdl.nn.module import Module, Parameter
from seqdl.ops.convolution import Pair, pair
from seqdl.random import default_generator
from seqdl.tensor import Tensor

Generator = np.random.Generator | None


def fresh(shape: tuple[int, ...], bound: float, generator: Generator) -> Parameter:
    """A float32 parameter drawn from U(-bound, bound), PyTorch's start for most layers."""
    return Parameter(init.uniform_(np.empty(shape, np.float32), -bound, bound, generator))


class Linear(Module):
    """(*, in_features) -> (*, out_features): x W' + b.   weight (O, I), bias (O,), from U(+-1/sqrt(I))."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True, generator: Generator = None):
        super().__init__()
        bound = 1 / math.sqrt(in_features)
        self.weight = fresh((out_features, in_features), bound, generator)
        self.bias = fresh((out_features,), bound, generator) if bias else None

    def forward(self, x: Any) -> Any:
        return ops.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.weight.shape[1]}, out_features={self.weight.shape[0]}, bias={self.bias is not None}"


class Embedding(Module):
    """Integers (*) -> (*, embedding_dim).   weight (V, E), from N(0, 1)."""

    def __init__(self, num_embeddings: int, embedding_dim: int, generator: Generator = None) -> None:
        super().__init__()
        values = np.empty((num_embeddings, embedding_dim), np.float32)
        self.weight = Parameter(init.normal_(values, generator=generator))

    def forward(self, index: Any) -> Any:
        return ops.embedding(self.weight, index)

    def extra_repr(self) -> str:
        return "{}, {}".format(*self.weight.shape)


class MaxPool2d(Module):
    """(B, C, H, W) -> (B, C, OH, OW): the largest value of each window."""

    def __init__(
        self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        size = pair(kernel_size)
        steps = size if stride is None else pair(stride)
        self.options = {"kernel_size": size, "stride": steps, "padding": pair(padding), "ceil_mode": ceil_mode}

    def forward(self, x: Any) -> Any:
        return ops.max_pool2d(x, **self.options)

    def extra_repr(self) -> str:
        return "kernel_size={kernel_size}, stride={stride}, ceil_mode={ceil_mode}".format(**self.options)


class Conv2d(Module):
    """(B, C, H, W) -> (B, O, OH, OW).   weight (O, C, kh, kw), bias (O,), from U(+-1/sqrt(C kh kw)).

    pool: a MaxPool2d to go behind it at once; gelu or relu: that behind it. The layer may be given a second tensor,
    which is added before that. The same as layers of their own, but faster.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        bias: bool = True,
        generator: Generator = None,
        pool: MaxPool2d | None = None,
        gelu: bool = False,
        relu: bool = False,
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.dilation = pair(stride), pair(padding), pair(dilation)
        shape = (out_channels, in_channels, *pair(kernel_size))
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = fresh(shape, bound, generator)
        self.bias = fresh((out_channels,), bound, generator) if bias else None
        self.pool, self.gelu, self.relu = pool, gelu, relu

    def forward(self, x: Any, add: Any = None) -> Any:
        where = {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}
        pool = self.pool.options if self.pool else None
        return ops.conv2d(x, self.weight, self.bias, add, **where, pool=pool, gelu=self.gelu, relu=self.relu)

    def extra_repr(self) -> str:
        o, c, *size = self.weight.shape
        return f"{c}, {o}, kernel_size={tuple(size)}, stride={self.stride}, padding={self.padding}"


class LayerNorm(Module):
    """Normalise over the last axes, whose lengths are `normalized_shape`.   weight ones, bias zeros."""

    def __init__(self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5) -> None:
        super().__init__()
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps = eps
        self.weight = Parameter(np.ones(shape, np.float32))
        self.bias = Parameter(np.zeros(shape, np.float32))

    def forward(self, x: Any) -> Any:
        if x.shape[-self.weight.ndim :] != self.weight.shape:
            raise ValueError(f"LayerNorm({self.weight.shape}) got an input of shape {x.shape}")
        return ops.layer_norm(x, self.weight, self.bias, axes=self.weight.ndim, eps=self.eps)

    def extra_repr(self) -> str:
        return f"{self.weight.shape}, eps={self.eps}"


class BatchNorm2d(Module):
    """(B, C, *) -> the same: each channel normalised.   weight ones, bias zeros; running figures as buffers.

    relu: a ReLU to go behind it at once; the layer may be given a second tensor, which is added before that. The
    same as layers of their own, but faster.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, relu: bool = False) -> None:
        super().__init__()
        self.eps, self.momentum, self.relu = eps, momentum, relu
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.running_mean = np.zeros(num_features, np.float32)
        self.running_var = np.ones(num_features, np.float32)
        self.num_batches_tracked = np.zeros((), np.int64)  # PyTorch's files hold it

    def forward(self, x: Any, add: Any = None) -> Any:
        if self.training:
            self.num_batches_tracked += 1
        return ops.batch_norm(
            x,
            self.weight,
            self.bias,
            add,
            running_mean=self.running_mean,
            running_var=self.running_var,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
            relu=self.relu,
        )

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}, momentum={self.momentum}{', relu=True' if self.relu else ''}"


class BatchNorm1d(BatchNorm2d):
    """The same over (B, C) or (B, C, L)."""


class Dropout(Module):
    """In training zero each value with probability p and scale the rest; in evaluation do nothing."""

    def __init__(self, p: float = 0.5, generator: Generator = None) -> None:
        super().__init__()
        self.p, self.generator = p, generator or default_generator()

    def forward(self, x: Any) -> Any:
        if not self.training or self.p == 0:
            return x
        return ops.dropout(x, self.p, generator=self.generator)

    def extra_repr(self) -> str:
        return f"p={self.p}"


class _Activation(Module):
    operation: Any

    def forward(self, x: Any) -> Any:
        return type(self).operation(x)


class ReLU(_Activation):
    """max(x, 0)."""

    operation = staticmethod(ops.relu)


class GELU(_Activation):
    """x Phi(x), the exact form with erf."""

    operation = staticmethod(ops.gelu)


class Tanh(_Activation):
    """Hyperbolic tangent."""

    operation = staticmethod(ops.tanh)


class Sigmoid(_Activation):
    """1 / (1 + exp(-x))."""

    operation = staticmethod(ops.sigmoid)


class Identity(Module):
    """What it is given, as it is."""

    def forward(self, x: Any) -> Any:
        return x


class Flatten(Module):
    """(B, *) -> (B, everything else)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1)


class CrossEntropyLoss(Module):
    """Mean negative log-probability of the targets; see seqdl.ops.cross_entropy for the options."""

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.options = {
            "ignore_index": ignore_index,
            "reduction": reduction,
            "label_smoothing": label_smoothing,
        }
        self.weight = weight

    def forward(self, logits: Any, target: Any) -> Any:
        return ops.cross_entropy(logits, target, weight=self.weight, **self.options)


class MSELoss(Module):
    """Squared difference; its mean, its sum, or (reduction="none") one for each value."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be mean, sum or none, got {reduction!r}")
        self.reduction = reduction

    def forward(self, x: Tensor, target: Any) -> Tensor:
        squares = (x - target) ** 2
        return {"mean": squares.mean, "sum": squares.sum, "none": lambda: squares}[self.reduction]()
