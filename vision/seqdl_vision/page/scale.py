"""How large the writing is: a small view of the photo, the height of its letters, the width of its strokes."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from seqdl import parallel
from seqdl_vision.kernels import ink as kernels

Array = np.ndarray

VIEW_PIXELS = 1_000_000  # enough to measure a page by; its letters are read at `working_factor`
LETTER = 40  # the classifier's letters are 24 pixels high; more than twice that tells it nothing


def view_factor(height: int, width: int) -> int:
    """How many times smaller, each way, the view is that a photo is measured by."""
    return max(1, math.ceil(math.sqrt(height * width / VIEW_PIXELS)))


def reduced(photo: Array, factor: int) -> Array:
    """Block means of a photo (H, W, C) uint8 -> (H // factor, W // factor, C) float32, at least 1 x 1."""
    height, width, channels = photo.shape
    out = np.empty((height // factor, width // factor, channels), np.float32)
    parallel.run(lambda lo, hi: kernels.block_means(photo, out, lo, hi), parallel.batch_blocks(len(out)))
    return out


def working_factor(letter: float) -> int:
    """How many times smaller the photo is read, its letters being `letter` pixels high."""
    return max(1, int(letter / LETTER))


def boxes_of(mask: Array) -> tuple[Array, Array, Array]:
    """Labels (H, W) int32, boxes (N, 4) as top, bottom, left, right, and pixels (N,) of the 8-connected parts."""
    labels, count = ndimage.label(mask, np.ones((3, 3), bool))
    boxes = np.array([(y.start, y.stop, x.start, x.stop) for y, x in ndimage.find_objects(labels)], int)
    return labels, boxes.reshape(count, 4), np.bincount(labels[mask], minlength=count + 1)[1:]


def letter_height(boxes: Array, pixels: Array, shape: tuple[int, int]) -> float:
    """Typical height of the letters among the parts of a mask: the median over their ink; 0 where there is none.

    What reaches through a third of the picture is a rule, a frame or an edge, unless there is nothing else.
    """
    heights, widths = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    long = np.maximum(heights, widths) > max(shape) / 3
    kept = ~long if pixels[~long].sum() > 0 else np.ones(len(boxes), bool)
    return weighted_median(heights[kept], pixels[kept])


def weighted_median(values: Array, weights: Array) -> float:
    """The value at half of the weight; 0 without any."""
    if weights.sum() == 0:
        return 0.0
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def stroke_width(mask: Array) -> float:
    """Typical width of the strokes of a mask, in pixels; 0 without ink.

    Ink within runs across it: each pixel's shorter run, left to right or top to bottom, the median over the ink.
    """
    if not mask.any():
        return 0.0
    across, down = run_lengths(mask)[mask], run_lengths(mask.T).T[mask]
    return float(np.median(np.minimum(across, down)))


def run_lengths(mask: Array) -> Array:
    """For each pixel of a mask (H, W) the length of its run of ink along the row, 0 on paper; int32."""
    out = np.zeros(mask.shape, np.int32)
    starts, ends = runs(mask)
    lengths = ends - starts
    out[mask] = np.repeat(lengths, lengths)
    return out


def runs(mask: Array) -> tuple[Array, Array]:
    """Where the runs of ink begin and end, row by row; positions as if each row had one more column."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int8)
    padded[:, :-1] = mask
    edges = np.diff(padded.ravel(), prepend=np.int8(0))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
