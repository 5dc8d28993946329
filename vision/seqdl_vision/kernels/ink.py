"""From a photo to its ink: the loops over all pixels. Each fills the rows lo to hi of `out` alone."""

from __future__ import annotations

import numpy as np

from seqdl.kernels.jit import kernel


@kernel
def block_means(photo, out, lo, hi):  # type: ignore[no-untyped-def]
    """out[y, x, c] = mean of a square block of photo. photo (H, W, C) uint8; out (H // f, W // f, C) float32."""
    size = photo.shape[1] // out.shape[1]
    share = out.dtype.type(1) / out.dtype.type(size * size)
    for y in range(lo, hi):
        for x in range(out.shape[1]):
            for c in range(out.shape[2]):
                total = 0
                for i in range(y * size, (y + 1) * size):
                    for j in range(x * size, (x + 1) * size):
                        total += photo[i, j, c]
                out[y, x, c] = out.dtype.type(total) * share


@kernel
def absorbed(photo, paper, weights, step, gain, out, lo, hi):  # type: ignore[no-untyped-def]
    """out = gain times the share of the paper's light that is missing: 1 - photo / paper, weighted over the channels.

    photo (H, W, C) uint8; paper (G, K, C) float32, the light of blank paper in the middle of each square of `step`
    pixels of the photo, bilinear between; weights (C,) float32; out (H // f, W // f) uint8, a block's mean.
    """
    width, channels = photo.shape[1:]
    size = width // out.shape[1]
    one, half = weights.dtype.type(1), weights.dtype.type(0.5)
    whole = weights.sum() * gain
    factors = np.empty((out.shape[1], channels), weights.dtype)
    for y in range(lo, hi):
        _light_of_row(paper, (weights.dtype.type(y) + half) * (weights.dtype.type(size) / step), size / step, factors)
        for x in range(out.shape[1]):
            for c in range(channels):
                factors[x, c] = gain * weights[c] / (factors[x, c] * weights.dtype.type(size * size))
        for x in range(out.shape[1]):
            value = whole + half
            for c in range(channels):
                total = 0
                for i in range(y * size, (y + 1) * size):
                    for j in range(x * size, (x + 1) * size):
                        total += photo[i, j, c]
                value -= factors[x, c] * weights.dtype.type(total)
            out[y, x] = np.uint8(min(max(value, half - half), one * 255))


@kernel
def _light_of_row(paper, y, step, out):  # type: ignore[no-untyped-def]
    """out[x, c] = paper (G, K, C) at row y and column (x + 1/2) step, both counted in squares; bilinear."""
    rows, columns, channels = paper.shape
    half, zero = out.dtype.type(0.5), out.dtype.type(0)
    step = out.dtype.type(step)
    y = min(max(y - half, zero), out.dtype.type(rows - 1))
    top = min(int(y), max(rows - 2, 0))
    under = min(top + 1, rows - 1)
    down = y - out.dtype.type(top)
    for j in range(len(out)):
        x = min(max((out.dtype.type(j) + half) * step - half, zero), out.dtype.type(columns - 1))
        left = min(int(x), max(columns - 2, 0))
        next_left = min(left + 1, columns - 1)
        right = x - out.dtype.type(left)
        for c in range(channels):
            above = paper[top, left, c] * (1 - right) + paper[top, next_left, c] * right
            below = paper[under, left, c] * (1 - right) + paper[under, next_left, c] * right
            out[j, c] = above * (1 - down) + below * down


@kernel
def resampled(image, inverse, out, lo, hi):  # type: ignore[no-untyped-def]
    """out[y, x] = image at inverse @ (x, y, 1), 0 outside: a cubic through four by four pixels (Catmull and Rom).

    image (H, W) uint8; inverse (2, 3) float32, rows x and y, in pixel centres; out uint8.
    """
    height, width = image.shape
    kind = inverse.dtype.type
    half = kind(0.5)
    across, down = np.empty(4, inverse.dtype), np.empty(4, inverse.dtype)
    for y in range(lo, hi):
        for x in range(out.shape[1]):
            from_x = inverse[0, 0] * kind(x) + inverse[0, 1] * kind(y) + inverse[0, 2]
            from_y = inverse[1, 0] * kind(x) + inverse[1, 1] * kind(y) + inverse[1, 2]
            out[y, x] = 0
            if from_x < -half or from_y < -half or from_x > kind(width) - half or from_y > kind(height) - half:
                continue
            left, top = int(np.floor(from_x)) - 1, int(np.floor(from_y)) - 1
            _cubic(from_x - kind(left + 1), across)
            _cubic(from_y - kind(top + 1), down)
            value = half
            for i in range(4):
                row = image[min(max(top + i, 0), height - 1)]
                total = half - half
                for j in range(4):
                    total += across[j] * kind(row[min(max(left + j, 0), width - 1)])
                value += down[i] * total
            out[y, x] = np.uint8(min(max(value, half - half), kind(255)))


@kernel
def _cubic(t, weights):  # type: ignore[no-untyped-def]
    """weights (4,) of the pixels at -1, 0, 1 and 2 for a place t between 0 and 1."""
    kind = weights.dtype.type
    half = kind(0.5)
    weights[0] = half * (-t * t * t + 2 * t * t - t)
    weights[1] = half * (3 * t * t * t - 5 * t * t + 2)
    weights[2] = half * (-3 * t * t * t + 4 * t * t + t)
    weights[3] = half * (t * t * t - t * t)


@kernel
def sauvola(grey, reach, settings, out, lo, hi):  # type: ignore[no-untyped-def]
    """out = grey > max(m + share (level - m) (1 - s / spread), floor): m, s mean and deviation of a window around it.

    grey (H, W) uint8, ink is bright; the window reaches `reach` pixels each way and ends at the picture's edge;
    settings (4,) float32: level, spread, share, floor; out (H, W) bool. The sums are whole numbers: however the
    rows are cut into blocks, the result is the same.
    """
    height, width = grey.shape
    kind = settings.dtype.type
    level, spread, share, floor = settings
    one, zero = kind(1), kind(0)
    sums, squares = np.zeros(width, np.int64), np.zeros(width, np.int64)
    for i in range(max(lo - reach, 0), min(lo + reach, height)):
        _add_row(grey[i], 1, sums, squares)
    for y in range(lo, hi):
        if y + reach < height:
            _add_row(grey[y + reach], 1, sums, squares)
        if y - reach - 1 >= 0 and y > lo:
            _add_row(grey[y - reach - 1], -1, sums, squares)
        rows = min(y + reach, height - 1) - max(y - reach, 0) + 1
        total, total_squares = sums[: min(reach, width)].sum(), squares[: min(reach, width)].sum()
        for x in range(width):
            if x + reach < width:
                total += sums[x + reach]
                total_squares += squares[x + reach]
            if x - reach - 1 >= 0:
                total -= sums[x - reach - 1]
                total_squares -= squares[x - reach - 1]
            count = rows * (min(x + reach, width - 1) - max(x - reach, 0) + 1)
            mean = kind(total) / kind(count)
            deviation = np.sqrt(kind(count * total_squares - total * total)) / kind(count)
            dull = max(one - deviation / spread, zero)
            out[y, x] = kind(grey[y, x]) > max(mean + share * max(level - mean, zero) * dull, floor)


@kernel
def _add_row(row, sign, sums, squares):  # type: ignore[no-untyped-def]
    """sums and squares (W,) int64 += sign times row (W,) uint8 and its square."""
    for x in range(len(row)):
        value = np.int64(row[x])
        sums[x] += sign * value
        squares[x] += sign * value * value


@kernel
def shorter_runs(mask, out):  # type: ignore[no-untyped-def]
    """out = length of a pixel's run of ink along its row or along its column, whichever is shorter; 0 on paper.

    mask (H, W) bool; out (H, W) uint16.
    """
    height, width = mask.shape
    begun = np.full(width, -1, np.int64)  # the row in which the run of each column began
    for y in range(height + 1):
        if y < height:
            _row_runs(mask[y], out[y])
        for x in range(width):
            ink = y < height and mask[y, x]
            if ink and begun[x] < 0:
                begun[x] = y
            elif not ink and begun[x] >= 0:
                length = min(y - begun[x], 65535)
                for i in range(begun[x], y):
                    out[i, x] = min(out[i, x], length)
                begun[x] = -1


@kernel
def _row_runs(row, out):  # type: ignore[no-untyped-def]
    """out (W,) = length of each pixel's run in row (W,) bool, 0 on paper."""
    begun = -1
    for x in range(len(row) + 1):
        ink = x < len(row) and row[x]
        if ink and begun < 0:
            begun = x
        elif not ink:
            if begun >= 0:
                out[begun:x] = min(x - begun, 65535)
                begun = -1
            if x < len(row):
                out[x] = 0
