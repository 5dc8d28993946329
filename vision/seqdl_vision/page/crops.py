"""The pictures of characters that a model is asked about: sets of components cut out of the page."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from seqdl_vision.page.components import TOUCHING, Array, Components


class Cropper:
    """Cuts sets of components out of a page's grey ink; soft edges go with the component they belong to."""

    def __init__(self, components: Components, grey: Array) -> None:
        self.components, self.grey = components, grey
        self.edge = max(1, round(components.stroke / 4))
        self.wanted = np.zeros(len(components) + 1, bool)

    def __call__(self, members: list[int]) -> Array:
        """(h, w) uint8: the ink of these components, white on black, nothing of their neighbours."""
        left, top, right, bottom = self.components.union(members)
        height, width = self.grey.shape
        window = np.s_[
            max(0, top - self.edge) : min(height, bottom + self.edge),
            max(0, left - self.edge) : min(width, right + self.edge),
        ]
        self.wanted[np.array(members) + 1] = True
        labels = self.components.labels[window]
        mine = self.wanted[labels]
        self.wanted[np.array(members) + 1] = False
        near = ndimage.binary_dilation(mine, TOUCHING, iterations=self.edge)
        return np.where(mine | (near & (labels == 0)), self.grey[window], 0).astype(np.uint8)
