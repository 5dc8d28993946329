"""How large the writing is: a small view of the photo, the height of its letters, the width of its strokes."""

from __future__ import annotations

import math

import numpy as np

from seqdl import parallel
from seqdl_vision.kernels import ink as kernels
from seqdl_vision.page.parts import Parts, weighted_median

Array = np.ndarray

VIEW_PIXELS = 1_000_000  # enough to measure a page by; its letters are read at `working_factor`
LETTER = 50  # the classifier's letters are 24 pixels high; more than twice that tells it nothing
SMALL_LETTER = 25  # lower letters are read twice as large
ROWS = 1000  # are enough to measure strokes by
LONGEST = 1000  # pixels: wider strokes count as so wide
ZOOM_PIXELS = 3_000_000  # of a page at most
LETTER_INK = 4.0  # stroke widths, squared: the smallest letter holds more
LETTER_HEIGHT = 2.5  # stroke widths: and is higher


def view_factor(height: int, width: int) -> int:
    """How many times smaller, each way, the view is that a photo is measured by."""
    return max(1, min(math.ceil(math.sqrt(height * width / VIEW_PIXELS)), height, width))


def reduced(photo: Array, factor: int) -> Array:
    """Block means of a photo (H, W, C) uint8 -> (H // factor, W // factor, C) float32."""
    height, width, channels = photo.shape
    out = np.empty((height // factor, width // factor, channels), np.float32)
    parallel.run(lambda lo, hi: kernels.block_means(photo, out, lo, hi), parallel.batch_blocks(len(out)))
    return out


def working_factor(letter: float) -> int:
    """How many times smaller the photo is read, its letters being `letter` pixels high."""
    return max(1, int(letter / LETTER))


def zoom_factor(letter: float, pixels: int) -> int:
    """How many times larger a picture of so many pixels is read whose letters are `letter` pixels high.

    Strokes of one or two pixels break or run together; a page that is large already is left as it is.
    """
    return 2 if letter < SMALL_LETTER and pixels <= ZOOM_PIXELS else 1


def letter_height(parts: Parts, stroke: float, kept: Array | None = None) -> float:
    """Typical height of the letters among the parts, or the kept (N,) of them; 0 where there is none.

    A median in which larger parts, words perhaps, weigh by the root of their ink. No letter is as small as a dot or
    a dash, and what reaches through a third of the picture is a rule, a frame or an edge, unless it is all there is.
    """
    letters = (parts.pixels >= LETTER_INK * stroke**2) & (parts.heights >= LETTER_HEIGHT * stroke)
    letters &= True if kept is None else kept
    small = letters & (parts.sizes <= max(parts.labels.shape) / 3)
    letters = small if small.any() else letters
    return weighted_median(parts.heights[letters], np.sqrt(parts.pixels[letters]))


def stroke_width(mask: Array) -> float:
    """Typical width of the strokes of a mask, in pixels; 0 without ink.

    Each pixel of ink is in a run along its row and in one along its column: the median of the shorter ones, each
    weighing its inverse, so that a line weighs by its length, however thick. Of a large picture some rows are enough.
    """
    counts = np.zeros(min(max(mask.shape), LONGEST) + 1, np.int64)
    kernels.stroke_widths(mask, 1 + len(mask) // ROWS, counts)
    widths = np.arange(1, len(counts))
    return weighted_median(widths, counts[1:] / widths)


def runs(mask: Array) -> tuple[Array, Array]:
    """Where the runs of ink begin and end, row by row; positions as if each row had one more column."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int8)
    padded[:, :-1] = mask
    edges = np.diff(padded.ravel(), prepend=np.int8(0))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
