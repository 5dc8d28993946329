"""Batch normalisation over rows of channels, (N, C), given flat.

A row is short, so rows are walked by the line: as many of them as make a loop worth its start. What belongs to a
channel is repeated along the line. Sums are taken chunk by chunk, each small enough for the cache and for float32;
the chunks depend on the shape alone, and whoever adds them up does so in float64.

figures (3, line): mean, factor, shift of each channel; the result is (x - mean) factor + shift. floor: 0 for a ReLU
behind, -inf for none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqdl.kernels.jit import kernel

LINE = 512  # elements at least
LINES = 32  # in a chunk


def in_lines(figures: Sequence[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """Figures of each channel, n times (C,) -> (n, line), repeated along the line."""
    rows = np.stack(figures)
    return np.tile(rows, -(-LINE // rows.shape[1])).astype(dtype)


def line_length(channels: int) -> int:
    """Elements of a line."""
    return channels * -(-LINE // channels)


def chunks(x: np.ndarray, channels: int) -> int:
    """How many there are of x."""
    return -(-len(x) // (LINES * line_length(channels)))


@kernel
def moments(x, parts, line, lo, hi):  # type: ignore[no-untyped-def]
    """parts[k] (2, C) = of chunk k: each channel's sum, and its sum of squares about the chunk's own mean."""
    size, sums, centre = LINES * line, np.empty(line, x.dtype), np.empty(line, x.dtype)
    for k in range(lo, hi):
        chunk = x[k * size : min((k + 1) * size, len(x))]
        sums[:] = 0
        for at in range(0, len(chunk), line):
            values = chunk[at : at + line]
            for j in range(len(values)):
                sums[j] += values[j]
        fold(sums, parts[k, 0])
        spread(parts[k, 0], parts.shape[2] / len(chunk), centre)
        sums[:] = 0
        for at in range(0, len(chunk), line):
            values = chunk[at : at + line]
            for j in range(len(values)):
                sums[j] += (values[j] - centre[j]) * (values[j] - centre[j])
        fold(sums, parts[k, 1])


@kernel
def fold(sums, total):  # type: ignore[no-untyped-def]
    """total (C,) = the sum of each channel in a line of sums."""
    total[:] = 0
    for at in range(0, len(sums), len(total)):
        values = sums[at : at + len(total)]
        for c in range(len(total)):
            total[c] += values[c]


@kernel
def spread(total, scale, values):  # type: ignore[no-untyped-def]
    """A line of values = scale total (C,), repeated."""
    for at in range(0, len(values), len(total)):
        target = values[at : at + len(total)]
        for c in range(len(total)):
            target[c] = scale * total[c]


@kernel
def normalise(x, add, figures, floor, y, lo, hi):  # type: ignore[no-untyped-def]
    """y = (x - mean) factor + shift, and + add unless that is empty, but no less than floor. Chunks [lo, hi)."""
    mean, factor, shift = figures[0], figures[1], figures[2]
    line, floor = len(mean), x.dtype.type(floor)
    for at in range(lo * LINES * line, min(hi * LINES * line, len(x)), line):
        values, added, result = x[at : at + line], add[at : at + line], y[at : at + line]
        if len(added) > 0:
            for j in range(len(values)):
                value = (values[j] - mean[j]) * factor[j] + shift[j] + added[j]
                result[j] = floor if value < floor else value  # a NaN stays one
        else:
            for j in range(len(values)):
                value = (values[j] - mean[j]) * factor[j] + shift[j]
                result[j] = floor if value < floor else value


@kernel
def sum_gradients(x, g, figures, floor, parts, lo, hi):  # type: ignore[no-untyped-def]
    """parts[k] (2, C) = of chunk k: each channel's sum of the gradients g, and of g (x - mean).

    Only those count whose result, which is made anew of x, was above floor.
    """
    mean, factor, shift = figures[0], figures[1], figures[2]
    line, zero, floor = len(mean), x.dtype.type(0), x.dtype.type(floor)
    size, sums, products = LINES * line, np.empty_like(mean), np.empty_like(mean)
    for k in range(lo, hi):
        sums[:] = 0
        products[:] = 0
        for at in range(k * size, min((k + 1) * size, len(x)), line):
            values, upstream = x[at : at + line], g[at : at + line]
            for j in range(len(values)):
                centred, given = values[j] - mean[j], upstream[j]  # read in any case, else the loop stays scalar
                given = zero if centred * factor[j] + shift[j] <= floor else given
                sums[j] += given
                products[j] += given * centred
        fold(sums, parts[k, 0])
        fold(products, parts[k, 1])


@kernel
def gradient(x, g, figures, floor, slopes, grad_x, lo, hi):  # type: ignore[no-untyped-def]
    """grad_x = a g - b - c (x - mean) for slopes (3, line) = a, b, c; g and floor as above. Chunks [lo, hi)."""
    mean, factor, shift, a, b, c = figures[0], figures[1], figures[2], slopes[0], slopes[1], slopes[2]
    line, zero, floor = len(mean), x.dtype.type(0), x.dtype.type(floor)
    for at in range(lo * LINES * line, min(hi * LINES * line, len(x)), line):
        values, upstream, result = x[at : at + line], g[at : at + line], grad_x[at : at + line]
        for j in range(len(values)):
            centred, given = values[j] - mean[j], upstream[j]
            given = zero if centred * factor[j] + shift[j] <= floor else given
            result[j] = a[j] * given - b[j] - c[j] * centred
