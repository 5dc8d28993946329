"""Convolution and max-pooling over images whose channels lie side by side: (B, H, W, C).

In this layout a patch is a few long runs of memory, a pixel's channels fill vector registers, and the output of a
convolution, (positions, channels), is what a matrix product writes. The images [lo, hi) of the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seqdl.kernels.jit import kernel
from seqdl.kernels.product import VECTOR_BYTES, VECTORS, fill_panels, multiply

LONG = 16  # elements from which on copying a run at once pays
GROUP = 1 << 16  # elements of the patches that are made at a time; they stay in the L2 cache


class Window(NamedTuple):
    """Where a kernel looks: its size, stride, padding, dilation, and how many positions it takes."""

    height: int
    width: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    rows: int
    columns: int


@kernel
def place(window, p, i, q, j):  # type: ignore[no-untyped-def]
    """The pixel that element (i, j) of the kernel sees from position (p, q); it may lie outside."""
    row = p * window.stride[0] - window.padding[0] + i * window.dilation[0]
    return row, q * window.stride[1] - window.padding[1] + j * window.dilation[1]


@kernel
def gather_patches(x, patches, window, lo, hi):  # type: ignore[no-untyped-def]
    """patches ((hi - lo) rows columns, height width C): what the kernel sees at each position, zero outside."""
    height, width, channels = x.shape[1:]
    run = window.width * channels
    at = 0
    for b in range(lo, hi):
        for p in range(window.rows):
            for q in range(window.columns):
                for i in range(window.height):
                    row, first = place(window, p, i, q, 0)
                    last = first + (window.width - 1) * window.dilation[1]
                    target = patches[at, i * run : (i + 1) * run]
                    whole = window.dilation[1] == 1 and 0 <= row < height and first >= 0 and last < width
                    if whole and run >= LONG:
                        pixels = x[b, row].ravel()[first * channels : first * channels + run]
                        for k in range(run):  # neighbours in the image are neighbours in memory
                            target[k] = pixels[k]
                    else:
                        for j in range(window.width):
                            column = first + j * window.dilation[1]
                            inside = 0 <= row < height and 0 <= column < width
                            for c in range(channels):
                                target[j * channels + c] = x[b, row, column, c] if inside else 0
                at += 1


@kernel
def scatter_patches(patches, x, window, lo, hi):  # type: ignore[no-untyped-def]
    """The transpose of gather_patches: x[lo:hi] becomes the sum of what was read from each pixel."""
    height, width, channels = x.shape[1:]
    at = 0
    for b in range(lo, hi):
        x[b] = 0
        for p in range(window.rows):
            for q in range(window.columns):
                for i in range(window.height):
                    for j in range(window.width):
                        row, column = place(window, p, i, q, j)
                        if 0 <= row < height and 0 <= column < width:
                            k = (i * window.width + j) * channels
                            for c in range(channels):
                                x[b, row, column, c] += patches[at, k + c]
                at += 1


@kernel
def convolve(x, packed, bias, out, window, lo, hi):  # type: ignore[no-untyped-def]
    """out (B positions, O) = patches of x @ w + bias, with w (height width C, O) packed."""
    positions, inner = window.rows * window.columns, packed.shape[1]
    group = max(1, GROUP // (positions * inner))
    patches = np.empty((group * positions, inner), x.dtype)
    for first in range(lo, hi, group):
        last = min(first + group, hi)
        gather_patches(x, patches, window, first, last)
        target = out[first * positions : last * positions]
        multiply(patches[: len(target)], packed, bias, target)


@kernel
def convolve_backward(x, grad, packed, grad_x, grad_weight, window, lo, hi):  # type: ignore[no-untyped-def]
    """grad_weight (height width C, O) += patches' @ grad; grad_x, unless it is empty, from grad @ w'.

    grad (B positions, O): gradient of the output    packed: w' (O, height width C)
    """
    positions, inner, outputs = window.rows * window.columns, len(grad_weight), grad.shape[1]
    group = max(1, GROUP // (positions * inner))
    patches = np.empty((group * positions, inner), x.dtype)
    width = VECTORS * VECTOR_BYTES // x.itemsize
    panels = np.empty((-(-outputs // width), group * positions, width), x.dtype)
    nothing = np.zeros((1, inner), x.dtype)
    for first in range(lo, hi, group):
        last = min(first + group, hi)
        source = grad[first * positions : last * positions]
        here, there = patches[: len(source)], panels[:, : len(source)]
        gather_patches(x, here, window, first, last)
        fill_panels(source, there)
        multiply(here.T, there, grad_weight, grad_weight)
        if grad_x.size > 0:
            multiply(source, packed, nothing, here)
            scatter_patches(here, grad_x, window, first, last)


@kernel
def max_pool(x, out, where, window, lo, hi):  # type: ignore[no-untyped-def]
    """out (B, rows, columns, C): the largest value in each window; where: which of its places that was.

    Places are counted row by row; the first of equal ones counts, and a NaN counts as largest.
    """
    height, width, channels = x.shape[1:]
    for b in range(lo, hi):
        for p in range(window.rows):
            for q in range(window.columns):
                best, at = out[b, p, q], where[b, p, q]
                best[:] = -np.inf
                at[:] = -1
                for k in range(window.height * window.width):
                    row, column = place(window, p, k // window.width, q, k % window.width)
                    if 0 <= row < height and 0 <= column < width:
                        values = x[b, row, column]
                        for c in range(channels):
                            larger = (values[c] > best[c]) | (values[c] != values[c]) | (at[c] < 0)
                            best[c] = values[c] if larger else best[c]
                            at[c] = k if larger else at[c]


@kernel
def max_pool_backward(grad, where, grad_x, window, lo, hi):  # type: ignore[no-untyped-def]
    """grad_x (B, H, W, C): each gradient goes to the pixel that won its window."""
    height, width, channels = grad_x.shape[1:]
    for b in range(lo, hi):
        grad_x[b] = 0
        for p in range(window.rows):
            for q in range(window.columns):
                upstream, at = grad[b, p, q], where[b, p, q]
                for k in range(window.height * window.width):
                    row, column = place(window, p, k // window.width, q, k % window.width)
                    if 0 <= row < height and 0 <= column < width:
                        target = grad_x[b, row, column]
                        for c in range(channels):
                            target[c] += upstream[c] if at[c] == k else 0
