"""Two-dimensional convolution and max-pooling over (B, C, H, W), as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.kernels import convolution as kernels
from seqdl.kernels.product import pack
from seqdl.ops.registry import operation

Array = np.ndarray
Pair = int | tuple[int, int]
BLOCKS = 8  # of a batch of images; fixed, because the weights' gradient is summed block by block


@operation("(B, C, H, W), (O, C, kh, kw), (O,)? -> (B, O, OH, OW)")
def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    needs: tuple[bool, ...],
) -> Any:
    """Cross-correlation, as torch.nn.functional.conv2d with groups=1.

    OH = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1. A few images at a time become a matrix of
    patches, and the work is a product: out (positions, O) = patches (positions, kh kw C) @ W (kh kw C, O).
    The output's memory has the channels last, which the next layer reads without copying.
    """
    outputs, channels, kh, kw = weight.shape
    steps, border, spread = pair(stride), pair(padding), pair(dilation)
    rows, columns = _output_size(x.shape, weight.shape, steps, border, spread)
    window = kernels.Window(kh, kw, steps, border, spread, rows, columns)
    images = _channels_last(x)
    flat = weight.transpose(2, 3, 1, 0).reshape(-1, outputs)
    added = np.zeros((1, outputs), x.dtype) if bias is None else bias[None]
    out = np.empty((len(x) * rows * columns, outputs), x.dtype)
    packed = pack(flat)
    blocks = parallel.split(len(x), BLOCKS)
    parallel.run(lambda lo, hi: kernels.convolve(images, packed, added, out, window, lo, hi), blocks)

    def backward(g: Array) -> tuple[Array | None, ...]:
        g = _channels_last(g).reshape(out.shape)
        grad_x = np.empty(images.shape if needs[0] else (0, 0, 0, 0), x.dtype)
        parts = np.zeros((len(blocks), *flat.shape), x.dtype)  # a sum of its own for each block, whatever thread
        turned = pack(flat.T)

        def share(lo: int, hi: int) -> None:
            part = parts[blocks.index((lo, hi))]
            kernels.convolve_backward(images, g, turned, grad_x, part, window, lo, hi)

        parallel.run(share, blocks)
        grad_weight = parts.sum(axis=0).reshape(kh, kw, channels, outputs).transpose(3, 2, 0, 1)
        return _channels_first(grad_x) if needs[0] else None, grad_weight, g.sum(axis=0)

    return _channels_first(out.reshape(len(x), rows, columns, outputs)), backward


@operation("(B, C, H, W) -> (B, C, OH, OW)")
def max_pool2d(
    x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, ceil_mode: bool = False
) -> Any:
    """Largest value of each window, as torch.nn.functional.max_pool2d; stride defaults to kernel_size.

    ceil_mode rounds the output's size up, so that pixels at the right and lower edge are not lost; a window
    that would begin in the padding behind the image is left out.
    """
    size, border = pair(kernel_size), pair(padding)
    steps = size if stride is None else pair(stride)
    if 2 * border[0] > size[0] or 2 * border[1] > size[1]:
        raise ValueError(f"max_pool2d: padding {border} is more than half of the kernel {size}")
    images = _channels_last(x)
    rows, columns = (_pooled(*axis, ceil_mode) for axis in zip(x.shape[2:], size, steps, border, strict=True))
    window = kernels.Window(*size, steps, border, (1, 1), rows, columns)
    out = np.empty((len(x), rows, columns, x.shape[1]), x.dtype)
    where = np.empty(out.shape, np.int32)
    blocks = parallel.batch_blocks(len(x))
    parallel.run(lambda lo, hi: kernels.max_pool(images, out, where, window, lo, hi), blocks)

    def backward(g: Array) -> tuple[Array]:
        g = _channels_last(g)
        grad_x = np.empty(images.shape, x.dtype)
        parallel.run(lambda lo, hi: kernels.max_pool_backward(g, where, grad_x, window, lo, hi), blocks)
        return (_channels_first(grad_x),)

    return _channels_first(out), backward


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


def _output_size(x: Any, weight: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    if x[1] != weight[1]:
        raise ValueError(f"conv2d: input {x} has {x[1]} channels, the weight {weight} expects {weight[1]}")
    sizes = tuple((x[2 + a] + 2 * padding[a] - dilation[a] * (weight[2 + a] - 1) - 1) // stride[a] + 1 for a in (0, 1))
    if min(sizes) < 1:
        raise ValueError(f"conv2d: the kernel {weight[2:]} is larger than the input {x[2:]}")
    return sizes


def _pooled(length: int, size: int, stride: int, padding: int, ceil_mode: bool) -> int:
    reach = length + 2 * padding - size
    count = (-(-reach // stride) if ceil_mode else reach // stride) + 1
    if ceil_mode and (count - 1) * stride >= length + padding:
        count -= 1
    if count < 1:
        raise ValueError(f"max_pool2d: a window of {size} does not fit into {length}")
    return count
