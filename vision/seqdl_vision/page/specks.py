"""What is too small, too lonely or too thick to be writing."""

from __future__ import annotations

import numpy as np

from seqdl_vision.page.scale import boxes_of

Array = np.ndarray

DOT = 0.5  # stroke widths, squared: the dot of an i covers at least this
SMALL = 0.35  # letter heights: a part no larger either way is a dot or a speck
NEAR = 1.0  # letter heights: a dot is no farther from a letter


def without_specks(mask: Array, letter: float, stroke: float) -> Array:
    """mask (H, W) bool without its specks: parts smaller than a dot, and dots far from every letter."""
    labels, boxes, pixels = boxes_of(mask)
    sizes = np.maximum(boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2])
    small = sizes <= SMALL * letter
    kept = (pixels >= DOT * stroke**2) & (~small | _near_any(boxes, boxes[~small], NEAR * letter))
    return np.concatenate([[False], kept])[labels]


def _near_any(boxes: Array, others: Array, distance: float) -> Array:
    """Which boxes (N, 4) are within that distance of any of the others (M, 4): (N,) bool."""
    near = np.zeros(len(boxes), bool)
    for top, bottom, left, right in others:
        down = np.maximum(top - boxes[:, 1], boxes[:, 0] - bottom)
        across = np.maximum(left - boxes[:, 3], boxes[:, 2] - right)
        near |= np.maximum(down, across) <= distance
    return near
