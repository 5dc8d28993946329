"""The connected parts of a mask, measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import ndimage

Array = np.ndarray

TOUCHING = np.ones((3, 3), bool)  # corners count


@dataclass(frozen=True)
class Parts:
    """labels (H, W) int32, 0 for paper and 1 to N for the parts; each one's box and number of pixels (N,)."""

    labels: Array
    tops: Array
    bottoms: Array
    lefts: Array
    rights: Array
    pixels: Array

    @classmethod
    def of(cls, mask: Array) -> Self:
        labels, count = ndimage.label(mask, TOUCHING)
        places = ndimage.find_objects(labels)
        boxes = np.array([(y.start, y.stop, x.start, x.stop) for y, x in places], int).reshape(count, 4)
        tops, bottoms, lefts, rights = boxes.T
        return cls(labels, tops, bottoms, lefts, rights, np.bincount(labels[mask], minlength=count + 1)[1:])

    @property
    def heights(self) -> Array:
        return self.bottoms - self.tops

    @property
    def widths(self) -> Array:
        return self.rights - self.lefts

    @property
    def sizes(self) -> Array:
        """The longer side of each part's box."""
        return np.maximum(self.heights, self.widths)

    def count(self, where: Any) -> Array:
        """How many pixels of each part lie at `where`: a mask (H, W), or an index of rows and columns."""
        return np.bincount(self.labels[where], minlength=len(self.pixels) + 1)[1:]

    def mask(self, kept: Array) -> Array:
        """(H, W) bool: the parts for which kept (N,) is true."""
        return np.asarray(np.concatenate([[False], kept])[self.labels])


def weighted_median(values: Array, weights: Array) -> float:
    """The value at half of the weight; 0 without any."""
    if weights.sum() == 0:
        return 0.0
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
