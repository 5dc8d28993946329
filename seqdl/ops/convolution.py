"""Two-dimensional convolution and max-pooling over (B, C, H, W), as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.kernels import convolution as kernels
from seqdl.ops.registry import operation

Array = np.ndarray
Pair = int | tuple[int, int]


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

    OH = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1. Each image becomes a matrix of patches,
    so that the work is a matrix product: out[b] = W (O, C kh kw) @ patches[b] (C kh kw, OH OW).
    """
    steps, border, spread = pair(stride), pair(padding), pair(dilation)
    size = (*weight.shape[2:], *_output_size(x.shape, weight.shape, steps, border, spread))
    flat = weight.reshape(len(weight), -1)
    columns = np.empty((len(x), flat.shape[1], size[2] * size[3]), x.dtype)
    out = np.empty((len(x), len(weight), columns.shape[2]), x.dtype)
    blocks = parallel.row_blocks(len(x), columns[0].size * len(weight)) if len(x) else []

    def forward(lo: int, hi: int) -> None:
        kernels.image_to_columns(x, columns, steps, border, spread, size, lo, hi)
        np.matmul(flat, columns[lo:hi], out=out[lo:hi])

    parallel.run(forward, blocks)
    if bias is not None:
        out += bias[:, None]

    def backward(g: Array) -> tuple[Array | None, ...]:
        g = np.ascontiguousarray(g).reshape(out.shape)
        grad_x = np.empty(x.shape, x.dtype) if needs[0] else None
        parts = np.zeros((len(blocks), *flat.shape), x.dtype)

        def share(lo: int, hi: int) -> None:
            if needs[1]:
                part = parts[blocks.index((lo, hi))]
                for b in range(lo, hi):
                    part += g[b] @ columns[b].T
            if grad_x is not None:
                kernels.columns_to_image(
                    np.matmul(flat.T, g[lo:hi]), grad_x[lo:hi], steps, border, spread, size, 0, hi - lo
                )

        parallel.run(share, blocks)
        return grad_x, parts.sum(axis=0).reshape(weight.shape), g.sum(axis=(0, 2))

    return out.reshape(len(x), len(weight), *size[2:]), backward


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
    batch, channels, height, width = x.shape
    shape = tuple(_pooled(*axis, ceil_mode) for axis in zip((height, width), size, steps, border, strict=True))
    out = np.empty((batch, channels, *shape), x.dtype)
    where = np.empty(out.shape, np.int64)
    blocks = parallel.row_blocks(batch, x[0].size * 4) if batch else []
    parallel.run(lambda lo, hi: kernels.max_pool(x, out, where, size, steps, border, lo, hi), blocks)

    def backward(g: Array) -> tuple[Array]:
        grad = np.empty((batch, channels, height * width), x.dtype)
        parallel.run(lambda lo, hi: kernels.max_pool_backward(g, where, grad, lo, hi), blocks)
        return (grad.reshape(x.shape),)

    return out, backward


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
