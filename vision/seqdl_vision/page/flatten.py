"""The photo as the share of the paper's light that the ink takes away, at the scale at which it is read."""

from __future__ import annotations

import numpy as np

from seqdl import parallel
from seqdl_vision.kernels import ink as kernels
from seqdl_vision.page.paper import Paper

Array = np.ndarray


def flattened(photo: Array, paper: Paper, weights: Array, level: float, view_factor: int, factor: int) -> Array:
    """photo (H, W, C) uint8 -> how much ink (H // factor, W // factor) uint8, shadows and the paper's colour gone.

    weights (C,): the channels' shares; level: the missing light that is 255; view_factor: how much smaller the view
    was in which the paper was found.
    """
    height, width, _ = photo.shape
    out = np.empty((height // factor, width // factor), np.uint8)
    step, gain = np.float32(paper.step * view_factor), np.float32(255 / level)
    weights = weights.astype(np.float32)
    parallel.run(
        lambda lo, hi: kernels.absorbed(photo, paper.light, weights, step, gain, out, lo, hi),
        parallel.batch_blocks(len(out)),
    )
    return out
