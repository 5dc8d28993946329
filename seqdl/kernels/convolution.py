"""Convolution with max-pooling behind it, over images whose channels lie side by side: (B, H, W C).

In this layout a patch is a few long runs of memory, which a product reads where they lie (to gather them into a
matrix first took longer than the product), and the rows that it writes, (positions, channels), are the next image.
Most kernels of 3 x 3 go by tiles instead: see winograd.py.
The work goes a few images at a time, so that what belongs to them stays in the L2 cache: their frames, which are
the pixels with the padding around, and their maps, which is what the convolution gives and the pooling takes.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np

from seqdl.kernels.jit import kernel
from seqdl.kernels.pooling import Window, max_pool, max_pool_backward
from seqdl.kernels.product import VECTOR_BYTES, VECTORS, Operand, Panels, Rows, address, evenly, multiply_rows, pack
from seqdl.kernels.winograd import PLANES, Tiles, convolve_tiles, filter_gradient, filter_planes, tiles, tiles_backward

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
    tiles: Tiles  # that the maps are made of, if they are


@lru_cache(64)
def layout(window: Window, channels: int, height: int, width: int, outputs: int) -> Layout:
    """Of images of so many channels and pixels that become maps of so many outputs."""
    (top, left), (down, right), (below, beside) = window.padding, window.stride, window.dilation
    small = (window.height, window.width, *window.stride, *window.dilation) == (3, 3, 1, 1, 1, 1)
    cut = tiles(window.rows, window.columns, channels, outputs) if small else Tiles(0, 0, 0)
    line = max(width + 2 * left, 2 * cut.columns + 2) * channels
    high = max(height + 2 * top, 2 * cut.rows + 2)
    frame = high * line
    images = max(1, GROUP // max(frame, window.rows * window.columns * outputs))
    lines = _grid((images, frame), (window.rows, down * line))
    kernel_rows, pixels = (window.height, below * line), (window.width, beside * channels)
    whole = beside == 1  # a row of the kernel lies together
    return Layout(
        frames=(images, high, line),
        inner=(top, left * channels),
        channels=channels,
        maps=(window.rows, window.columns),
        positions=np.add.outer(lines, _grid((window.columns, right * channels))).ravel(),
        lines=lines,
        step=right * channels,
        elements=_grid(kernel_rows, pixels, (channels, 1)),
        runs=_grid(kernel_rows) if whole else _grid(kernel_rows, pixels),
        length=window.width * channels if whole else channels,
        tiles=cut,
    )


def pack_filter(weight: np.ndarray, layout: Layout, turned: bool = False) -> np.ndarray:
    """(kh, kw, C, O) -> its matrices (n, panels, K, width): one of all patches, or one for each plane of the tiles.

    turned: for the gradient of the images, (O, C) of each element or plane.
    """
    outputs, channels = weight.shape[3], weight.shape[2]
    if layout.tiles.rows:
        planes = filter_planes(np.ascontiguousarray(weight).reshape(-1, channels, outputs))
        return np.stack([pack(plane.T if turned else plane) for plane in planes])
    if turned:
        return pack(weight.transpose(0, 1, 3, 2).reshape(-1, channels))[None]
    return pack(weight.reshape(-1, outputs))[None]


def _grid(*axes: tuple[int, int]) -> np.ndarray:
    """The sums of multiples of the distances, for axes (count, distance), the last one fastest."""
    return reduce(np.add.outer, [np.arange(count) * distance for count, distance in axes]).ravel()


@kernel
def convolve(x, packed, bias, out, where, layout, pool, lo, hi):  # type: ignore[no-untyped-def]
    """out (B, P, Q, O) = pooled maps, the maps being patches of x @ w + bias; where: see max_pool. Images [lo, hi).

    x (B, H, W C)    packed: w (height width C, O), or each of its planes; from `pack_filter`    bias (O,)
    """
    outputs, (rows, columns), (group, height, line) = out.shape[3], layout.maps, layout.frames
    group, pooled = min(group, max(hi - lo, 1)), pools(pool)
    frames = np.empty((group, height, line), x.dtype)
    maps = np.empty((group if pooled else 0, rows, columns, outputs), x.dtype)
    clear(frames)
    for first in range(lo, hi, group):
        last = min(first + group, hi)
        fill_frames(x[first:last], frames, layout)
        target = maps[: last - first] if pooled else out[first:last]
        if layout.tiles.rows > 0:
            lines = target.reshape(last - first, rows, columns * outputs)
            convolve_tiles(frames, packed, bias, lines, layout.tiles, last - first)
        else:
            convolve_patches(frames, packed[0], bias, target, layout)
        if pooled:
            max_pool(target, out[first:last], where[first:last], pool)


@kernel
def pools(pool):  # type: ignore[no-untyped-def]
    """Whether this pooling does anything."""
    return pool.height * pool.width * pool.stride[0] * pool.stride[1] != 1


@kernel
def convolve_patches(frames, packed, bias, maps, layout):  # type: ignore[no-untyped-def]
    """maps (b, P, Q, O) = patches of frames @ w + bias."""
    size, outputs, count = frames.itemsize, maps.shape[3], maps.shape[0] * maps.shape[1] * maps.shape[2]
    patches = Operand(address(frames), layout.positions, layout.runs, layout.length, 1)
    panels = Panels(address(packed), packed.strides[0] // size, packed.strides[1] // size)
    start, result = Rows(address(bias), evenly(count, 0)), Rows(address(maps), evenly(count, outputs))
    multiply_rows(patches, panels, start, result, count, outputs, size, frames.dtype.type(0))


@kernel
def convolve_backward(x, grad, where, packed, grad_x, grad_sum, layout, pool, lo, hi):  # type: ignore[no-untyped-def]
    """grad_sum (height width C, O): the gradient of w; in one row more, if there is one, of the bias. Images [lo, hi).

    grad (B, P, Q, O): of the output    packed: w' of each element of the kernel, (height width O, C), or each plane's
    grad_x (B, H, W C): of x, unless it is empty
    """
    outputs, (rows, columns), (group, height, line) = grad.shape[3], layout.maps, layout.frames
    group, pooled, in_tiles = min(group, max(hi - lo, 1)), pools(pool), layout.tiles.rows > 0
    frames, needed = np.empty((group, height, line), x.dtype), grad_x.size > 0
    grad_frames = np.empty((group if in_tiles and needed else 0, height, line), x.dtype)
    beyond = -(-VECTORS * VECTOR_BYTES // (rows * columns * outputs * x.itemsize))  # weight_gradient may read there
    maps = np.empty((group + beyond if pooled or not in_tiles else 0, rows, columns, outputs), x.dtype)
    grad_weight, nothing = grad_sum[: len(layout.elements)], np.zeros((1, outputs), x.dtype)
    grad_planes = np.zeros((PLANES if in_tiles else 0, layout.channels, outputs), x.dtype)
    if len(grad_sum) > len(grad_weight):
        sum_pixels(grad[lo:hi], grad_sum[-1])  # each goes to one pixel of the maps: the same sum, with fewer terms
    for first in range(lo, hi, group):
        last = min(first + group, hi)
        if first == lo or (needed and not in_tiles):  # else only images are written into them
            clear(frames)
        fill_frames(x[first:last], frames, layout)
        upstream = maps[: last - first] if len(maps) > 0 else grad[first:last]
        if pooled:
            max_pool_backward(grad[first:last], where[first:last], upstream, pool)
        elif not in_tiles:
            copy(grad[first:last], upstream)
        if in_tiles:
            clear(grad_frames)
            lines = upstream.reshape(last - first, rows, columns * outputs)
            tiles_backward(frames, lines, packed, grad_frames, grad_planes, layout.tiles, last - first)
        else:
            weight_gradient(frames, maps, nothing if first == lo else grad_weight, grad_weight, layout, last - first)
            if needed:
                image_gradient(maps, packed[0], frames, layout, last - first)
        if needed:
            empty_frames(grad_frames if in_tiles else frames, grad_x[first:last], layout)
    if in_tiles:
        filter_gradient(grad_planes, grad_weight)


@kernel
def copy(source, target):  # type: ignore[no-untyped-def]
    """target = source, both (b, P, Q, O)."""
    for b in range(len(source)):
        values, copies = source[b].ravel(), target[b].ravel()
        for k in range(len(values)):
            copies[k] = values[k]


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
    """Images (b, H, W C) into the first b frames; what is around them stays."""
    top, left = layout.inner
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
