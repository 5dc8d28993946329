"""Two-dimensional convolution and max-pooling over (B, C, H, W), as in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.kernels import convolution as kernels
from seqdl.kernels import pooling
from seqdl.kernels.activation import add_and_cut, relu_backward
from seqdl.kernels.pooling import Window
from seqdl.ops.activation import fill_gelu, fill_gelu_gradient
from seqdl.ops.registry import operation

Array = np.ndarray
Pair = int | tuple[int, int]
BLOCKS = 8  # of a batch of images, at most; fixed, because the weights' gradient is summed block by block
POSITIONS = 256  # at least, in a block: adding up a block's sum of its own should cost little beside it


@operation("(B, C, H, W), (O, C, kh, kw), (O,)?, (B, O, OH, OW)? -> (B, O, OH, OW)")
def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    add: Array | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    pool: Mapping[str, Any] | None = None,
    gelu: bool = False,
    relu: bool = False,
    needs: tuple[bool, ...],
) -> Any:
    """Cross-correlation, as torch.nn.functional.conv2d with groups=1.

    OH = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1. The work is a product, whose left side is read
    out of the images: out (positions, O) = patches (positions, kh kw C) @ W (kh kw C, O). The output's memory has
    the channels last, which the next layer reads without copying. Kernels of 3 x 3 in steps of 1, from 16 channels to
    16 or more, go by tiles of 2 x 2 outputs instead (kernels/winograd.py), in less than half of the products; rounding
    errors double, and a NaN reaches all outputs of the tiles that read it.

    pool: the options of a max_pool2d to go behind it; add: what to add to the result of both; gelu, relu: one of them
    behind that. The same as the operations one by one, but a map that is pooled is not stored, neither it nor its
    gradient leaves the cache, and the threads meet once.
    """
    outputs, window = len(weight), _window(x.shape, weight.shape, pair(stride), pair(padding), pair(dilation))
    behind = pool_window((window.rows, window.columns), **(pool or {"kernel_size": 1}))
    layout, filters = kernels.layout(window, *x.shape[1:], outputs), weight.transpose(2, 3, 1, 0)
    images, start = _channels_last(x), np.zeros(outputs, x.dtype) if bias is None else np.ascontiguousarray(bias)
    lines, packed = images.reshape(len(x), x.shape[2], x.shape[3] * x.shape[1]), kernels.pack_filter(filters, layout)
    out = np.empty((len(x), behind.rows, behind.columns, outputs), x.dtype)
    where = _winners(out, behind, pool is not None and any(needs))
    finish = _Finish(out, add, gelu, relu)

    def forward(lo: int, hi: int) -> None:
        kernels.convolve(lines, packed, start, out, where, layout, behind, lo, hi)
        finish.forward(lo, hi)

    parallel.run(forward, parallel.split(len(x), 2 * parallel.get_num_threads()))  # two: one thread may start late

    def backward(g: Array) -> tuple[Array | None, ...]:
        g, grad_x = _channels_last(g), np.empty(lines.shape if needs[0] else (0, 0, 0), x.dtype)
        blocks = parallel.split(len(x), min(BLOCKS, len(x) * window.rows * window.columns // POSITIONS))
        inner = weight[0].size
        parts = np.empty((len(blocks), inner + (bias is not None), outputs), x.dtype)  # a block's sum, on any thread
        turned, grad_out = kernels.pack_filter(filters, layout, turned=True), finish.gradient(g)

        def share(lo: int, hi: int) -> None:
            finish.backward(g, grad_out, lo, hi)
            part = parts[blocks.index((lo, hi))]
            kernels.convolve_backward(lines, grad_out, where, turned, grad_x, part, layout, behind, lo, hi)

        parallel.run(share, blocks)
        total = parts.sum(axis=0)
        of_weight = total[:inner].reshape(filters.shape).transpose(3, 2, 0, 1)
        of_x = _channels_first(grad_x.reshape(images.shape)) if needs[0] else None
        return of_x, of_weight, total[inner:].ravel(), _channels_first(grad_out)

    return _channels_first(finish.value), backward


class _Finish:
    """What stands behind a convolution and its pooling: a sum, and a GELU or a ReLU behind that. Images [lo, hi)."""

    def __init__(self, out: Array, add: Array | None, gelu: bool, relu: bool) -> None:
        if gelu and relu:
            raise ValueError("conv2d: one of gelu and relu, not both")
        self.added = out[:, :0] if add is None else _channels_last(add)
        if add is not None and self.added.shape != out.shape:
            raise ValueError(f"conv2d: {add.shape} cannot be added to an output of {_channels_first(out).shape}")
        self.out, self.gelu, self.relu = out, gelu, relu
        self.value = np.empty_like(out) if gelu else out

    def forward(self, lo: int, hi: int) -> None:
        out, added = self.out[lo:hi].reshape(-1), self.added[lo:hi].reshape(-1)
        if self.relu or self.added.size:
            add_and_cut(out, added, 0.0 if self.relu else -math.inf)
        if self.gelu:
            fill_gelu(out, self.value[lo:hi].reshape(-1))

    def gradient(self, g: Array) -> Array:
        """Room for the gradient in front, or g where nothing changes it."""
        return np.empty_like(g) if self.gelu or self.relu else g

    def backward(self, g: Array, grad_out: Array, lo: int, hi: int) -> None:
        if self.gelu or self.relu:
            fill = fill_gelu_gradient if self.gelu else relu_backward
            fill(*(a[lo:hi].reshape(-1) for a in (self.out, g, grad_out)))


@operation("(B, C, H, W) -> (B, C, OH, OW)")
def max_pool2d(
    x: Array,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    *,
    needs: tuple[bool, ...],
) -> Any:
    """Largest value of each window, as torch.nn.functional.max_pool2d; stride defaults to kernel_size.

    ceil_mode rounds the output's size up, so that pixels at the right and lower edge are not lost; a window
    that would begin in the padding behind the image is left out.
    """
    images = _channels_last(x)
    window = pool_window(x.shape[2:], kernel_size, stride, padding, ceil_mode)
    out = np.empty((len(x), window.rows, window.columns, x.shape[1]), x.dtype)
    where = _winners(out, window, needs[0])
    blocks = parallel.batch_blocks(len(x))
    parallel.run(lambda lo, hi: pooling.max_pool(images[lo:hi], out[lo:hi], where[lo:hi], window), blocks)

    def backward(g: Array) -> tuple[Array]:
        g = _channels_last(g)
        grad_x = np.empty(images.shape, x.dtype)
        parallel.run(lambda lo, hi: pooling.max_pool_backward(g[lo:hi], where[lo:hi], grad_x[lo:hi], window), blocks)
        return (_channels_first(grad_x),)

    return _channels_first(out), backward


def pool_window(
    image: tuple[int, ...], kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False
) -> Window:
    """The window of max_pool2d's arguments over images of (H, W)."""
    size, border = pair(kernel_size), pair(padding)
    steps = size if stride is None else pair(stride)
    if 2 * border[0] > size[0] or 2 * border[1] > size[1]:
        raise ValueError(f"max_pool2d: padding {border} is more than half of the kernel {size}")
    rows, columns = (_pooled(*axis, ceil_mode) for axis in zip(image, size, steps, border, strict=True))
    return Window(*size, steps, border, (1, 1), rows, columns)


def _winners(out: Array, window: Window, needed: bool) -> Array:
    """Room for the place that won each window, in as few bytes as count the places; none if nothing is needed."""
    places = np.min_scalar_type(window.height * window.width - 1)
    return np.empty(out.shape if needed else (0,) * out.ndim, places)


def _channels_last(x: Array) -> Array:
    """(B, C, H, W) -> (B, H, W, C), dense in this order; without a copy where a layer of ours made it."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _channels_first(x: Array) -> Array:
    return x.transpose(0, 3, 1, 2)


def pair(value: Pair) -> tuple[int, int]:
    """(rows, columns) from one number for both, or from two."""
    if isinstance(value, int):
        return value, value
    rows, columns = value
    return int(rows), int(columns)


def _window(x: Any, weight: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    """The window of conv2d over images of shape x with a weight of that shape."""
    if x[1] != weight[1]:
        raise ValueError(f"conv2d: input {x} has {x[1]} channels, the weight {weight} expects {weight[1]}")
    sizes = tuple((x[2 + a] + 2 * padding[a] - dilation[a] * (weight[2 + a] - 1) - 1) // stride[a] + 1 for a in (0, 1))
    if min(sizes) < 1:
        raise ValueError(f"conv2d: the kernel {weight[2:]} is larger than the input {x[2:]}")
    return Window(weight[2], weight[3], stride, padding, dilation, *sizes)


def _pooled(length: int, size: int, stride: int, padding: int, ceil_mode: bool) -> int:
    reach = length + 2 * padding - size
    count = (-(-reach // stride) if ceil_mode else reach // stride) + 1
    if ceil_mode and (count - 1) * stride >= length + padding:
        count -= 1
    if count < 1:
        raise ValueError(f"max_pool2d: a window of {size} does not fit into {length}")
    return count
