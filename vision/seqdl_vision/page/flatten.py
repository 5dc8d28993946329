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
    scales = (weights * (255 / level) / paper.light).astype(np.float32)
    blank = np.full((*scales.shape[:2], 1), weights.sum() * 255 / level, np.float32)
    scales = np.concatenate([scales, blank], axis=2)
    out = np.empty((height // factor, width // factor), np.uint8)
    step = paper.step * view_factor
    parallel.run(lambda lo, hi: kernels.absorbed(photo, scales, step, out, lo, hi), parallel.batch_blocks(len(out)))
    return out
