"""Convolution with max-pooling behind it, over images whose channels lie side by side: (B, H, W C).

In this layout a patch is a few long runs of memory, which a product reads where they lie (to gather them into a
matrix first took longer than the product), and the rows that it writes, (positions, channels), are the next image.
The work goes a few images at a time, so that what belongs to them stays in the L2 cache: their frames, which are
the pixels with the padding around, and their maps, which is what the convolution gives and the pooling takes.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np

from seqdl.kernels.jit import kernel
from seqdl.kernels.pooling import Window, max_pool, max_pool_backward
from seqdl.kernels.product import VECTOR_BYTES, VECTORS, Operand, Panels, Rows, address, evenly, multiply_rows

GROUP = 1 << 16  # elements of the maps, or frames, that are worked on together


class Layout(NamedTuple):
    """Where a convolution finds things in the frames of a group of images. Distances in elements."""

    frames: tuple[int, int, int]  # images of a group, and the (H + 2 padding, (W + 2 padding) C) of each
    inner: tuple[int, int]  # row and element of a frame where the image begins
    channels: int
    maps: tuple[int, int]  # rows and columns of positions in an image
    positions: np.ndarray  # of all images: where the patch begins
    lines: np.ndarray  # the same of the first position of each row only
    step: int  # from one position of a row to the next
    elements: np.ndarray  # of a patch: how far behind its beginning
    runs: np.ndarray  # of elements that lie together
    length: int  # of such a run


@lru_cache(64)
def layout(window: Window, height: int, width: int, channels: int, outputs: int) -> Layout:
    """Of images (height, width, channels) that become maps of so many outputs."""
    (top, left), (down, right), (below, beside) = window.padding, window.stride, window.dilation
    line = (width + 2 * left) * channels
    frame = (height + 2 * top) * line
    images = max(1, GROUP // max(frame, window.rows * window.columns * outputs))
    lines = _grid((images, frame), (window.rows, down * line))
    kernel_rows, pixels = (window.height, below * line), (window.width, beside * channels)
    whole = beside == 1  # a row of the kernel lies together
    return Layout(
        frames=(images, height + 2 * top, line),
        inner=(top, left * channels),
        channels=channels,
        maps=(window.rows, window.columns),
        positions=np.add.outer(lines, _grid((window.columns, right * channels))).ravel(),
        lines=lines,
        step=right * channels,
        elements=_grid(kernel_rows, pixels, (channels, 1)),
        runs=_grid(kernel_rows) if whole else _grid(kernel_rows, pixels),
        length=window.width * channels if whole else channels,
    )


def _grid(*axes: tuple[int, int]) -> np.ndarray:
    """The sums of multiples of the distances, for axes (count, distance), the last one fastest."""
    return reduce(np.add.outer, [np.arange(count) * distance for count, distance in axes]).ravel()


@kernel
def convolve(x, packed, bias, out, where, layout, pool, lo, hi):  # type: ignore[no-untyped-def]
    """out (B, P, Q, O) = pooled maps, the maps being patches of x @ w + bias; where: see max_pool. Images [lo, hi).

    x (B, H, W C)    packed: w (height width C, O)    bias (O,)
    """
    size, outputs, (rows, columns), (group, height, line) = x.itemsize, out.shape[3], layout.maps, layout.frames
    group = min(group, max(hi - lo, 1))
    frames, maps = np.empty((group, height, line), x.dtype), np.empty((group, rows, columns, outputs), x.dtype)
    same, each = evenly(group * rows * columns, 0), evenly(group * rows * columns, outputs)
    panels = Panels(address(packed), packed.strides[0] // size, packed.strides[1] // size)
    for first in range(lo, hi, group):
        last = min(first + group, hi)
        fill_frames(x[first:last], frames, layout)
        patches = Operand(address(frames), layout.positions, layout.runs, layout.length, 1)
        start, result = Rows(address(bias), same), Rows(address(maps), each)
        count = (last - first) * rows * columns
        multiply_rows(patches, panels, start, result, count, outputs, size, x.dtype.type(0))
        max_pool(maps[: last - first], out[first:last], where[first:last], pool)


@kernel
def convolve_backward(x, grad, where, packed, grad_x, grad_sum, layout, pool, lo, hi):  # type: ignore[no-untyped-def]
    """The gradients of w and, in the last row, of the bias: grad_sum (height width C + 1, O). Images [lo, hi).

    grad (B, P, Q, O): of the output    packed: w' of each element of the kernel, (height width O, C)
    grad_x (B, H, W C): of x, unless it is empty
    """
    outputs, (rows, columns), (group, height, line) = grad.shape[3], layout.maps, layout.frames
    group = min(group, max(hi - lo, 1))
    frames = np.empty((group, height, line), x.dtype)
    beyond = -(-VECTORS * VECTOR_BYTES // (rows * columns * outputs * x.itemsize))  # weight_gradient may read there
    maps = np.empty((group + beyond, rows, columns, outputs), x.dtype)
    grad_weight, grad_bias, nothing = grad_sum[:-1], grad_sum[-1], np.zeros((1, outputs), x.dtype)
    sum_pixels(grad[lo:hi], grad_bias)  # each goes to one pixel of the maps: the same sum, with fewer terms
    for first in range(lo, hi, group):
        last = min(first + group, hi)
        max_pool_backward(grad[first:last], where[first:last], maps[: last - first], pool)
        fill_frames(x[first:last], frames, layout)
        weight_gradient(frames, maps, nothing if first == lo else grad_weight, grad_weight, layout, last - first)
        if grad_x.size > 0:
            image_gradient(maps, packed, frames, layout, last - first)
            empty_frames(frames, grad_x[first:last], layout)


@kernel
def sum_pixels(maps, total):  # type: ignore[no-untyped-def]
    """total (O,) = sum of maps (b, P, Q, O) over all images and positions."""
    line = np.zeros(maps.shape[2] * len(total), maps.dtype)  # a row of positions at a time: few long loops
    for image in maps:
        for row in image:
            values = row.ravel()
            for k in range(len(values)):
                line[k] += values[k]
    for o in range(len(total)):
        total[o] = 0
    for q in range(maps.shape[2]):
        values = line[q * len(total) : (q + 1) * len(total)]
        for o in range(len(total)):
            total[o] += values[o]


@kernel
def weight_gradient(frames, maps, start, grad_weight, layout, images):  # type: ignore[no-untyped-def]
    """grad_weight (height width C, O) = start + patches' @ maps (images P Q, O). start: as in multiply.

    The maps are read as panels, in whole vectors, so there must be memory as wide as a panel behind them.
    """
    size, (inner, outputs), (rows, columns) = maps.itemsize, grad_weight.shape, layout.maps
    turned = Operand(address(frames), layout.elements, layout.lines[: images * rows], columns, layout.step)
    panels = Panels(address(maps), VECTORS * VECTOR_BYTES // size, outputs)
    begin = Rows(address(start), evenly(inner, outputs if len(start) > 1 else 0))
    total = Rows(address(grad_weight), evenly(inner, outputs))
    multiply_rows(turned, panels, begin, total, inner, outputs, size, maps.dtype.type(0))


@kernel
def image_gradient(maps, packed, frames, layout, images):  # type: ignore[no-untyped-def]
    """frames = the sum of maps @ w' over the elements of the kernel, each added where that element looked."""
    size, outputs, (rows, columns) = maps.itemsize, maps.shape[3], layout.maps
    channels, count = layout.channels, images * rows * columns
    gradient = Operand(address(maps), evenly(count, outputs), evenly(1, 0), outputs, 1)
    clear(frames)
    for n in range(len(layout.elements) // channels):
        part = address(packed) + n * outputs * packed.strides[1]
        panels = Panels(part, packed.strides[0] // size, packed.strides[1] // size)
        total = Rows(address(frames) + layout.elements[n * channels] * size, layout.positions)
        multiply_rows(gradient, panels, total, total, count, channels, size, maps.dtype.type(0))


@kernel
def clear(frames):  # type: ignore[no-untyped-def]
    """frames = 0."""
    for frame in frames:
        for line in frame:
            for k in range(len(line)):
                line[k] = 0


@kernel
def fill_frames(x, frames, layout):  # type: ignore[no-untyped-def]
    """Images (b, H, W C) into the first b frames, zeros around them."""
    top, left = layout.inner
    clear(frames)
    for b in range(len(x)):
        for row in range(x.shape[1]):
            source, target = x[b, row], frames[b, top + row, left:]
            for k in range(len(source)):
                target[k] = source[k]


@kernel
def empty_frames(frames, x, layout):  # type: ignore[no-untyped-def]
    """Images (b, H, W C) out of the first b frames."""
    top, left = layout.inner
    for b in range(len(x)):
        for row in range(x.shape[1]):
            source, target = frames[b, top + row, left:], x[b, row]
            for k in range(len(target)):
                target[k] = source[k]
