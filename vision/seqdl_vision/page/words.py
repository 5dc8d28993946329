"""Where a line's words end: gaps fall into two kinds, those inside words and those between them.

Gaps are measured in letter heights. What is wide depends on the writer: some write letter by letter with gaps as wide
as a letter. The gaps of a page are divided where the two kinds differ most.
"""

from __future__ import annotations

import numpy as np

from seqdl_vision.page.components import Array

LEAST = 0.25  # letter heights: a narrower gap is never between words
USUAL = 0.7  # letter heights between words where there is one kind of gap alone, and no less than:
TIMES = 2.5  # the median gap


def threshold(gaps: Array) -> float:
    """The width above which one of gaps (G,), in letter heights, is between words."""
    gaps = np.sort(np.maximum(gaps, 0.02))
    if not len(gaps):
        return USUAL
    fallback = max(USUAL, TIMES * float(np.median(gaps)))
    if len(gaps) < 3:
        return fallback
    best, least = fallback, np.inf
    values = np.sqrt(gaps)
    total = np.square(values - values.mean()).sum()
    for k in range(1, len(gaps)):
        low, high = values[:k], values[k:]
        within = np.square(low - low.mean()).sum() + np.square(high - high.mean()).sum()
        if within < least:
            least, best = within, (gaps[k - 1] + gaps[k]) / 2
            apart = high.mean() / max(low.mean(), 1e-3)
            step = gaps[k] / gaps[k - 1]
    if least > 0.35 * total or apart < 1.3 or step < 1.15:
        return fallback
    return max(best, LEAST)
