"""The connected pieces of ink, and how tall a letter is.

All that follows works on `Components`: a picture that says for each pixel which component it belongs to, and a box
for each. Cutting a component in two gives new numbers to a part of its pixels, so that a letter is always a set of
components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

Array = np.ndarray
LEFT, TOP, RIGHT, BOTTOM = range(4)
TOUCHING = np.ones((3, 3), bool)  # diagonal neighbours touch


@dataclass
class Components:
    """labels (H, W) int32: 0 is paper, component n is n + 1. boxes (N, 4) int32: left, top, right, bottom, half-open.

    areas (N,) int64: pixels of ink. stroke: the typical width of the pen's line in pixels.
    """

    labels: Array
    boxes: Array
    areas: Array
    stroke: float

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def widths(self) -> Array:
        return self.boxes[:, RIGHT] - self.boxes[:, LEFT]

    @property
    def heights(self) -> Array:
        return self.boxes[:, BOTTOM] - self.boxes[:, TOP]

    @property
    def centres(self) -> Array:
        """(N, 2) float: x and y of the middles of the boxes."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2

    def union(self, members: Array | list[int]) -> Array:
        """(4,) int32: the box around some of them."""
        boxes = self.boxes[members]
        return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])

    def split(self, n: int, rows: Array, columns: Array) -> int:
        """Make these pixels of component n, not all it has, a component of their own; its number."""
        left, top, right, bottom = self.boxes[n]
        number = len(self)
        self.labels[rows, columns] = number + 1
        rest = np.nonzero(self.labels[top:bottom, left:right] == n + 1)
        self.boxes = np.concatenate([self.boxes, _box(rows, columns)])
        self.boxes[n] = _box(top + rest[0], left + rest[1])
        self.areas = np.append(self.areas, len(rows))
        self.areas[n] = len(rest[0])
        return number


def _box(rows: Array, columns: Array) -> Array:
    return np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.int32)


def find_components(mask: Array, stroke: float) -> Components:
    """The connected components of mask (H, W) bool."""
    labels, count = ndimage.label(mask, TOUCHING, output=np.int32)
    places = ndimage.find_objects(labels)
    boxes = np.array([(x.start, y.start, x.stop, y.stop) for y, x in places], np.int32).reshape(count, 4)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return Components(labels, boxes, areas, stroke)


def letter_height(components: Components) -> float:
    """Typical height of a letter in pixels: the median over all that is larger than a dot, or of all there is.

    Wide ones count more, as they may be several letters that touch.
    """
    if not len(components):
        return 0.0
    sizes = components.boxes[:, 2:] - components.boxes[:, :2]
    letters = sizes[sizes.max(axis=1) > 3 * components.stroke]
    sizes = letters if len(letters) else sizes
    return weighted_median(sizes[:, 1], np.minimum(sizes[:, 0], 3 * sizes[:, 1]))


def weighted_median(values: Array, weights: Array) -> float:
    """The value below which half of the weight lies."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])
