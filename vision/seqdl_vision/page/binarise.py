"""Ink or paper: Sauvola's local threshold, on the page's own scale of contrast."""

from __future__ import annotations

import numpy as np

from seqdl import parallel
from seqdl_vision.kernels import ink as kernels

Array = np.ndarray

SHARE = 0.4  # on blank paper the threshold is this share of full ink
SPREAD = 0.4  # deviation, over full ink, of a window where a fifth is ink: there the threshold is the window's mean
FLOOR = 0.3  # of full ink: the soft edge of a stroke, between letters so close that their mean is low


def binarised(grey: Array, level: float, window: float) -> Array:
    """grey (H, W) uint8, 0 paper -> ink (H, W) bool.

    level: the grey of a typical stroke; window: its width in pixels, one letter or two. Sauvola and Pietikainen
    (2000) move the threshold away from the paper where the window is dull; as Wolf and Jolion (2004) do, dull is
    measured by the page's own contrast, so that a pencil on grey paper is seen and the grain of the paper is not.
    """
    reach = max(1, round(window / 2))
    settings = np.array([level, SPREAD * level, SHARE, FLOOR * level], np.float32)
    out = np.empty(grey.shape, bool)
    parallel.run(lambda lo, hi: kernels.sauvola(grey, reach, settings, out, lo, hi), parallel.batch_blocks(len(out)))
    return out
