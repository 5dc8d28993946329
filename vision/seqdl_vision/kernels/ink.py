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
def absorbed(photo, scales, step, out, lo, hi):  # type: ignore[no-untyped-def]
    """out = sum over the channels of scale (white - photo), from 0 to 255: the light that is missing from the paper's.

    photo (H, W, C) uint8; scales (G, K, C + 1) float32, in the middle of each square of `step` pixels of the photo and
    linear between: what a pixel of each channel is multiplied by, and in the last place what blank paper comes to;
    out (H // f, W // f) uint8, of the means of blocks.
    """
    width, channels = photo.shape[1:]
    size = width // out.shape[1]
    kind = scales.dtype.type
    half, zero, share = kind(0.5), kind(0), kind(1) / kind(size * size)
    lefts, rights = np.empty(out.shape[1], np.int64), np.empty(out.shape[1], scales.dtype)
    for x in range(out.shape[1]):
        lefts[x], rights[x] = _place((kind(x) + half) * kind(size) / kind(step) - half, scales.shape[1])
    row = np.empty((scales.shape[1] + 1, channels + 1), scales.dtype)
    for y in range(lo, hi):
        top, down = _place((kind(y) + half) * kind(size) / kind(step) - half, len(scales))
        under = min(top + 1, len(scales) - 1)
        for k in range(len(row)):
            at = min(k, scales.shape[1] - 1)
            for c in range(channels + 1):
                row[k, c] = scales[top, at, c] * (1 - down) + scales[under, at, c] * down
        for x in range(out.shape[1]):
            left, right = lefts[x], rights[x]
            value = half + row[left, channels] + (row[left + 1, channels] - row[left, channels]) * right
            for c in range(channels):
                total = 0
                for i in range(y * size, (y + 1) * size):
                    for j in range(x * size, (x + 1) * size):
                        total += photo[i, j, c]
                value -= (row[left, c] + (row[left + 1, c] - row[left, c]) * right) * kind(total) * share
            out[y, x] = np.uint8(min(max(value, zero), kind(255)))


@kernel
def _place(at, count):  # type: ignore[no-untyped-def]
    """Which of `count` places in a row is before `at`, and how far (0 to 1) it is from there to the next."""
    at = min(max(at, at * 0), at * 0 + count - 1)
    before = int(at)
    return before, at - before


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
            left, top = int(from_x + 1) - 2, int(from_y + 1) - 2  # floor, where int() would round -0.5 up
            value = half
            if left >= 0 and top >= 0 and left + 4 <= width and top + 4 <= height:
                _cubic(from_x - kind(left + 1), across)
                _cubic(from_y - kind(top + 1), down)
                for i in range(4):
                    value += down[i] * (
                        across[0] * kind(image[top + i, left])
                        + across[1] * kind(image[top + i, left + 1])
                        + across[2] * kind(image[top + i, left + 2])
                        + across[3] * kind(image[top + i, left + 3])
                    )
            elif from_x >= -half and from_y >= -half and from_x <= kind(width) - half and from_y <= kind(height) - half:
                _cubic(from_x - kind(left + 1), across)
                _cubic(from_y - kind(top + 1), down)
                for i in range(4):
                    for j in range(4):
                        row, column = min(max(top + i, 0), height - 1), min(max(left + j, 0), width - 1)
                        value += down[i] * across[j] * kind(image[row, column])
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
def stroke_widths(mask, step, out):  # type: ignore[no-untyped-def]
    """out[n] += the pixels whose run of ink along the row or along the column, whichever is shorter, is n long.

    mask (H, W) bool; of its rows every `step`-th is looked at; out (N,) int64, its last place for all longer runs.
    """
    height, width = mask.shape
    longest = len(out) - 1
    for y in range(step // 2, height, step):
        begun = -1
        for x in range(width + 1):
            ink = x < width and mask[y, x]
            if ink and begun < 0:
                begun = x
            elif not ink and begun >= 0:
                for i in range(begun, x):
                    out[_run_down(mask, y, i, min(x - begun, longest))] += 1
                begun = -1


@kernel
def _run_down(mask, y, x, limit):  # type: ignore[no-untyped-def]
    """How long the run of ink along the column through a pixel of ink is, `limit` at most."""
    length = 1
    above, below = y - 1, y + 1
    while length < limit and above >= 0 and mask[above, x]:
        length += 1
        above -= 1
    while length < limit and below < len(mask) and mask[below, x]:
        length += 1
        below += 1
    return length


@kernel
def soft_edged(grey, mask, written, reach, full, out, lo, hi):  # type: ignore[no-untyped-def]
    """out = full[grey] on what is written and within `reach` pixels of it, 0 elsewhere and where other ink was.

    grey (H, W) uint8; mask (H, W) bool: all ink; written (H, W) bool: the part of it that stays, and what was mended,
    which is 255; full (256,) uint8; out (H, W) uint8.
    """
    height, width = grey.shape
    out[lo:hi] = 0
    for i in range(max(lo - reach, 0), min(hi + reach, height)):
        for x in range(width):
            if written[i, x]:
                for y in range(max(i - reach, lo), min(i + reach + 1, hi)):
                    for j in range(max(x - reach, 0), min(x + reach + 1, width)):
                        if not mask[y, j]:
                            out[y, j] = 255 if written[y, j] else full[grey[y, j]]
                        elif written[y, j]:
                            out[y, j] = full[grey[y, j]]
