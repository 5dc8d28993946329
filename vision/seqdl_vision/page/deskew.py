"""How far a page is turned, from the profile of its ink along the lines, and the picture turned back."""

from __future__ import annotations

import math

import numpy as np

from seqdl import parallel
from seqdl_vision.kernels import ink as kernels

Array = np.ndarray

LIMIT = 10.0  # degrees each way
SHORTEST = 6.0  # letter heights: what is less wide has no lines to measure by
FINE = 0.6  # stroke widths: the strips of the profile
CLEARLY = 1.03  # times as sharp as it is: few letters line up by chance
POINTS = 20_000  # of the ink are enough to measure by


def has_lines(mask: Array, letter: float) -> bool:
    """Whether a mask (H, W) is so much wider than its letters are high that its lines have a direction."""
    columns = np.flatnonzero(mask.any(axis=0))
    return len(columns) > 0 and columns[-1] - columns[0] >= SHORTEST * letter


def skew(mask: Array, stroke: float) -> float:
    """Angle in degrees by which the lines of a mask (H, W) run down to the right; 0 where the ink does not tell.

    The profile, ink per row, is sharpest along the lines: there the sum of its squares is greatest. stroke: width of
    the strokes.
    """
    y, x = np.nonzero(mask)
    if len(y) == 0:
        return 0.0
    step = -(-len(y) // POINTS)
    y, x = y[::step].astype(np.float32), x[::step].astype(np.float32)
    rows = max(1.0, FINE * stroke)
    coarse = np.arange(-LIMIT, LIMIT + 0.25, 0.5)
    best = coarse[np.argmax([_sharpness(y, x, a, rows) for a in coarse])]
    fine = best + np.arange(-0.5, 0.51, 0.1)
    sharpness = [_sharpness(y, x, a, rows) for a in fine]
    clear = max(sharpness) > CLEARLY * _sharpness(y, x, 0, rows)
    return round(float(fine[np.argmax(sharpness)]), 1) if clear else 0.0


def _sharpness(y: Array, x: Array, degrees: float, rows: float) -> float:
    """Sum of squares of the ink in strips `rows` high; a pixel is shared between the two strips that are nearest."""
    down = (y - np.float32(math.tan(math.radians(degrees))) * x) / np.float32(rows)
    down -= down.min()
    strip = down.astype(np.int64)
    share = down - strip
    profile = np.bincount(strip, 1 - share, strip.max() + 2) + np.bincount(strip + 1, share, strip.max() + 2)
    return float((profile**2).sum())


def turning(height: int, width: int, degrees: float, zoom: int = 1) -> tuple[Array, tuple[int, int]]:
    """Matrix (2, 3) float64 from the turned and enlarged picture's pixels to (height, width), and its shape."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned_width = math.ceil(zoom * (width * abs(cos) + height * abs(sin)))
    turned_height = math.ceil(zoom * (height * abs(cos) + width * abs(sin)))
    linear = np.array([[cos, -sin], [sin, cos]]) / zoom
    middle = np.array([width - 1, height - 1]) / 2 - linear @ np.array([turned_width - 1, turned_height - 1]) / 2
    return np.column_stack([linear, middle]), (turned_height, turned_width)


def turned(grey: Array, inverse: Array, shape: tuple[int, int]) -> Array:
    """grey (H, W) uint8 at inverse @ (x, y, 1) for each pixel of `shape`; paper outside."""
    out = np.empty(shape, np.uint8)
    matrix = inverse.astype(np.float32)
    parallel.run(lambda lo, hi: kernels.resampled(grey, matrix, out, lo, hi), parallel.batch_blocks(len(out)))
    return out
