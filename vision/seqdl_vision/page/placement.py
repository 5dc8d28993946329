"""Where the ink picture lies on the photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from seqdl_vision.page.result import Box

Array = np.ndarray


@dataclass(frozen=True)
class Placement:
    """The place of an ink picture, turned and made smaller, on the upright photo of width x height pixels.

    matrix (2, 3): from (x, y, 1) in the ink picture to (x, y) in the photo, both counted from the corners of pixels.
    """

    matrix: Array
    width: int
    height: int

    @classmethod
    def of(cls, turning: Array, factor: int, photo: Array) -> Self:
        """turning (2, 3): from pixel centres of the ink picture to those of the photo made `factor` times smaller."""
        linear = turning[:, :2]
        offset = turning[:, 2] + 0.5 - linear @ np.array([0.5, 0.5])
        return cls(np.column_stack([linear, offset]) * factor, photo.shape[1], photo.shape[0])

    @property
    def scale(self) -> float:
        """How many pixels of the photo are one of the ink picture, along each side."""
        return float(np.hypot(*self.matrix[:, 0]))

    def __call__(self, box: Box) -> Box:
        """The box of the photo around a box of the ink picture, cut at the photo's edge; one pixel at least."""
        x, y = self.on_photo(np.array([box.left, box.left, box.right, box.right]), np.array([box.top, box.bottom] * 2))
        left, top = (int(np.floor(v.min() + 1e-6)) for v in (x, y))
        right, bottom = (int(np.ceil(v.max() - 1e-6)) for v in (x, y))
        left, top = min(max(left, 0), self.width - 1), min(max(top, 0), self.height - 1)
        return Box(left, top, max(left + 1, min(right, self.width)), max(top + 1, min(bottom, self.height)))

    def on_photo(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Where points of the ink picture are on the photo."""
        return (
            self.matrix[0, 0] * x + self.matrix[0, 1] * y + self.matrix[0, 2],
            self.matrix[1, 0] * x + self.matrix[1, 1] * y + self.matrix[1, 2],
        )

    def to_edge(self, x: Array, y: Array) -> Array:
        """How far points of the ink picture are from the photo's edge, in pixels of the ink picture."""
        x, y = self.on_photo(x, y)
        return np.minimum(np.minimum(x, self.width - x), np.minimum(y, self.height - y)) / self.scale
